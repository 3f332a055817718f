// Package lead marks both servers of a pair with the controller that leads the migration: a
// process with its state folder. It needs both servers' administrators. It promises that a
// controller with another state folder, or with an old copy of the journal, is refused by
// name, and that marking a server never lifts its fence.
package lead
