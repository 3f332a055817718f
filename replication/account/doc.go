// Package account manages who logs in to a server: the logins that migrate creates for
// its own work and drops again, the applications' accounts that move with the data, and
// the open sessions. It needs an administrator's login. No password or hash that it
// handles is stored or shown anywhere.
package account
