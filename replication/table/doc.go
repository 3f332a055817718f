// Package table holds what copying and comparing need of a table's shape: columns,
// the forms in which their values travel, bounds of keys, and literals.
package table
