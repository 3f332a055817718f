// Package machine boots the lab's hosts: Debian systems under systemd in
// systemd-nspawn, each an overlay on one cached base tree, each in a network
// namespace of its own on a bridge. It needs root on Linux; Require lists what
// else is missing.
//
// When a lab dies, its hosts die with it. Everything else that it makes it records
// first, so that CleanUp can remove it.
package machine
