package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/report"
)

// Op is the step that makes a server replicate from another.
type Op struct{ From, To *replication.Server }

// linkBefore is the before-image of a link.
type linkBefore struct {
	Appliers map[string]string `json:"appliers"` // the replica's applier settings
}

// Start returns the step that makes `to` replicate from `from`: forward when
// from is the source, reverse when it is the target. The link's user has a new
// random password at every Apply; it is kept only where the server keeps it.
// The link starts at the position that the seed or the other link implies: it
// replays nothing that came from the replica itself, and it is refused while
// the target holds transactions that the source lacks (H12).
func Start(from, to *replication.Server) plan.Step {
	direction := linkName(from)
	return plan.Step{
		Name:    "link-" + direction,
		Summary: fmt.Sprintf("replicate %s from %s to %s by GTID", direction, from.Name(), to.Name()),
		Takes:   5 * time.Second,
		Op:      replication.WhenProvisioned{Op: Op{from, to}},
	}
}

// linkName is the direction of the link that reads from a server.
func linkName(from *replication.Server) string {
	if from.Side() == replication.Source {
		return "forward"
	}
	return "reverse"
}

// account is the login of the link, on the server that it reads from.
func (l Op) account() account.Login {
	return account.Login{Server: l.From, Name: replication.OwnUserPrefix + string(l.To.Side()), Grant: "REPLICATION SLAVE ON *.*"}
}

// Check reads the replica's status and settings.
func (l Op) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "replicates from " + l.From.Name()}
	if err := l.From.RequireProvisioned(ctx); err != nil {
		return plan.State{}, err
	}
	status, err := l.Status(ctx)
	if err != nil {
		return plan.State{}, err
	}
	current, err := l.appliers(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if state.Before, err = json.Marshal(linkBefore{current}); err != nil {
		return plan.State{}, err
	}
	if !status.Configured {
		state.Now = "does not replicate"
		return state, nil
	}
	if err := l.foreign(status); err != nil {
		return plan.State{}, err
	}
	wanted, err := l.wanted(ctx)
	if err != nil {
		return plan.State{}, err
	}
	state.Now = describeLink(status)
	state.Done = Running(status) && status.AutoPosition && setting.SameSettings(current, wanted)
	return state, nil
}

// Apply creates the user, points the replica at the other server and waits
// until it has caught up with what is there now.
func (l Op) Apply(ctx context.Context) error {
	if err := l.logsReplicated(ctx); err != nil {
		return err
	}
	status, err := l.Status(ctx)
	if err != nil {
		return err
	}
	first := !status.Configured
	if !first {
		if err := l.foreign(status); err != nil {
			return err
		}
	} else if err := refuseErrant(ctx, l.From, l.To); err != nil {
		return err
	}
	origin, err := l.From.Endpoint(ctx)
	if err != nil {
		return err
	}
	for i, host := range l.accountHosts(ctx) {
		if i > 0 {
			report.Note(ctx, "%s is not let in by its address: the user %s may log in from any host", l.To.Name(), l.account().Name)
		}
		err = l.connect(ctx, host, origin, first)
		if err == nil {
			err = l.caughtUp(ctx)
		}
		if !errors.Is(err, errLoginRefused) {
			return err
		}
		first = false
	}
	return err
}

// accountHosts are the hosts to let in, narrowest first.
func (l Op) accountHosts(ctx context.Context) []string {
	return account.ClientHosts(ctx, l.To)
}

// connect creates the user and (re)starts the replica with it.
func (l Op) connect(ctx context.Context, host string, origin replication.Endpoint, first bool) error {
	password := account.NewPassword()
	if err := l.account().Create(ctx, host, password); err != nil {
		return err
	}
	_, d, err := l.To.Open(ctx)
	if err != nil {
		return err
	}
	session, err := l.To.Session(ctx, dialect.Quiet)
	if err != nil {
		return err
	}
	defer session.Close()
	if !first {
		if _, err := session.ExecContext(ctx, d.StopReplica()); err != nil {
			return l.To.Wrap("stop the replica", err)
		}
	} else if err := l.position(ctx, session, d); err != nil {
		return err
	}
	if err := setting.SetGlobals(ctx, session, d.ApplierSettings()); err != nil {
		return l.To.Wrap("set the appliers", err)
	}
	change := d.ChangeOrigin(dialect.Origin{
		Host: origin.Host, Port: origin.Port, User: l.account().Name, Password: password.Open(), ConnectRetrySeconds: 1,
	})
	if _, err := session.ExecContext(ctx, change); err != nil {
		return l.To.Wrap("configure the link", account.Conceal(err, password))
	}
	if _, err := session.ExecContext(ctx, d.StartReplica()); err != nil {
		return l.To.Wrap("start the replica", err)
	}
	return nil
}

// position sets where a reverse link starts that starts at a position: at the
// target's. Whatever the target holds of the source's domains came from the
// source, and natives of the target were refused as errant, so there is nothing
// to replay. A forward link starts where the seed left gtid_slave_pos.
func (l Op) position(ctx context.Context, session *replication.Session, dialect *dialect.Dialect) error {
	if !dialect.LinkStartsAtPosition() || l.From.Side() == replication.Source {
		return nil
	}
	db, err := l.From.DB(ctx)
	if err != nil {
		return err
	}
	// Since its seed it may have got nothing: then its own position has what is in no binlog of its.
	statement, _ := dialect.ExecutedGTIDs()
	there, err := query.Text(ctx, db, statement)
	if err != nil {
		return l.From.Wrap("read its position", err)
	}
	here, err := query.Text(ctx, session, "SELECT @@GLOBAL.gtid_slave_pos")
	if err != nil {
		return l.To.Wrap("read gtid_slave_pos", err)
	}
	set, err := replication.ParseGTIDSet(dialect.Flavor, there+","+here)
	if err != nil {
		return err
	}
	if _, err := session.ExecContext(ctx, dialect.SetPosition(set.String())); err != nil {
		return l.To.Wrap("set gtid_slave_pos", err)
	}
	return nil
}

// Verify asks the replica whether it runs and has caught up.
func (l Op) Verify(ctx context.Context) error {
	state, err := l.Check(ctx)
	if err != nil {
		return err
	}
	if !state.Done {
		return report.Transient(fmt.Errorf("verify the %s link: %s %s", linkName(l.From), l.To.Name(), state.Now), time.Second)
	}
	return l.caughtUp(ctx)
}

// Undo stops and forgets the link and drops its user. The replica's position
// stays: it only says what the server has.
func (l Op) Undo(ctx context.Context, before json.RawMessage) error {
	if err := l.end(ctx, before); err != nil {
		return err
	}
	return l.account().Drop(ctx)
}

// end is the part of Undo on the replica itself.
func (l Op) end(ctx context.Context, before json.RawMessage) error {
	var image linkBefore
	if err := replication.ReadBefore(before, &image); err != nil {
		return err
	}
	status, err := l.Status(ctx)
	if err != nil {
		return err
	}
	db, dialect, err := l.To.Open(ctx)
	if err != nil {
		return err
	}
	if status.Configured {
		if err := l.foreign(status); err != nil {
			return err
		}
		for _, statement := range []string{dialect.StopReplica(), dialect.ResetReplica()} {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return l.To.Wrap(statement, err)
			}
		}
	}
	if err := setting.SetGlobals(ctx, db, image.Appliers); err != nil {
		return l.To.Wrap("restore the appliers", err)
	}
	return nil
}

// Status reads the state of the link on the server that receives.
func (l Op) Status(ctx context.Context) (dialect.ReplicaStatus, error) {
	db, d, err := l.To.Open(ctx)
	if err != nil {
		return dialect.ReplicaStatus{}, err
	}
	status, err := d.ReplicaStatus(ctx, db)
	if err != nil {
		return dialect.ReplicaStatus{}, l.To.Wrap("ask for the link", err)
	}
	return status, nil
}

// foreign refuses a server that replicates by a link that is not ours.
func (l Op) foreign(status dialect.ReplicaStatus) error {
	if status.User == l.account().Name {
		return nil
	}
	return report.WithHint(
		fmt.Errorf("%s already replicates from %s as user %q", l.To.Name(), status.Origin, status.User),
		"a server of a pair can have no other origin: end that replication first, or migrate its origin")
}

// appliers reads the replica's applier settings.
func (l Op) appliers(ctx context.Context) (map[string]string, error) {
	db, dialect, err := l.To.Open(ctx)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(dialect.ApplierSettings()))
	current, err := query.Variables(ctx, db, names...)
	if err != nil {
		return nil, l.To.Wrap("read the appliers", err)
	}
	return current, nil
}

func (l Op) wanted(ctx context.Context) (map[string]string, error) {
	dialect, err := l.To.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	return dialect.ApplierSettings(), nil
}

// logsReplicated refuses a replica that would not pass on what it applies: the
// other link, and a rollback, stand on it.
func (l Op) logsReplicated(ctx context.Context) error {
	db, d, err := l.To.Open(ctx)
	if err != nil {
		return err
	}
	name := d.LogsReplicated()
	v, err := query.Variables(ctx, db, name)
	if err != nil {
		return l.To.Wrap("read "+name, err)
	}
	if !dialect.IsOn(v[name]) {
		return report.WithHint(fmt.Errorf("%s is off on %s", name, l.To.Name()), "set %s=1 in its option file and restart it", name)
	}
	return nil
}

// refuseErrant refuses a first link while the target has transactions that the
// source lacks (H12). The target is read first: what it got from the source
// until then, the source has.
func refuseErrant(ctx context.Context, a, b *replication.Server) error {
	source, target := a, b
	if a.Side() == replication.Target {
		source, target = b, a
	}
	has, err := replication.Executed(ctx, target)
	if err != nil {
		return err
	}
	known, err := replication.Executed(ctx, source)
	if err != nil {
		return err
	}
	if errant := has.Minus(known); !errant.IsEmpty() {
		return report.WithHint(fmt.Errorf("%s has transactions that %s lacks: %s", target.Name(), source.Name(), errant),
			"something wrote to the target itself: fence it and seed it again")
	}
	return nil
}
