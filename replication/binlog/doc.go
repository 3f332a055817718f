// Package binlog reads a server's binlog from one position to another and hands
// over transactions and rows, with the keys that tell one row from another. It
// needs a login that may replicate, creates it for the time of the read, and
// changes nothing else.
package binlog
