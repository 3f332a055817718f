// Package physical makes the first full copy of a pair by the server's own files:
// with mariadb-backup on MariaDB, with CLONE on MySQL. It chooses the method of a
// pair's seed: the files if nothing prevents them, else rows (package seed).
//
// It needs access to the target's host, a service that stops and starts the target's
// server, and room for a second data directory. The target's own data stays untouched
// until everything has been received. Then the data directories change places in such a
// manner that a later run completes or reverts a swap that was interrupted anywhere. Undo
// restores the old data directory; Forget removes it.
package physical
