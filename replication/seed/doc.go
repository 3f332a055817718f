// Package seed makes the first full copy of a pair's data by rows, while applications
// write to the source.
//
// A run copies tables in chunks of their keys, then reads again the rows that the
// source's binlog names as changed, until little is left. It does the rest inside one
// consistent snapshot, and leaves the target at that snapshot's position, from which
// the servers' own replication continues. Notes on the target, which commit together with
// the rows, let a run continue after a crash of the seed or of either server.
//
// It needs a source whose binlog holds every change as complete rows, and a fenced
// target that is empty or holds this seed's notes. It never writes to the source's
// data, and nothing that it writes reaches the target's binlog.
package seed
