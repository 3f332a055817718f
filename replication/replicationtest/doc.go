// Package replicationtest is the fixture that the tests of replication's rooms share:
// pairs of real servers (Start, StartApp), writers (Load, Hammer), tables of every
// type (MakeTypeTables, DrawTable), and comparisons that do without the code under
// test (Checksums, RequireSameRows). It imports no room of replication above its
// root, so that the tests of every room can use it.
package replicationtest
