// Package traffic holds the clients of the lab. They read and write through the
// edge for the whole move and record every request and acknowledgement, so that
// package check can prove afterwards that nothing was lost.
package traffic

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"
)

// Kind is the kind of a request to the blog.
type Kind string

// The kinds of requests.
const (
	Read    Kind = "read"
	Publish Kind = "publish"
	Signup  Kind = "signup"
	Confirm Kind = "confirm"
	Like    Kind = "like"
)

// Write reports whether the kind changes data.
func (k Kind) Write() bool { return k != Read }

// Record is one request. A write without an answer is neither acknowledged nor
// known to have failed: the database may have it once or not at all.
type Record struct {
	Kind   Kind      `json:"kind"`
	Op     string    `json:"op,omitempty"` // unique per write; stored by the application in the row
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Status int       `json:"status"`           // 0: no answer
	Server string    `json:"server,omitempty"` // the address that answered
	Err    string    `json:"err,omitempty"`
	// Begun is the server that took the sign-up which this confirmation completes.
	Begun string `json:"begun,omitempty"`
}

// OK reports whether the answer was a success; a redirect is not.
func (r Record) OK() bool { return r.Status >= 200 && r.Status < 300 }

// Log holds the records of a run.
type Log []Record

// ReadLog reads the records that a Traffic wrote to path.
func ReadLog(path string) (Log, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read traffic log: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	var log Log
	dec := json.NewDecoder(bufio.NewReader(f))
	for dec.More() {
		var r Record
		if err := dec.Decode(&r); err != nil {
			return nil, fmt.Errorf("read traffic log: %w", err)
		}
		log = append(log, r)
	}
	return log, nil
}

// Acknowledged returns the ops of the kind's requests that were answered with success.
func (l Log) Acknowledged(k Kind) []string {
	var ops []string
	for _, r := range l {
		if r.Kind == k && r.OK() {
			ops = append(ops, r.Op)
		}
	}
	return ops
}

// Summary holds the counts of a log. Crossed counts the acknowledged confirmations
// that another site took than their sign-up.
type Summary struct {
	Requests, Failed, Writes, FailedWrites, AckedWrites, Crossed int
	Slowest                                                      time.Duration
	Errors                                                       map[string]int // number of failed requests by "kind: status text"
}

// Summary counts the records.
func (l Log) Summary() Summary {
	s := Summary{Errors: map[string]int{}}
	for _, r := range l {
		s.Requests++
		s.Slowest = max(s.Slowest, r.End.Sub(r.Start))
		if !r.OK() {
			s.Failed++
			s.Errors[fmt.Sprintf("%s: %d %s", r.Kind, r.Status, r.Err)]++
		}
		if !r.Kind.Write() {
			continue
		}
		s.Writes++
		switch {
		case !r.OK():
			s.FailedWrites++
		default:
			s.AckedWrites++
			if r.Kind == Confirm && Site(r.Begun) != Site(r.Server) {
				s.Crossed++
			}
		}
	}
	return s
}

// The sites, as Site names them.
const (
	OldSite = "source"
	NewSite = "target"
)

// oldSitePrefix contains the old hosts' addresses in the lab.
var oldSitePrefix = netip.MustParsePrefix("10.213.0.0/24")

// Site returns the site of a server's address, and "" for a text that is no address.
func Site(server string) string {
	addr, err := netip.ParseAddr(server)
	switch {
	case err != nil:
		return ""
	case oldSitePrefix.Contains(addr):
		return OldSite
	}
	return NewSite
}

// Gap returns the longest time between two consecutive successful writes of which
// the later one ended in [from, to].
func (l Log) Gap(from, to time.Time) time.Duration {
	var ends []time.Time
	for _, r := range l {
		if r.Kind.Write() && r.OK() && !r.End.After(to) {
			ends = append(ends, r.End)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	var longest time.Duration
	for i := 1; i < len(ends); i++ {
		if ends[i].After(from) {
			longest = max(longest, ends[i].Sub(ends[i-1]))
		}
	}
	return longest
}

// Overlap returns how long both sites acknowledged writes at the same time in
// [from, to]: the time from the earliest end on the site that was entered to the
// latest start on the site that was left. I2 requires zero or less.
func (l Log) Overlap(left, entered string, from, to time.Time) time.Duration {
	var firstIn, lastOut time.Time
	for _, r := range l {
		if !r.Kind.Write() || !r.OK() || r.End.Before(from) || r.Start.After(to) {
			continue
		}
		switch Site(r.Server) {
		case entered:
			if firstIn.IsZero() || r.End.Before(firstIn) {
				firstIn = r.End
			}
		case left:
			if r.Start.After(lastOut) {
				lastOut = r.Start
			}
		}
	}
	if firstIn.IsZero() || lastOut.IsZero() {
		return 0
	}
	return lastOut.Sub(firstIn)
}
