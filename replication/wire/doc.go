// Package wire is a client connection that hands out rows as the packets of the
// MySQL protocol, without making Go values of them. It sends several statements
// in one packet, reads results that were asked for in advance, and sends rows as
// parameters of prepared statements. A replication.Server says where to connect;
// the go-mysql library does the login. A connection that was lost is opened again
// unless it is pinned; errors of a lost connection are transient.
package wire
