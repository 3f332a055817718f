// Package findings names what an operator should know of captured hosts before they
// are moved: addresses that are written into configuration, services that run
// on one host only, certificates that end soon, disks that are full. It works on
// inventories alone and asks no host.
package findings
