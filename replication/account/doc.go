// Package account knows who logs in to a server: the logins that migrate creates
// for its own work and drops again, the applications' accounts that move with the
// data, and the sessions that are open. It needs a server's administrator, and
// promises that no password of its own is stored or shown anywhere.
package account
