// Package control is how a running seed is watched and steered: it holds the lock of the
// seed, follows the limits that migrate throttle changes, measures the progress, and
// publishes both in a table of migrate's schema on the target. It needs a session to the
// target, and writes nothing else there.
package control
