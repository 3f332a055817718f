// Package link replicates from one server of a pair to the other by the servers'
// own replication: start, stop, drain, measure the lag, and the gates that a
// switch waits for. Rows travel by the servers; the package only watches.
package link
