// Package findings names what an operator should know about captured hosts
// before they move: old addresses written into configuration, services that run
// on one host only, certificates that end soon, full disks. It needs inventories
// and the contents captured with them, contacts no host, and returns the
// findings sorted by host and kind.
package findings
