// Package report is how work tells its caller what happened: errors that carry
// a hint for the operator or say whether a retry is right, and notes and
// progress that travel to whoever runs the work through its context. It is a
// leaf: every package of the module may import it, and it imports none of them.
package report
