// Package seed makes the first full copy of a pair's data by rows, while the source
// is written to: it copies tables in chunks, reads the rows again that the binlog
// says have changed, and ends at a position from which the servers' own
// replication goes on. A seed that was killed continues where it was. It needs a
// fenced target, and never writes to the source's data.
package seed
