// Package provision makes the new hosts: droplets sized after the source hosts, a
// network and firewalls of the migration's own, the same packages. It needs the
// vendor behind Cloud and hosts that are reached by SSH. Each step leaves alone
// what it did not make. Stages puts the steps into a plan; the room parity makes
// the hosts serve what the old ones do.
package provision
