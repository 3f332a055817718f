package replication

import "errors"

// ErrNotProvisioned is wrapped while a server's host does not exist yet, because an
// earlier step of the plan creates it. A step's Check then says Unknown.
var ErrNotProvisioned = errors.New("not provisioned yet")

// ErrGone is wrapped when an object that was listed no longer exists.
var ErrGone = errors.New("it is not there any more")
