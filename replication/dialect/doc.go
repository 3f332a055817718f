// Package dialect owns every difference between the flavors and versions of the
// servers: statements, names of variables and privileges, capabilities. Each is a
// method of Dialect that is named for what differs. No other package compares a
// flavor or a version. It needs the quoting of identifiers and knows no server.
package dialect
