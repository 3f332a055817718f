// Package status reads the status of one pair: both servers, both links with their lag,
// the guards, and whether the way back is open (invariant I5). It changes nothing.
package status
