package address

import (
	"net/netip"
	"strconv"
	"strings"
)

// edit is the text that takes the place of another, unless something speaks against it.
type edit struct {
	start, end int
	text       string
	why        Reason
}

// edit says what to write for what was found. Brackets and a host's length are rewritten
// with an address of the other family: [2001:db8::1]:80 becomes 10.0.0.1:80.
func (s *scanner) edit(f found) edit {
	e := edit{f.start, f.end, f.old.new, f.why}
	switch {
	case s.binary:
		e.why = Binary
	case e.why == "" && f.old.new == "":
		e.why = NoNew
	}
	if e.why != "" || !f.address.IsValid() {
		return e
	}
	a, err := netip.ParseAddr(f.old.new)
	switch {
	case err != nil:
		return s.nameFor(e, f)
	case a.Unmap().Is4() == f.address.Is4():
		e.text = f.prefix + f.old.new
		return e
	case f.prefix != "" && !wellKnown.Contains(netip.MustParseAddr(f.prefix+"0.0.0.0")):
		return e // an IPv4 address in IPv6's form becomes an IPv6 address
	case f.prefix != "":
		e.why = Form
		return e
	}
	return s.otherFamily(e, f, a)
}

// nameFor puts a name in an address's place, where one can stand.
func (s *scanner) nameFor(e edit, f found) edit {
	before, after := s.around(f.start, f.end)
	_, _, length := lengthAfter(after, f.bits())
	if f.prefix != "" || length && !inURL(before) || strings.HasSuffix(before, "[") && strings.HasPrefix(after, "]") {
		e.why = Form
	}
	return e
}

// otherFamily rewrites what surrounds an address, too.
func (s *scanner) otherFamily(e edit, f found, a netip.Addr) edit {
	before, after := s.around(f.start, f.end)
	bracketed := strings.HasSuffix(before, "[") && strings.HasPrefix(after, "]")
	url := inURL(before)
	_, size, hasLength := lengthAfter(after, f.bits())
	hasLength = hasLength && !url
	port := hasPort(after)
	if bracketed {
		port = hasPort(after[1:])
	}
	if a.Is4() && bracketed {
		if !url && !port && !hasLength {
			e.why = Form // a list, or a place where only an IPv6 address can stand
			return e
		}
		e.start, e.end = e.start-1, e.end+1
	}
	if hasLength {
		e.end = f.end + size
		e.text += "/" + strconv.Itoa(a.BitLen())
		if a.Is6() && bracketed {
			e.text = f.old.new + "]/" + strconv.Itoa(a.BitLen())
		}
	}
	if a.Is6() && (url || port) && !bracketed {
		e.text = "[" + e.text + "]"
	}
	return e
}

// hasPort reports whether a port follows.
func hasPort(after string) bool { return len(after) > 1 && after[0] == ':' && isDigit(after[1]) }
