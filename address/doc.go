// Package address finds the old addresses and names of hosts in text, and writes the
// new ones in their place. It needs nothing of the module.
//
// An address counts wherever it stands alone, whatever its spelling: 10.0.0.1 is not in
// 10.0.0.10, 1.10.0.0.1 or v10.0.0.1, and 2001:DB8:0::1 is 2001:db8::1. A port, a path,
// brackets and the length of a whole address (/32, /128) go with it.
//
// Some texts name an old address and yet must not have the new one in its place: a
// network (10.0.0.5/24), a range (10.0.0.5-10.0.0.20, 10.0.0.5-20), a pattern
// (10\.0\.0\.5, 10.0.0.5%), a name (5.0.0.10.in-addr.arpa, 10.0.0.5.nip.io), a version.
// The package leaves them alone and returns each with the [Reason], and it promises that
// a caller who shows what was returned hides no old address that stands alone.
package address
