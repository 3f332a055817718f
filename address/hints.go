package address

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Hints are strings of which every text that Rewrite finds something in holds at least
// one, in upper or lower case. They are to look through many files quickly.
func (r Rewriter) Hints() []string {
	var hints []string
	for a := range r.addresses {
		if a.Is4() {
			hints = append(hints, hintsOfFour(a)...)
		} else {
			hints = append(hints, hintsOfSix(a)...)
		}
	}
	for _, names := range r.names {
		for _, one := range names {
			hints = append(hints, one.text)
		}
	}
	slices.Sort(hints)
	return slices.Compact(hints)
}

func hintsOfFour(a netip.Addr) []string {
	b := a.As4()
	hints := []string{fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa", b[3], b[2], b[1], b[0])}
	for _, dot := range dots {
		hints = append(hints, strings.ReplaceAll(a.String(), ".", dot))
	}
	// Hexadecimal, as in ::ffff:c000:201.
	high, low := uint16(b[0])<<8|uint16(b[1]), uint16(b[2])<<8|uint16(b[3])
	return append(hints, fmt.Sprintf("%x:%x", high, low), fmt.Sprintf("%x:%04x", high, low))
}

func hintsOfSix(a netip.Addr) []string {
	b := a.As16()
	digits := hex.EncodeToString(b[:])
	var reversed strings.Builder
	for i := len(digits) - 1; i >= 0; i-- {
		reversed.WriteString(digits[i:i+1] + ".")
	}
	// The first number stands in every spelling, in front of a colon; of 0, the colon.
	first := strings.TrimLeft(digits[:4], "0")
	return []string{reversed.String() + "ip6.arpa", first + ":"}
}
