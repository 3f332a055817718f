// Package provision makes the new hosts: droplets sized after the source hosts, a
// private network and firewalls of their own, and the same packages. It needs the
// vendor's API behind Cloud, and reaches the hosts over SSH. A step never changes or
// deletes what another migration or a person made, and connects only to a host whose
// key it knows. Stages returns the steps for a plan; package parity makes the hosts
// serve what the old ones do.
package provision
