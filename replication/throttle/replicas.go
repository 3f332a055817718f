package throttle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

const (
	// lagInterval is the time between two readings of the replicas' lag.
	lagInterval = 2 * time.Second
	// replicaRetryInterval is the time between two listings of the source's replicas.
	replicaRetryInterval = 30 * time.Second
	// replicaTimeout bounds the reading of one replica's lag.
	replicaTimeout = 5 * time.Second
	// firstReaderID is the lowest server_id that migrate's binlog readers use.
	firstReaderID = 1 << 31
	// defaultPort is the port of a replica that does not report its own.
	defaultPort = 3306
)

// ReplicaWatch watches the lag of the source's own replicas: a seed that slows them
// down hurts the applications that read from them.
type ReplicaWatch struct {
	source   *replication.Server
	replicas map[string]*replication.Server // by address
	noted    map[string]bool                // addresses for which a note says why their lag cannot be read
}

// NewReplicaWatch returns a watch that logs in to the replicas with the source's ReplicaUser
// or, without one, as migrate logs in to the source: replicas usually have its accounts.
func NewReplicaWatch(source *replication.Server) *ReplicaWatch {
	return &ReplicaWatch{source: source, replicas: map[string]*replication.Server{}, noted: map[string]bool{}}
}

// watch polls until ctx ends.
func (w *ReplicaWatch) watch(ctx context.Context, t *Throttle) {
	defer func() {
		for _, s := range w.replicas {
			_ = s.Close() // these connections only read
		}
	}()
	tick := time.NewTicker(lagInterval)
	defer tick.Stop()
	var refreshedAt time.Time
	for {
		if time.Since(refreshedAt) >= replicaRetryInterval {
			refreshedAt = time.Now()
			if err := w.refresh(ctx); err != nil && ctx.Err() == nil {
				w.noteOnce(ctx, "", "%s does not say which replicas it has, so their lag does not hold the seed back: %v", w.source.Name(), err)
			}
		}
		w.poll(ctx, t)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// noteOnce makes a note unless one about the same subject was made.
func (w *ReplicaWatch) noteOnce(ctx context.Context, about, format string, args ...any) {
	if !w.noted[about] {
		w.noted[about] = true
		report.Note(ctx, format, args...)
	}
}

// refresh brings the list of replicas up to date.
func (w *ReplicaWatch) refresh(ctx context.Context) error {
	addresses, err := replicasOf(ctx, w.source)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		if w.replicas[address] == nil {
			w.replicas[address] = w.source.Replica(address)
		}
	}
	for address, s := range w.replicas {
		if !slices.Contains(addresses, address) {
			_ = s.Close() // it is no longer a replica
			delete(w.replicas, address)
		}
	}
	return nil
}

// poll reads every replica's lag; the longest decides.
func (w *ReplicaWatch) poll(ctx context.Context, t *Throttle) {
	most := t.Current().MostLag
	var slowest string
	var longest time.Duration
	for address, s := range w.replicas {
		lag, err := replicaLag(ctx, s)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.noteOnce(ctx, address, "the lag of the %s cannot be read, so it does not hold the seed back: %v", s.Name(), err)
			continue
		}
		if w.noted[address] {
			delete(w.noted, address)
			report.Note(ctx, "the lag of the %s can be read now: %s", s.Name(), lag)
		}
		if lag > longest {
			longest, slowest = lag, s.Name()
		}
	}
	if longest > most {
		t.setCause(ctx, causeLag, fmt.Sprintf("%s is %s behind, more than %s", slowest, longest, most), "")
	} else {
		t.setCause(ctx, causeLag, "", fmt.Sprintf("no replica of %s is more than %s behind", w.source.Name(), most))
	}
}

// replicaLag returns the lag that a replica reports (Seconds_Behind). It is good
// enough for a throttle; no gate depends on it.
func replicaLag(ctx context.Context, s *replication.Server) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return 0, err
	}
	status, err := dialect.ReplicaStatus(ctx, db)
	if err != nil {
		return 0, err
	}
	seconds, err := strconv.Atoi(status.SecondsBehind)
	switch {
	case !status.Configured:
		return 0, errors.New("it does not replicate")
	case err != nil: // NULL
		return 0, fmt.Errorf("its replication does not run: receives %s, applies %s", status.IORunning, status.SQLRunning)
	}
	return time.Duration(seconds) * time.Second, nil
}

// replicasOf lists the addresses of a server's replicas: the ones that they report
// (report_host), and for the others the hosts that their connections come from.
func replicasOf(ctx context.Context, s *replication.Server) ([]string, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	statement := dialect.ListReplicas()
	records, err := query.All(ctx, db, statement)
	if err != nil {
		return nil, s.Wrap(statement, err)
	}
	var addresses, hosts []string
	unreported := 0
	for _, r := range records {
		id, err := strconv.ParseUint(firstField(r, "Server_Id", "Server_id"), 10, 32)
		if err != nil || id >= firstReaderID {
			continue
		}
		if r["Host"] == "" {
			unreported++
			continue
		}
		addresses, hosts = append(addresses, net.JoinHostPort(r["Host"], portOrDefault(r["Port"]))), append(hosts, r["Host"])
	}
	if unreported == 0 {
		return addresses, nil
	}
	own, err := replication.ReadOwnAccounts(ctx, db)
	if err != nil {
		return nil, s.Wrap("look for replicas", err)
	}
	all, err := query.Processes(ctx, db)
	if err != nil {
		return nil, s.Wrap("look for replicas", err)
	}
	for _, p := range all {
		if !p.SendsBinlog() || own.HasUser(p.User) {
			continue
		}
		host, _, err := net.SplitHostPort(p.Host)
		if err != nil {
			host = p.Host
		}
		if !slices.Contains(hosts, host) {
			addresses, hosts = append(addresses, net.JoinHostPort(host, strconv.Itoa(defaultPort))), append(hosts, host)
		}
	}
	return addresses, nil
}

func firstField(r query.Record, names ...string) string {
	for _, name := range names {
		if text, ok := r[name]; ok {
			return text
		}
	}
	return ""
}

func portOrDefault(text string) string {
	if n, err := strconv.Atoi(text); err != nil || n <= 0 {
		return strconv.Itoa(defaultPort)
	}
	return text
}
