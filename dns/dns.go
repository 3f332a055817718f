// Package dns flips a service from source to target addresses and back: it
// derives which records flip, changes them in one batch per zone and wave, asks
// the name servers whether the change is in force, lowers and restores TTLs, and
// purges caches. It knows no vendor: see dns/cloudflare for one.
package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/dcmigrate/migrate/phrase"
)

// Zone is a zone at the vendor.
type Zone struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Plan        string   `json:"plan,omitempty"`         // the vendor's plan, e.g. "free"
	Active      bool     `json:"active"`                 // the vendor's name servers are the zone's
	NameServers []string `json:"name_servers,omitempty"` // host names
	// BatchLimit is how many changes the vendor takes in one transaction.
	BatchLimit int `json:"batch_limit,omitempty"`
}

// Record is a DNS record. Only its content and TTL are ever changed.
type Record struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"` // fully qualified, no trailing dot, Punycode, lower case
	Type    string   `json:"type"`
	Content string   `json:"content"`
	TTL     int      `json:"ttl"` // seconds; AutomaticTTL: the vendor's choice
	Proxied bool     `json:"proxied"`
	Comment string   `json:"comment,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	// Settings are the vendor's own per-record settings, as they came.
	Settings   json.RawMessage `json:"settings,omitempty"`
	ModifiedOn time.Time       `json:"modified_on,omitzero"`
	// Raw is the whole record as the vendor gave it.
	Raw json.RawMessage `json:"raw,omitempty"`
}

// AutomaticTTL in Record.TTL leaves the choice to the vendor, which serves
// automaticSeconds.
const (
	AutomaticTTL     = 1
	automaticSeconds = 300
)

// Seconds is the TTL that resolvers see.
func (r Record) Seconds() int {
	if r.TTL == AutomaticTTL {
		return automaticSeconds
	}
	return r.TTL
}

func (r Record) String() string { return r.Name + " " + r.Type }

// Change is what is to become of one record; a zero field stays as it is.
type Change struct {
	ID      string
	Type    string // of the record; it never changes
	Content string
	TTL     int
}

// Zones finds zones.
type Zones interface {
	// Zones returns the zones with these names, in that order; a name that the
	// account does not hold is an error that wraps ErrNoZone.
	Zones(ctx context.Context, names []string) ([]Zone, error)
}

// Records reads and changes the records of a zone.
type Records interface {
	// Records returns every record of the zone.
	Records(ctx context.Context, zone Zone) ([]Record, error)
	// Change makes the changes in one transaction, or in as few as
	// Zone.BatchLimit allows. An error may come after the work was done: ask
	// Records. ErrRecordGone is wrapped when one of the records does not exist.
	Change(ctx context.Context, zone Zone, changes []Change) error
}

// Cache forgets cached copies.
type Cache interface {
	// Purge forgets what is cached of hosts; nil hosts means of the whole zone.
	Purge(ctx context.Context, zone Zone, hosts []string) error
	// PurgeLimit is how many hosts one Purge takes.
	PurgeLimit() int
}

// Errors that callers decide on.
var (
	ErrNoZone     = errors.New("no such zone in the account")
	ErrRecordGone = errors.New("record does not exist")
	// ErrNotProvisioned is returned by Addresses while the target host is not there yet.
	ErrNotProvisioned = errors.New("the target host has no address yet")
)

// SettingError is a setting that does not fit what the zones hold. Setting is
// its path in the configuration, such as "dns.exclude[0]".
type SettingError struct {
	Setting string
	Err     error
}

func (e *SettingError) Error() string { return e.Err.Error() }

// Unwrap returns what does not fit.
func (e *SettingError) Unwrap() error { return e.Err }

// Addresses knows where each source host's service goes.
type Addresses interface {
	// New returns the target address for a source address, or an error that
	// wraps ErrNotProvisioned while there is none.
	New(old netip.Addr) (netip.Addr, error)
}

// AddressMap is Addresses that are known: source → target.
type AddressMap map[netip.Addr]netip.Addr

// New implements Addresses.
func (m AddressMap) New(old netip.Addr) (netip.Addr, error) {
	if to, ok := m[old]; ok {
		return to, nil
	}
	return netip.Addr{}, fmt.Errorf("target address for %s: %w", old, ErrNotProvisioned)
}

// canonical is a record name as the vendor writes it: lower case, Punycode, no
// trailing dot. A name that cannot be encoded stays as it is and matches nothing.
func canonical(name string) string {
	name = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "."))
	if ascii, err := idna.ToASCII(name); err == nil {
		return ascii
	}
	return name
}

// address parses an A or AAAA record's content.
func address(r Record) (netip.Addr, bool) {
	if r.Type != "A" && r.Type != "AAAA" {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(r.Content)
	return a, err == nil
}

// sameContent compares contents; addresses by value, so that two spellings of
// an IPv6 address are equal.
func sameContent(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	return errX == nil && errY == nil && x == y
}

// byID indexes records.
func byID(records []Record) map[string]Record {
	m := make(map[string]Record, len(records))
	for _, r := range records {
		m[r.ID] = r
	}
	return m
}

// tally says how often each value occurs, most first: "192.0.2.10 (3), 192.0.2.11".
func tally(values []string) string {
	count := map[string]int{}
	for _, v := range values {
		count[v]++
	}
	keys := make([]string, 0, len(count))
	for k := range count {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return strings.Compare(a, b)
	})
	for i, k := range keys {
		if count[k] > 1 {
			keys[i] = fmt.Sprintf("%s (%d)", k, count[k])
		}
	}
	return shortList(keys)
}

// shortList lists the first few items and counts the others.
func shortList(items []string) string { return phrase.FirstOf(6, items) }

// stepName makes a step's name of parts; plan.Step allows letters, digits, '-', '.', ':'.
func stepName(parts ...string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.', r == ':':
			return r
		}
		return '-'
	}, strings.Join(parts, ":"))
}
