package replication

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// GTIDSet is a set of transactions. On MySQL it is intervals per source UUID
// (and tag); on MariaDB a position: the last sequence number of each domain,
// which stands for all before it (gtid_strict_mode keeps them in order). The
// zero value is the empty set of either flavor. A GTIDSet is never changed.
type GTIDSet struct {
	flavor    Flavor
	domains   map[uint32]mariaGTID
	intervals map[string][]interval // by "uuid" or "uuid:tag"; sorted, disjoint, not adjacent
}

type mariaGTID struct {
	server   uint32
	sequence uint64
}

// interval holds first and last, both included.
type interval struct{ first, last int64 }

// ParseGTIDSet reads what a server of the flavor prints. Of several MariaDB
// GTIDs of one domain the highest sequence number counts.
func ParseGTIDSet(flavor Flavor, text string) (GTIDSet, error) {
	set := GTIDSet{flavor: flavor, domains: map[uint32]mariaGTID{}, intervals: map[string][]interval{}}
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
	if old, ok := s.domains[uint32(domain)]; !ok || old.sequence < sequence {
		s.domains[uint32(domain)] = mariaGTID{uint32(server), sequence}
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

// normalize sorts intervals and joins those that touch.
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

// String is the set in the server's own notation, in a canonical order.
func (s GTIDSet) String() string {
	var parts []string
	if s.byDomain() {
		for _, domain := range slices.Sorted(maps.Keys(s.domains)) {
			g := s.domains[domain]
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
func (s GTIDSet) IsEmpty() bool { return len(s.domains) == 0 && len(s.intervals) == 0 }

// Contains reports whether every transaction of o is in s.
func (s GTIDSet) Contains(o GTIDSet) bool { return o.Minus(s).IsEmpty() }

// Equal reports whether both sets hold the same transactions.
func (s GTIDSet) Equal(o GTIDSet) bool { return s.Contains(o) && o.Contains(s) }

// Minus is what is in s and not in o. On MariaDB the result holds the positions
// of s in the domains where s is ahead of o.
func (s GTIDSet) Minus(o GTIDSet) GTIDSet {
	out := GTIDSet{flavor: s.flavor, domains: map[uint32]mariaGTID{}, intervals: map[string][]interval{}}
	for domain, g := range s.domains {
		if g.sequence > o.domains[domain].sequence {
			out.domains[domain] = g
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

// Union is what is in either set.
func (s GTIDSet) Union(o GTIDSet) GTIDSet {
	out := GTIDSet{flavor: cmp.Or(s.flavor, o.flavor), domains: map[uint32]mariaGTID{}, intervals: map[string][]interval{}}
	for _, set := range []GTIDSet{s, o} {
		for domain, g := range set.domains {
			if old, ok := out.domains[domain]; !ok || old.sequence < g.sequence {
				out.domains[domain] = g
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
	for domain, g := range s.domains {
		if behind := o.domains[domain].sequence; g.sequence > behind {
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

// Without leaves out MariaDB domains, for the wait functions that know only the
// origin's. On MySQL it changes nothing.
func (s GTIDSet) Without(domains ...uint32) GTIDSet {
	if !s.byDomain() {
		return s
	}
	out := GTIDSet{flavor: s.flavor, domains: maps.Clone(s.domains)}
	for _, domain := range domains {
		delete(out.domains, domain)
	}
	return out
}

// byDomain reports whether the set holds positions of domains, not intervals.
func (s GTIDSet) byDomain() bool { return s.flavor.GTIDDomains() }

// Domains lists the MariaDB domains of the set, sorted.
func (s GTIDSet) Domains() []uint32 { return slices.Sorted(maps.Keys(s.domains)) }
