package throttle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

const (
	// replicasEvery is how often replicas are asked for their lag, and
	// replicasAgain how often the source is asked for new ones.
	replicasEvery = 2 * time.Second
	replicasAgain = 30 * time.Second
	// replicaPatience bounds what one replica is waited for.
	replicaPatience = 5 * time.Second
	// ownReaderIDs is from where on ids are those of readers of ours.
	ownReaderIDs = 1 << 31
	// usualPort is asked where a replica does not report its own.
	usualPort = 3306
)

// replicaWatch watches the lag of the source's own replicas: a seed that slows
// them down hurts whoever reads from them.
type replicaWatch struct {
	source   *replication.Server
	user     string // the login to the replicas
	password secret.Value

	known map[string]*replication.Server // by address
	said  map[string]bool                // addresses of which it was said why their lag cannot be read
}

// NewReplicaWatch watches with migrate's own login to the source, which its
// replicas usually have, too.
func NewReplicaWatch(source *replication.Server) *replicaWatch {
	w := &replicaWatch{source: source, user: source.Config.User, password: source.Config.Password, known: map[string]*replication.Server{}, said: map[string]bool{}}
	if source.Config.ReplicaUser != "" {
		w.user, w.password = source.Config.ReplicaUser, source.Config.ReplicaPassword
	}
	return w
}

// watch looks until ctx ends.
func (w *replicaWatch) watch(ctx context.Context, t *Throttle) {
	defer func() {
		for _, s := range w.known {
			_ = s.Close() // of connections that only read
		}
	}()
	tick := time.NewTicker(replicasEvery)
	defer tick.Stop()
	var asked time.Time
	for {
		if time.Since(asked) >= replicasAgain {
			asked = time.Now()
			if err := w.find(ctx); err != nil && ctx.Err() == nil {
				w.sayOnce(ctx, "", "%s does not say which replicas it has, so their lag does not hold the seed back: %v", w.source.Name(), err)
			}
		}
		w.look(ctx, t)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sayOnce makes a note of something that stays so.
func (w *replicaWatch) sayOnce(ctx context.Context, about, format string, args ...any) {
	if !w.said[about] {
		w.said[about] = true
		report.Note(ctx, format, args...)
	}
}

// find asks the source for its replicas.
func (w *replicaWatch) find(ctx context.Context) error {
	addresses, err := replicasOf(ctx, w.source)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		if w.known[address] == nil {
			w.known[address] = replication.NewServer(replication.ServerConfig{
				Name: "replica " + address + " of " + w.source.Name(), Side: w.source.Side(), Host: w.source.Config.Host,
				Network: "tcp", Address: address, User: w.user, Password: w.password,
			})
		}
	}
	for address, s := range w.known {
		if !slices.Contains(addresses, address) {
			_ = s.Close() // it is no replica any more
			delete(w.known, address)
		}
	}
	return nil
}

// look reads every replica's lag; the longest decides.
func (w *replicaWatch) look(ctx context.Context, t *Throttle) {
	most := t.Current().MostLag
	var late string
	var longest time.Duration
	for address, s := range w.known {
		lag, err := replicaLag(ctx, s)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.sayOnce(ctx, address, "the lag of the %s cannot be read, so it does not hold the seed back: %v", s.Name(), err)
			continue
		}
		if w.said[address] {
			delete(w.said, address)
			report.Note(ctx, "the lag of the %s can be read now: %s", s.Name(), lag)
		}
		if lag > longest {
			longest, late = lag, s.Name()
		}
	}
	if longest > most {
		t.because(ctx, causeLag, fmt.Sprintf("%s is %s behind, more than %s", late, longest, most), "")
	} else {
		t.because(ctx, causeLag, "", fmt.Sprintf("no replica of %s is more than %s behind", w.source.Name(), most))
	}
}

// replicaLag is what a replica says of its lag. It is a hint for a throttle,
// nothing is decided by it.
func replicaLag(ctx context.Context, s *replication.Server) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, replicaPatience)
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

// replicasOf lists the addresses of a server's replicas: what they report
// (report_host), and for those that report none where they come from.
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
	silent := 0
	for _, r := range records {
		id, err := strconv.ParseUint(firstOf(r, "Server_Id", "Server_id"), 10, 32)
		if err != nil || id >= ownReaderIDs {
			continue
		}
		if r["Host"] == "" {
			silent++
			continue
		}
		addresses, hosts = append(addresses, net.JoinHostPort(r["Host"], portOr(r["Port"]))), append(hosts, r["Host"])
	}
	if silent == 0 {
		return addresses, nil
	}
	dumps, err := query.Strings(ctx, db, `SELECT HOST FROM information_schema.PROCESSLIST
		WHERE COMMAND IN ('Binlog Dump', 'Binlog Dump GTID') AND USER NOT LIKE ?`, strings.ReplaceAll(replication.OwnUserPrefix, "_", `\_`)+"%")
	if err != nil {
		return nil, s.Wrap("look for replicas", err)
	}
	for _, from := range dumps {
		host, _, err := net.SplitHostPort(from)
		if err != nil {
			host = from
		}
		if !slices.Contains(hosts, host) {
			addresses, hosts = append(addresses, net.JoinHostPort(host, strconv.Itoa(usualPort))), append(hosts, host)
		}
	}
	return addresses, nil
}

func firstOf(r query.Record, names ...string) string {
	for _, name := range names {
		if text, ok := r[name]; ok {
			return text
		}
	}
	return ""
}

func portOr(text string) string {
	if n, err := strconv.Atoi(text); err != nil || n <= 0 {
		return strconv.Itoa(usualPort)
	}
	return text
}
