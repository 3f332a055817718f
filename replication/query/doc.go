// Package query quotes identifiers and literals, and reads small results. It knows
// no server and no flavor.
package query
