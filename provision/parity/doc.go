// Package parity makes a new host serve what its source host serves: it copies an
// application's files with owners, modes and times, writes the new addresses into them,
// and starts the services. It needs both hosts over SSH. Undo brings back the files that
// stood on the new host before the first copy, and stops what the step started.
package parity
