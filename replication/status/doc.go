// Package status reads where one pair stands: both servers, both links with their
// lag, the guard, and whether the way back is open. It only reads.
package status
