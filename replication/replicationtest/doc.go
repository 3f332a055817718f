// Package replicationtest is what the tests of replication's rooms share: pairs of
// real servers, writers, random tables, and comparisons that do without the code
// under test. It uses nothing of replication above its root.
package replicationtest
