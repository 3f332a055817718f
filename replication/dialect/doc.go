// Package dialect owns every difference between the flavors and versions of the
// servers: statements, names of variables and privileges, capabilities. Each is a
// method of Dialect, named for what differs. No other package compares a flavor or a
// version. The package needs only query's quoting, and connects to no server.
package dialect
