package enemy

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// ledger is the clients' own record of what the servers have acknowledged (I1). Every client
// has rows of its own in acked.writes, and a counter in acked.counters that only it sets.
type ledger struct {
	mu      sync.Mutex
	writes  map[string]bool // "client-n": true is acknowledged, false is unknown, because the connection broke
	counter map[int][2]int  // by client, the least and the highest value that its counter may have
	stale   []string        // reads that were older than what was acknowledged
}

func newLedger() *ledger { return &ledger{writes: map[string]bool{}, counter: map[int][2]int{}} }

var ledgerTables = []string{
	"CREATE DATABASE acked",
	"CREATE TABLE acked.writes (client INT, n INT, PRIMARY KEY (client, n))",
	"CREATE TABLE acked.counters (client INT PRIMARY KEY, n INT NOT NULL)",
}

// attempt notes a write before it is committed: it may be there from now on.
func (l *ledger) attempt(client, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes[fmt.Sprintf("%d-%d", client, n)] = false
	l.counter[client] = [2]int{l.counter[client][0], n}
}

// acknowledge notes that a write was committed.
func (l *ledger) acknowledge(client, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes[fmt.Sprintf("%d-%d", client, n)] = true
	l.counter[client] = [2]int{n, n}
}

// refuse notes that a write was not committed.
func (l *ledger) refuse(client, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.writes, fmt.Sprintf("%d-%d", client, n))
	l.counter[client] = [2]int{l.counter[client][0], l.counter[client][0]}
}

// read notes what a client has read of its own counter.
func (l *ledger) read(client, n int, where string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limits := l.counter[client]; n < limits[0] || n > limits[1] {
		l.stale = append(l.stale, fmt.Sprintf("client %d read %d on the %s; acknowledged were %d to %d", client, n, where, limits[0], limits[1]))
		return
	}
	l.counter[client] = [2]int{n, n}
}

// staleRead is the first read that was wrong, or "".
func (l *ledger) staleRead() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.stale[:min(1, len(l.stale))], "")
}

// requireLedger checks that a server has every acknowledged write, and nothing that no
// client has written.
func (r *round) requireLedger(stage string, s *servertest.Instance) {
	r.t.Helper()
	if stale := r.ledger.staleRead(); stale != "" {
		r.fail("%s: %s (I1)", stage, stale)
	}
	there := map[string]bool{}
	var wrong []string
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	for _, line := range r.lines(s, "SELECT client, n FROM acked.writes") {
		key := strings.ReplaceAll(line, "|", "-")
		there[key] = true
		if _, known := r.ledger.writes[key]; !known {
			wrong = append(wrong, "nobody was told of "+key)
		}
	}
	for key, acknowledged := range r.ledger.writes {
		if acknowledged && !there[key] {
			wrong = append(wrong, "acknowledged, and not there: "+key)
		}
	}
	for _, line := range r.lines(s, "SELECT client, n FROM acked.counters") {
		var client, n int
		_, err := fmt.Sscanf(line, "%d|%d", &client, &n)
		if limits := r.ledger.counter[client]; err != nil || n < limits[0] || n > limits[1] {
			wrong = append(wrong, fmt.Sprintf("counter %s; acknowledged were %v", line, limits))
		}
	}
	slices.Sort(wrong)
	if len(wrong) > 0 {
		r.fail("%s: the ledger of acknowledged writes and the %s differ in %d lines (I1): %s", stage, r.sideOf(s), len(wrong), strings.Join(wrong[:min(len(wrong), 10)], "; "))
	}
	r.acknowledged = len(r.ledger.writes)
}
