// Package disk finds out whether a copy fits on the target's disk, and whether a full disk
// is what an error is about.
package disk
