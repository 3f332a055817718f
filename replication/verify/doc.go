// Package verify compares both sides row by row while they are live, and repairs
// rows of a fenced target from its source. Users, routines and definitions are
// compared as well. It guards against mistakes, not against forged rows (ADR 11).
package verify
