// Package parity makes a new host serve what its old one does: it copies an
// application's files with owners, modes and times, writes the new addresses into
// them, and starts the services. Files that change are kept first, so that an
// undo puts them back. It needs a host that is reached by SSH, and its old one.
package parity
