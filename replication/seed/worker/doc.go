// Package worker runs a seed by rows on the target's host, as a transient unit of
// systemd. The rows then do not pass through the operator's machine, and the seed
// outlives the operator's connection.
//
// It needs a Linux host with systemd that this program runs on. The controller
// copies the program there, makes an account on the source that lives as long as the
// worker, and follows the worker's notes; it can be killed and follow again. Logins
// are handed over in memory only.
package worker
