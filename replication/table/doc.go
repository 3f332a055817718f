// Package table holds what copying and comparing rows need to know about a table:
// its columns, how their values are read and written without loss, places and ranges
// in the order of its key, and the values of the binlog as literals. It builds SQL
// and runs none.
package table
