// Package replication is the domain that its rooms share: a pair of servers, their
// sides, sessions and positions, and the marker that a seed leaves on its target.
// The rooms below do the work: they check both servers, seed the target, link the
// servers one way and both ways, fence either side, and compare every row. Rows
// travel by the servers' own replication once the seed is done.
package replication
