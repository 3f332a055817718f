// Package binlog reads a server's binlog from one position to another, and passes on
// its transactions and rows with the keys that identify the rows. It needs a login that
// may replicate. It creates the login for the time of the read and changes nothing else
// on the server.
package binlog
