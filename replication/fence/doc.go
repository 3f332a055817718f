// Package fence makes a server refuse the writes of applications, proves that it
// does, and lets them in again. It knows who would pass a fence all the same. A
// fence survives a restart of the server; setting one waits for open transactions
// within a limit and is taken back when that is not enough (invariants I1, I2).
package fence
