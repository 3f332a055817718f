// Package replication is the domain that its rooms share: a pair of servers, their sides,
// sessions and positions, and the marker that a seed leaves on its target. It needs a
// login to each server, and reaches a server through its host if there is one. A Server
// connects when it is first used. The root writes nothing but the marker, and restarts a
// server where a step asks for it.
//
// The rooms below do the work: they check both servers, seed the target, link the servers
// one way and both ways, fence either side, and compare every row. Once the seed is done
// the servers' own replication moves the rows.
package replication
