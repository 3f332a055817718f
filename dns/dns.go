// Package dns flips a service from source to target addresses and back. It derives
// which records flip, changes them in one batch per zone and wave, asks the name
// servers whether the change is in force, lowers and restores TTLs, and purges
// caches.
//
// It needs a vendor behind the interfaces Zones, Records and Cache (dns/cloudflare
// is one), and the target address of every source host. It promises that a flip
// changes only the contents of records, that every step can be repeated and undone
// from its before-image, and that a record that somebody else has changed is not
// overwritten without Force.
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
	Active      bool     `json:"active"`                 // the zone is delegated to the vendor's name servers
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
	TTL     int      `json:"ttl"` // seconds; AutomaticTTL leaves it to the vendor
	Proxied bool     `json:"proxied"`
	Comment string   `json:"comment,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	// Settings are the vendor's own settings of the record, unchanged.
	Settings   json.RawMessage `json:"settings,omitempty"`
	ModifiedOn time.Time       `json:"modified_on,omitzero"`
	// Raw is the whole record as the vendor returned it.
	Raw json.RawMessage `json:"raw,omitempty"`
}

// AutomaticTTL in Record.TTL leaves the choice to the vendor, which then answers
// with a TTL of automaticSeconds.
const (
	AutomaticTTL     = 1
	automaticSeconds = 300
)

// ttlSeconds returns the TTL that resolvers see.
func (r Record) ttlSeconds() int {
	if r.TTL == AutomaticTTL {
		return automaticSeconds
	}
	return r.TTL
}

func (r Record) String() string { return r.Name + " " + r.Type }

// Change holds the new content and TTL of one record. A zero value of either leaves
// it unchanged.
type Change struct {
	ID      string
	Type    string // of the record; a change never alters it
	Content string
	TTL     int
}

// Zones finds zones.
type Zones interface {
	// Zones returns the zones with these names, in that order. The error wraps
	// ErrNoZone if the account does not hold one of them.
	Zones(ctx context.Context, names []string) ([]Zone, error)
}

// Records reads and changes the records of a zone.
type Records interface {
	// Records returns every record of the zone.
	Records(ctx context.Context, zone Zone) ([]Record, error)
	// Change makes the changes in one transaction, or in as few as Zone.BatchLimit
	// allows. After an error the changes may have been made: read Records to find
	// out. The error wraps ErrRecordGone if one of the records does not exist.
	Change(ctx context.Context, zone Zone, changes []Change) error
}

// Cache is the vendor's cache of pages.
type Cache interface {
	// Purge removes the cached pages of hosts; nil hosts means the whole zone.
	Purge(ctx context.Context, zone Zone, hosts []string) error
	// PurgeLimit returns how many hosts one Purge takes.
	PurgeLimit() int
}

// Errors that callers decide on.
var (
	ErrNoZone     = errors.New("no such zone in the account")
	ErrRecordGone = errors.New("record does not exist")
	// ErrNotProvisioned is wrapped by Addresses while the target host does not exist yet.
	ErrNotProvisioned = errors.New("the target host has no address yet")
)

// SettingError is the error of a setting that does not fit the records of the zones.
// Setting is its path in the configuration, such as "dns.exclude[0]".
type SettingError struct {
	Setting string
	Err     error
}

func (e *SettingError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *SettingError) Unwrap() error { return e.Err }

// Addresses maps the source hosts' addresses to those of the target.
type Addresses interface {
	// TargetOf returns the target address for a source address. The error wraps
	// ErrNotProvisioned while the target host has no address.
	TargetOf(old netip.Addr) (netip.Addr, error)
}

// AddressMap is Addresses in a map: source → target.
type AddressMap map[netip.Addr]netip.Addr

// TargetOf implements Addresses.
func (m AddressMap) TargetOf(old netip.Addr) (netip.Addr, error) {
	if target, ok := m[old]; ok {
		return target, nil
	}
	return netip.Addr{}, fmt.Errorf("target address for %s: %w", old, ErrNotProvisioned)
}

// canonical returns a record name as the vendor writes it: lower case, Punycode, no
// trailing dot. A name that cannot be encoded in Punycode is only lowered and
// trimmed; it matches no record.
func canonical(name string) string {
	name = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "."))
	if ascii, err := idna.ToASCII(name); err == nil {
		return ascii
	}
	return name
}

// recordAddress parses the content of an A or AAAA record. It returns false for
// other types.
func recordAddress(r Record) (netip.Addr, bool) {
	if r.Type != "A" && r.Type != "AAAA" {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(r.Content)
	return a, err == nil
}

// sameContent reports whether two contents are equal. Addresses are compared by
// value, so that two spellings of an IPv6 address are equal.
func sameContent(a, b string) bool {
	if a == b {
		return true
	}
	addrA, errX := netip.ParseAddr(a)
	addrB, errY := netip.ParseAddr(b)
	return errX == nil && errY == nil && addrA == addrB
}

// byID indexes records by ID.
func byID(records []Record) map[string]Record {
	m := make(map[string]Record, len(records))
	for _, r := range records {
		m[r.ID] = r
	}
	return m
}

// tally lists each value with its count, the most frequent first:
// "192.0.2.10 (3), 192.0.2.11".
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

// stepName joins parts with ':' into the name of a step. Every character that
// plan.Step does not allow becomes '-': it allows letters, digits, '-', '.' and ':'.
func stepName(parts ...string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.', r == ':':
			return r
		}
		return '-'
	}, strings.Join(parts, ":"))
}
