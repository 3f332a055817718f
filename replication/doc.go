// Package replication moves the data of a pair: it checks both servers, seeds
// the target, links the servers one way and both ways, measures their lag,
// compares every row and fences either side. Rows travel by the servers' own
// replication once the seed is done; the package only watches then.
package replication
