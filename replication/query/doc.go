// Package query quotes identifiers and literals, reads small results and global
// variables, and tells the number of a server's error. Nothing else quotes
// identifiers. It knows no server, no flavor and no table; the caller brings the pool,
// connection or transaction.
package query
