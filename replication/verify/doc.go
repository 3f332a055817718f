// Package verify compares both sides of a pair row by row while they are live, and
// repairs rows of a fenced target from its source. It also compares users, routines and
// definitions. It needs the link to run and a login that reads everything. A verify takes
// no locks and writes nothing; its report names each difference by table and key, never
// by a row's values. It guards against mistakes, not against forged rows (ADR 11).
package verify
