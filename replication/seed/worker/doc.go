// Package worker runs a seed by rows on the target's host, as a unit of systemd, so
// that the rows do not pass through the operator's machine and the seed outlives
// the operator's connection.
package worker
