package replication

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/replication/dialect"
)

// GTIDSet is a set of transactions. On MySQL it is intervals per source UUID
// (and tag); on MariaDB a position: the last sequence number of each domain,
// which stands for all before it (gtid_strict_mode keeps them in order). The
// zero value is the empty set of either flavor. A GTIDSet is never changed.
type GTIDSet struct {
	Flavor         dialect.Flavor
	MariaPositions map[uint32]MariaGTID
	Intervals      map[string][]Interval // by "uuid" or "uuid:tag"; sorted, disjoint, not adjacent
}

// MariaGTID is the last transaction of one domain of a MariaDB server.
type MariaGTID struct {
	Server   uint32
	Sequence uint64
}

// Interval holds first and last, both included.
type Interval struct{ First, Last int64 }

// ParseGTIDSet reads what a server of the flavor prints. Of several MariaDB
// GTIDs of one domain the highest sequence number counts.
func ParseGTIDSet(flavor dialect.Flavor, text string) (GTIDSet, error) {
	set := GTIDSet{Flavor: flavor, MariaPositions: map[uint32]MariaGTID{}, Intervals: map[string][]Interval{}}
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
	for key, list := range set.Intervals {
		set.Intervals[key] = Normalize(list)
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
	if old, ok := s.MariaPositions[uint32(domain)]; !ok || old.Sequence < sequence {
		s.MariaPositions[uint32(domain)] = MariaGTID{uint32(server), sequence}
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
		s.Intervals[key] = append(s.Intervals[key], i)
		found = true
	}
	if !found {
		return fmt.Errorf("%q has no interval", part)
	}
	return nil
}

func parseInterval(text string) (Interval, error) {
	from, to, ranged := strings.Cut(text, "-")
	first, err := strconv.ParseInt(strings.TrimSpace(from), 10, 64)
	if err != nil {
		return Interval{}, err
	}
	last := first
	if ranged {
		if last, err = strconv.ParseInt(strings.TrimSpace(to), 10, 64); err != nil {
			return Interval{}, err
		}
	}
	if first < 1 || last < first {
		return Interval{}, fmt.Errorf("interval %q is out of order", text)
	}
	return Interval{first, last}, nil
}

// Normalize sorts intervals and joins those that touch.
func Normalize(list []Interval) []Interval {
	slices.SortFunc(list, func(a, b Interval) int { return cmp.Compare(a.First, b.First) })
	var out []Interval
	for _, i := range list {
		if n := len(out); n > 0 && i.First-1 <= out[n-1].Last {
			out[n-1].Last = max(out[n-1].Last, i.Last)
			continue
		}
		out = append(out, i)
	}
	return out
}

// String is the set in the server's own notation, in a canonical order.
func (s GTIDSet) String() string {
	var parts []string
	if s.ByDomain() {
		for _, domain := range slices.Sorted(maps.Keys(s.MariaPositions)) {
			g := s.MariaPositions[domain]
			parts = append(parts, fmt.Sprintf("%d-%d-%d", domain, g.Server, g.Sequence))
		}
		return strings.Join(parts, ",")
	}
	for _, key := range slices.Sorted(maps.Keys(s.Intervals)) {
		var b strings.Builder
		b.WriteString(key)
		for _, i := range s.Intervals[key] {
			fmt.Fprintf(&b, ":%d", i.First)
			if i.Last > i.First {
				fmt.Fprintf(&b, "-%d", i.Last)
			}
		}
		parts = append(parts, b.String())
	}
	return strings.Join(parts, ",")
}

// IsEmpty reports whether the set holds no transaction.
func (s GTIDSet) IsEmpty() bool { return len(s.MariaPositions) == 0 && len(s.Intervals) == 0 }

// Contains reports whether every transaction of o is in s.
func (s GTIDSet) Contains(o GTIDSet) bool { return o.Minus(s).IsEmpty() }

// Equal reports whether both sets hold the same transactions.
func (s GTIDSet) Equal(o GTIDSet) bool { return s.Contains(o) && o.Contains(s) }

// Minus is what is in s and not in o. On MariaDB the result holds the positions
// of s in the domains where s is ahead of o.
func (s GTIDSet) Minus(o GTIDSet) GTIDSet {
	out := GTIDSet{Flavor: s.Flavor, MariaPositions: map[uint32]MariaGTID{}, Intervals: map[string][]Interval{}}
	for domain, g := range s.MariaPositions {
		if g.Sequence > o.MariaPositions[domain].Sequence {
			out.MariaPositions[domain] = g
		}
	}
	for key, list := range s.Intervals {
		if rest := subtract(list, o.Intervals[key]); len(rest) > 0 {
			out.Intervals[key] = rest
		}
	}
	return out
}

func subtract(list, minus []Interval) []Interval {
	var out []Interval
	for _, i := range list {
		for _, m := range minus {
			if m.Last < i.First || m.First > i.Last {
				continue
			}
			if m.First > i.First {
				out = append(out, Interval{i.First, m.First - 1})
			}
			i.First = m.Last + 1
			if i.First > i.Last {
				break
			}
		}
		if i.First <= i.Last {
			out = append(out, i)
		}
	}
	return out
}

// Union is what is in either set.
func (s GTIDSet) Union(o GTIDSet) GTIDSet {
	out := GTIDSet{Flavor: cmp.Or(s.Flavor, o.Flavor), MariaPositions: map[uint32]MariaGTID{}, Intervals: map[string][]Interval{}}
	for _, set := range []GTIDSet{s, o} {
		for domain, g := range set.MariaPositions {
			if old, ok := out.MariaPositions[domain]; !ok || old.Sequence < g.Sequence {
				out.MariaPositions[domain] = g
			}
		}
		for key, list := range set.Intervals {
			out.Intervals[key] = Normalize(append(slices.Clone(out.Intervals[key]), list...))
		}
	}
	return out
}

// Ahead counts the transactions of s that are not in o.
func (s GTIDSet) Ahead(o GTIDSet) int64 {
	var n int64
	for domain, g := range s.MariaPositions {
		if behind := o.MariaPositions[domain].Sequence; g.Sequence > behind {
			n += int64(g.Sequence - behind)
		}
	}
	for key, list := range s.Intervals {
		for _, i := range subtract(list, o.Intervals[key]) {
			n += i.Last - i.First + 1
		}
	}
	return n
}

// Without leaves out MariaDB domains, for the wait functions that know only the
// origin's. On MySQL it changes nothing.
func (s GTIDSet) Without(domains ...uint32) GTIDSet {
	if !s.ByDomain() {
		return s
	}
	out := GTIDSet{Flavor: s.Flavor, MariaPositions: maps.Clone(s.MariaPositions)}
	for _, domain := range domains {
		delete(out.MariaPositions, domain)
	}
	return out
}

// ByDomain reports whether the set holds positions of domains, not intervals.
func (s GTIDSet) ByDomain() bool { return s.Flavor.GTIDDomains() }

// Domains lists the MariaDB domains of the set, sorted.
func (s GTIDSet) Domains() []uint32 { return slices.Sorted(maps.Keys(s.MariaPositions)) }

// Executed is all transactions of a server.
func Executed(ctx context.Context, s *Server) (GTIDSet, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return GTIDSet{}, err
	}
	set, err := ExecutedGTIDs(ctx, db, dialect)
	if err != nil {
		return GTIDSet{}, s.Wrap("read the executed transactions", err)
	}
	return set, nil
}

// OfOrigin is what a MySQL server with the uuid executed first, tagged or not.
func (s GTIDSet) OfOrigin(uuid string) GTIDSet {
	out := GTIDSet{Flavor: s.Flavor, Intervals: map[string][]Interval{}}
	for key, list := range s.Intervals {
		if origin, _, _ := strings.Cut(key, ":"); strings.EqualFold(origin, uuid) {
			out.Intervals[key] = list
		}
	}
	return out
}
