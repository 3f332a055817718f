// Package machine boots the lab's hosts: Debian systems under systemd in
// systemd-nspawn, each an overlay on one cached base tree, each in a network
// namespace of its own on a bridge. It needs root on Linux; Require says what
// else is missing.
//
// A lab that dies takes its hosts with it, and whatever else it leaves is
// recorded before it is made, so that CleanUp can remove it.
package machine
