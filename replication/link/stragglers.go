package link

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// stragglersOp is the gate that no client writes to a server any more.
type stragglersOp struct {
	plan.ReadOnly
	server   *replication.Server
	quietFor time.Duration
}

// Stragglers returns the gate, for the way dual, that opens once the server has logged
// no transaction of its own for quietFor. Transactions that arrive by the link have
// another domain or uuid and do not count. The gate names the clients that are still
// connected by their hosts (H27). No heartbeat may run.
func Stragglers(s *replication.Server, quietFor time.Duration) plan.Step {
	return plan.Step{
		Name:    "stragglers-" + string(s.Side()),
		Summary: fmt.Sprintf("wait until no client has written to %s for %s", s.Name(), quietFor),
		Gate:    true,
		Takes:   quietFor,
		Hazards: []plan.Hazard{{ID: "H27", Text: "clients with an old address go on writing to the old side"}},
		Op:      replication.WhenProvisioned{Op: stragglersOp{server: s, quietFor: quietFor}},
	}
}

// nativeGTIDs are the transactions that a server executed for its own clients.
func nativeGTIDs(ctx context.Context, s *replication.Server) (replication.GTIDSet, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return replication.GTIDSet{}, err
	}
	set, err := replication.ExecutedGTIDs(ctx, db, dialect)
	if err != nil {
		return replication.GTIDSet{}, s.Wrap("read the executed transactions", err)
	}
	if !dialect.Flavor.GTIDDomains() {
		uuid, err := query.Text(ctx, db, "SELECT @@GLOBAL.server_uuid")
		if err != nil {
			return replication.GTIDSet{}, s.Wrap("read server_uuid", err)
		}
		return set.OfOrigin(uuid), nil
	}
	domain, err := dialect.NativeDomain(ctx, db)
	if err != nil {
		return replication.GTIDSet{}, s.Wrap("read gtid_domain_id", err)
	}
	others := slices.DeleteFunc(set.Domains(), func(d uint32) bool { return d == domain })
	return set.Without(others...), nil
}

// clientOrigins lists the users and hosts of the connected clients, without ports.
func clientOrigins(ctx context.Context, s *replication.Server) ([]string, error) {
	all, err := account.Clients(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, c := range all {
		host := c.Host
		if at := strings.LastIndex(host, ":"); at > 0 {
			host = host[:at]
		}
		out = append(out, c.User+" from "+host)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Check names the clients that are connected.
func (s stragglersOp) Check(ctx context.Context) (plan.State, error) {
	origins, err := clientOrigins(ctx, s.server)
	if err != nil {
		return plan.State{}, err
	}
	state := plan.State{Now: "no client is connected", Want: fmt.Sprintf("no client writes for %s", s.quietFor)}
	if len(origins) > 0 {
		state.Now = "connected: " + strings.Join(origins, ", ")
	}
	return state, nil
}

// Apply waits until the server is quiet.
func (s stragglersOp) Apply(ctx context.Context) error {
	last, err := nativeGTIDs(ctx, s.server)
	if err != nil {
		return err
	}
	quietSince, noted := time.Now(), ""
	for time.Since(quietSince) < s.quietFor {
		if err := wait.For(ctx, min(200*time.Millisecond, s.quietFor)); err != nil {
			return fmt.Errorf("wait for the stragglers of %s: %w", s.server.Name(), err)
		}
		now, err := nativeGTIDs(ctx, s.server)
		if err != nil {
			return err
		}
		if now.Equal(last) {
			continue
		}
		origins, err := clientOrigins(ctx, s.server)
		if err != nil {
			return err
		}
		if text := strings.Join(origins, ", "); text != noted {
			report.Note(ctx, "%s is still written to; connected: %s", s.server.Name(), text)
			noted = text
		}
		quietSince, last = time.Now(), now
	}
	return nil
}

// Verify checks for half a second that the server is quiet.
func (s stragglersOp) Verify(ctx context.Context) error {
	first, err := nativeGTIDs(ctx, s.server)
	if err != nil {
		return err
	}
	if err := wait.For(ctx, min(500*time.Millisecond, s.quietFor)); err != nil {
		return err
	}
	again, err := nativeGTIDs(ctx, s.server)
	if err == nil && !again.Equal(first) {
		err = report.Transient(fmt.Errorf("verify: %s was written to again", s.server.Name()), s.quietFor)
	}
	return err
}
