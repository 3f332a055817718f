package replication

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/replication/dialect"
)

// GTIDSet is a set of transactions. On MySQL it holds intervals by source UUID and tag.
// On MariaDB it holds the last sequence number of each domain, which stands for all before
// it (gtid_strict_mode keeps them in order). The zero value is the empty set of either
// flavor. A GTIDSet never changes.
type GTIDSet struct {
	flavor    dialect.Flavor
	positions map[uint32]position   // MariaDB: by domain
	intervals map[string][]interval // MySQL: by "uuid" or "uuid:tag"; sorted, disjoint, not adjacent
}

// position is the last transaction of one domain of a MariaDB server.
type position struct {
	server   uint32
	sequence uint64
}

// interval is the sequence numbers from first to last, both included.
type interval struct{ first, last int64 }

func emptySet(flavor dialect.Flavor) GTIDSet {
	return GTIDSet{flavor: flavor, positions: map[uint32]position{}, intervals: map[string][]interval{}}
}

// ParseGTIDSet reads a set as a server of the flavor prints it. Of several MariaDB GTIDs
// of one domain, the highest sequence number counts.
func ParseGTIDSet(flavor dialect.Flavor, text string) (GTIDSet, error) {
	set := emptySet(flavor)
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		var err error
		if flavor.GTIDDomains() {
			err = set.addMaria(part)
		} else {
			err = set.addMySQL(part)
		}
		if err != nil {
			return GTIDSet{}, fmt.Errorf("parse %s GTID set %q: %w", flavor, text, err)
		}
	}
	for key, list := range set.intervals {
		set.intervals[key] = normalize(list)
	}
	return set, nil
}

func (s GTIDSet) addMaria(part string) error {
	fields := strings.Split(part, "-")
	if len(fields) != 3 {
		return fmt.Errorf("%q is not domain-server-sequence", part)
	}
	domain, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil {
		return err
	}
	server, err := strconv.ParseUint(fields[1], 10, 32)
	if err != nil {
		return err
	}
	sequence, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil {
		return err
	}
	if old, ok := s.positions[uint32(domain)]; !ok || old.sequence < sequence {
		s.positions[uint32(domain)] = position{uint32(server), sequence}
	}
	return nil
}

// addMySQL reads uuid[:tag]:interval[:interval|:tag]…
func (s GTIDSet) addMySQL(part string) error {
	fields := strings.Split(part, ":")
	uuid := strings.ToLower(strings.TrimSpace(fields[0]))
	if len(uuid) != 36 || strings.Trim(uuid, "0123456789abcdef-") != "" || len(fields) < 2 {
		return fmt.Errorf("%q is not uuid:intervals", part)
	}
	key, found := uuid, false
	for _, field := range fields[1:] {
		field = strings.TrimSpace(field)
		if field != "" && (field[0] < '0' || field[0] > '9') {
			key, found = uuid+":"+strings.ToLower(field), false
			continue
		}
		i, err := parseInterval(field)
		if err != nil {
			return err
		}
		s.intervals[key] = append(s.intervals[key], i)
		found = true
	}
	if !found {
		return fmt.Errorf("%q has no interval", part)
	}
	return nil
}

func parseInterval(text string) (interval, error) {
	from, to, ranged := strings.Cut(text, "-")
	first, err := strconv.ParseInt(strings.TrimSpace(from), 10, 64)
	if err != nil {
		return interval{}, err
	}
	last := first
	if ranged {
		if last, err = strconv.ParseInt(strings.TrimSpace(to), 10, 64); err != nil {
			return interval{}, err
		}
	}
	if first < 1 || last < first {
		return interval{}, fmt.Errorf("interval %q is out of order", text)
	}
	return interval{first, last}, nil
}

// normalize sorts the intervals and joins those that touch.
func normalize(list []interval) []interval {
	slices.SortFunc(list, func(a, b interval) int { return cmp.Compare(a.first, b.first) })
	var out []interval
	for _, i := range list {
		if n := len(out); n > 0 && i.first-1 <= out[n-1].last {
			out[n-1].last = max(out[n-1].last, i.last)
			continue
		}
		out = append(out, i)
	}
	return out
}

// String is the set in the server's notation, in a canonical order.
func (s GTIDSet) String() string {
	var parts []string
	if s.ByDomain() {
		for _, domain := range slices.Sorted(maps.Keys(s.positions)) {
			g := s.positions[domain]
			parts = append(parts, fmt.Sprintf("%d-%d-%d", domain, g.server, g.sequence))
		}
		return strings.Join(parts, ",")
	}
	for _, key := range slices.Sorted(maps.Keys(s.intervals)) {
		var b strings.Builder
		b.WriteString(key)
		for _, i := range s.intervals[key] {
			fmt.Fprintf(&b, ":%d", i.first)
			if i.last > i.first {
				fmt.Fprintf(&b, "-%d", i.last)
			}
		}
		parts = append(parts, b.String())
	}
	return strings.Join(parts, ",")
}

// IsEmpty reports whether the set holds no transaction.
func (s GTIDSet) IsEmpty() bool { return len(s.positions) == 0 && len(s.intervals) == 0 }

// Contains reports whether every transaction of o is in s.
func (s GTIDSet) Contains(o GTIDSet) bool { return o.Minus(s).IsEmpty() }

// Equal reports whether both sets hold the same transactions.
func (s GTIDSet) Equal(o GTIDSet) bool { return s.Contains(o) && o.Contains(s) }

// Has reports whether the set holds one transaction.
func (s GTIDSet) Has(g GTID) bool {
	if s.ByDomain() {
		last, ok := s.LastOf(g.Domain)
		return ok && g.Sequence <= last
	}
	n := int64(g.Sequence)
	return slices.ContainsFunc(s.intervals[g.key()], func(i interval) bool { return i.first <= n && n <= i.last })
}

// Select returns those of the transactions that s holds, as a set. The transactions are
// in the order of their binlog.
func (s GTIDSet) Select(transactions []GTID) GTIDSet {
	out := emptySet(s.flavor)
	for _, g := range transactions {
		switch {
		case !s.Has(g):
		case s.ByDomain():
			out.positions[g.Domain] = position{g.Server, g.Sequence}
		default:
			n := int64(g.Sequence)
			out.intervals[g.key()] = append(out.intervals[g.key()], interval{n, n})
		}
	}
	for key, list := range out.intervals {
		out.intervals[key] = normalize(list)
	}
	return out
}

// Minus returns the transactions of s that are not in o. On MariaDB the result holds the
// positions of s in the domains where s is ahead of o.
func (s GTIDSet) Minus(o GTIDSet) GTIDSet {
	out := emptySet(s.flavor)
	for domain, g := range s.positions {
		if g.sequence > o.positions[domain].sequence {
			out.positions[domain] = g
		}
	}
	for key, list := range s.intervals {
		if rest := subtract(list, o.intervals[key]); len(rest) > 0 {
			out.intervals[key] = rest
		}
	}
	return out
}

func subtract(list, minus []interval) []interval {
	var out []interval
	for _, i := range list {
		for _, m := range minus {
			if m.last < i.first || m.first > i.last {
				continue
			}
			if m.first > i.first {
				out = append(out, interval{i.first, m.first - 1})
			}
			i.first = m.last + 1
			if i.first > i.last {
				break
			}
		}
		if i.first <= i.last {
			out = append(out, i)
		}
	}
	return out
}

// Intersect returns the transactions that both sets hold.
func (s GTIDSet) Intersect(o GTIDSet) GTIDSet {
	if !s.ByDomain() {
		return s.Minus(s.Minus(o))
	}
	out := emptySet(s.flavor)
	for domain, g := range s.positions {
		other, ok := o.positions[domain]
		switch {
		case ok && other.sequence < g.sequence:
			out.positions[domain] = other
		case ok:
			out.positions[domain] = g
		}
	}
	return out
}

// Union returns the transactions that either set holds.
func (s GTIDSet) Union(o GTIDSet) GTIDSet {
	out := emptySet(cmp.Or(s.flavor, o.flavor))
	for _, set := range []GTIDSet{s, o} {
		for domain, g := range set.positions {
			if old, ok := out.positions[domain]; !ok || old.sequence < g.sequence {
				out.positions[domain] = g
			}
		}
		for key, list := range set.intervals {
			out.intervals[key] = normalize(append(slices.Clone(out.intervals[key]), list...))
		}
	}
	return out
}

// Ahead counts the transactions of s that are not in o.
func (s GTIDSet) Ahead(o GTIDSet) int64 {
	var n int64
	for domain, g := range s.positions {
		if behind := o.positions[domain].sequence; g.sequence > behind {
			n += int64(g.sequence - behind)
		}
	}
	for key, list := range s.intervals {
		for _, i := range subtract(list, o.intervals[key]) {
			n += i.last - i.first + 1
		}
	}
	return n
}

// Without returns the set without some MariaDB domains, for the wait functions that know
// only the origin's. On MySQL it returns the whole set.
func (s GTIDSet) Without(domains ...uint32) GTIDSet {
	if !s.ByDomain() {
		return s
	}
	out := GTIDSet{flavor: s.flavor, positions: maps.Clone(s.positions)}
	for _, domain := range domains {
		delete(out.positions, domain)
	}
	return out
}

// LastOf returns the last sequence number of a MariaDB domain.
func (s GTIDSet) LastOf(domain uint32) (sequence uint64, ok bool) {
	last, ok := s.positions[domain]
	return last.sequence, ok
}

// ByDomain reports whether the set holds positions of domains, not intervals.
func (s GTIDSet) ByDomain() bool { return s.flavor.GTIDDomains() }

// Domains lists the MariaDB domains of the set, sorted.
func (s GTIDSet) Domains() []uint32 { return slices.Sorted(maps.Keys(s.positions)) }

// OfOrigin returns the transactions that the MySQL server with the uuid executed first,
// tagged or not.
func (s GTIDSet) OfOrigin(uuid string) GTIDSet {
	out := emptySet(s.flavor)
	for key, list := range s.intervals {
		if origin, _, _ := strings.Cut(key, ":"); strings.EqualFold(origin, uuid) {
			out.intervals[key] = list
		}
	}
	return out
}
