// Package guard keeps the promise that never both sides stay fenced (invariant I3):
// a small process on the host that the writers leave opens one side again when
// nothing else does. Handover is the step that ends it and opens the side that is
// entered. docs/protocols.md has its state machine.
package guard
