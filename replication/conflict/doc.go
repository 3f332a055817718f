// Package conflict reports the rows and unique keys that both sides wrote while neither
// had seen the other's write. It reads both binlogs of the window in which both sides
// accepted writes (the way dual), and keeps its findings outside of the databases. It
// never changes a row.
package conflict
