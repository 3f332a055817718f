// Package guard makes sure that both sides never stay fenced (invariant I3): a small
// process on the host that the writers leave opens one side again if nothing else does.
// Arm is the step that starts it, Handover the step that opens the other side and ends
// it. The host needs a shell and a MariaDB or MySQL client. docs/protocols.md has the
// state machine.
package guard
