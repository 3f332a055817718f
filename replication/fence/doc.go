// Package fence makes a server refuse the writes of applications, proves that the server
// does, and lets writes in again. It finds the accounts, routines and sessions that could
// write in spite of a fence. It needs an administrator's login. A fence survives a restart
// of the server. Setting it waits for open transactions within a limit; if that is not
// enough the fence is lifted again (invariants I1, I2).
package fence
