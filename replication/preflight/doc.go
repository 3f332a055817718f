// Package preflight looks at a pair before anything is changed: each hazard of
// docs/hazards.md is a check with a severity, what was found, and the exact fix.
// It only reads.
package preflight
