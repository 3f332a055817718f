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

// linkOp makes the server `to` replicate from the server `from`.
type linkOp struct{ from, to *replication.Server }

// beforeImage is the before-image of a link.
type beforeImage struct {
	Appliers map[string]string `json:"appliers"`       // the replica's applier settings
	Kept     map[string]string `json:"kept,omitempty"` // those that come back after a restart
}

// Start returns the step that makes `to` replicate from `from`: forward if from is
// the source, reverse if it is the target. Every Apply gives the link's user a new
// random password, which only the server keeps. The link starts at the position that
// the seed or the other link implies, and replays nothing that came from the replica
// itself. It is refused while the target has transactions that the source lacks (H12).
func Start(from, to *replication.Server) plan.Step {
	return plan.Step{
		Name:    "link-" + direction(from),
		Summary: fmt.Sprintf("replicate %s from %s to %s by GTID", direction(from), from.Name(), to.Name()),
		Takes:   5 * time.Second,
		Op:      replication.WhenProvisioned{Op: linkOp{from, to}},
	}
}

// direction is the direction of the link that reads from a server.
func direction(from *replication.Server) string {
	if from.Side() == replication.Source {
		return "forward"
	}
	return "reverse"
}

// account is the login of the link. It is on the server that the link reads from.
func (l linkOp) account() account.Login {
	return account.Login{Server: l.from, Name: replication.LinkUser(l.to.Side()), Grant: "REPLICATION SLAVE ON *.*"}
}

// Check reads the replica's status and settings.
func (l linkOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "replicates from " + l.from.Name()}
	if err := l.from.RequireProvisioned(ctx); err != nil {
		return plan.State{}, err
	}
	status, err := l.status(ctx)
	if err != nil {
		return plan.State{}, err
	}
	current, err := l.appliers(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if state.Before, err = json.Marshal(current); err != nil {
		return plan.State{}, err
	}
	if !status.Configured {
		state.Now = "does not replicate"
		return state, nil
	}
	if err := l.refuseForeign(status); err != nil {
		return plan.State{}, err
	}
	wanted, err := l.wantedAppliers(ctx)
	if err != nil {
		return plan.State{}, err
	}
	state.Now = describe(status)
	canKeep, err := l.persistence().Supported(ctx)
	if err != nil {
		return plan.State{}, err
	}
	state.Done = Running(status) && status.AutoPosition && setting.SameSettings(current.Appliers, wanted) &&
		(!canKeep || setting.SameSettings(current.Kept, wanted))
	return state, nil
}

// Apply creates the link's user, points the replica at the other server and waits
// until it has caught up with what that server has now.
func (l linkOp) Apply(ctx context.Context) error {
	if err := l.requireUpdatesLogged(ctx); err != nil {
		return err
	}
	status, err := l.status(ctx)
	if err != nil {
		return err
	}
	first := !status.Configured
	if !first {
		if err := l.refuseForeign(status); err != nil {
			return err
		}
	} else if err := refuseErrant(ctx, l.from, l.to); err != nil {
		return err
	}
	origin, err := l.from.Endpoint(ctx)
	if err != nil {
		return err
	}
	for i, host := range l.accountHosts(ctx) {
		if i > 0 {
			report.Note(ctx, "%s is not let in by its address: the user %s may log in from any host", l.to.Name(), l.account().Name)
		}
		err = l.connect(ctx, host, origin, first)
		if err == nil {
			err = l.catchUp(ctx)
		}
		if !errors.Is(err, errLoginRefused) {
			return err
		}
		first = false
	}
	return err
}

// accountHosts are the hosts that the link's user may log in from, narrowest first.
func (l linkOp) accountHosts(ctx context.Context) []string {
	return account.ClientHosts(ctx, l.to)
}

// connect creates the link's user, which may log in from host, and (re)starts the
// replica with it. first says that the replica had no link.
func (l linkOp) connect(ctx context.Context, host string, origin replication.Endpoint, first bool) error {
	password := account.NewPassword()
	if err := l.account().Create(ctx, host, password); err != nil {
		return err
	}
	_, d, err := l.to.Open(ctx)
	if err != nil {
		return err
	}
	session, err := l.to.Session(ctx, dialect.Quiet)
	if err != nil {
		return err
	}
	defer session.Close()
	if !first {
		if _, err := session.ExecContext(ctx, d.StopReplica()); err != nil {
			return l.to.Wrap("stop the replica", err)
		}
	} else if err := l.setPosition(ctx, session, d); err != nil {
		return err
	}
	if err := l.setAppliers(ctx, session, d.ApplierSettings()); err != nil {
		return err
	}
	change := d.ChangeOrigin(dialect.Origin{
		Host: origin.Host, Port: origin.Port, User: l.account().Name, Password: password.Open(), ConnectRetrySeconds: 1,
	})
	if _, err := session.ExecContext(ctx, change); err != nil {
		return l.to.Wrap("configure the link", account.Conceal(err, password))
	}
	if _, err := session.ExecContext(ctx, d.StartReplica()); err != nil {
		return l.to.Wrap("start the replica", err)
	}
	return nil
}

// persistence keeps the applier settings when the replica restarts: its link goes on then.
func (l linkOp) persistence() setting.Persistence {
	return setting.Persistence{Server: l.to, Topic: setting.LinkTopic}
}

// setAppliers sets the applier settings of a replica that is stopped, and keeps them.
func (l linkOp) setAppliers(ctx context.Context, session *replication.Session, want map[string]string) error {
	canKeep, err := l.persistence().Supported(ctx)
	if err != nil {
		return err
	}
	if canKeep {
		if err := l.persistence().Write(ctx, want); err != nil {
			return err
		}
	} else {
		report.Note(ctx, "the settings of the %s link do not survive a restart of %s: its host cannot be reached", direction(l.from), l.to.Name())
	}
	return l.to.Wrap("set the appliers", setting.SetGlobals(ctx, session, want))
}

// setPosition sets gtid_slave_pos of a reverse link to the position of the target,
// where the flavor starts a link at a position. Everything that the target has of the
// source's domains came from the source, and transactions of the target's own were
// refused as errant, so there is nothing to replay. A forward link starts where the
// seed left gtid_slave_pos.
func (l linkOp) setPosition(ctx context.Context, session *replication.Session, dialect *dialect.Dialect) error {
	if !dialect.LinkStartsAtPosition() || l.from.Side() == replication.Source {
		return nil
	}
	db, err := l.from.DB(ctx)
	if err != nil {
		return err
	}
	// A target that has received nothing since its seed has the source's transactions
	// in its gtid_slave_pos only, and not in its binlog: the statement reads both.
	statement, _ := dialect.ExecutedGTIDs()
	targetPosition, err := query.Text(ctx, db, statement)
	if err != nil {
		return l.from.Wrap("read its position", err)
	}
	replicaPosition, err := query.Text(ctx, session, "SELECT @@GLOBAL.gtid_slave_pos")
	if err != nil {
		return l.to.Wrap("read gtid_slave_pos", err)
	}
	set, err := replication.ParseGTIDSet(dialect.Flavor, targetPosition+","+replicaPosition)
	if err != nil {
		return err
	}
	if _, err := session.ExecContext(ctx, dialect.SetPosition(set.String())); err != nil {
		return l.to.Wrap("set gtid_slave_pos", err)
	}
	return nil
}

// Verify asks the replica whether it runs and has caught up.
func (l linkOp) Verify(ctx context.Context) error {
	state, err := l.Check(ctx)
	if err != nil {
		return err
	}
	if !state.Done {
		return report.Transient(fmt.Errorf("verify the %s link: %s %s", direction(l.from), l.to.Name(), state.Now), time.Second)
	}
	return l.catchUp(ctx)
}

// Undo stops the link, makes the replica forget it and drops its user. The replica's
// position stays, because it only says which transactions the server has.
func (l linkOp) Undo(ctx context.Context, before json.RawMessage) error {
	if err := l.forget(ctx, before); err != nil {
		return err
	}
	return l.account().Drop(ctx)
}

// forget stops the link, makes the replica forget it, and restores the applier
// settings of the before-image. The link's user stays.
func (l linkOp) forget(ctx context.Context, before json.RawMessage) error {
	var image beforeImage
	if err := replication.ReadBefore(before, &image); err != nil {
		return err
	}
	status, err := l.status(ctx)
	if err != nil {
		return err
	}
	db, dialect, err := l.to.Open(ctx)
	if err != nil {
		return err
	}
	if status.Configured {
		if err := l.refuseForeign(status); err != nil {
			return err
		}
		for _, statement := range []string{dialect.StopReplica(), dialect.ResetReplica()} {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return l.to.Wrap(statement, err)
			}
		}
	}
	if err := setting.SetGlobals(ctx, db, image.Appliers); err != nil {
		return l.to.Wrap("restore the appliers", err)
	}
	return l.persistence().Restore(ctx, image.Kept, slices.Collect(maps.Keys(dialect.ApplierSettings()))...)
}

// refuseForeign refuses a replica whose link was not made by migrate.
func (l linkOp) refuseForeign(status dialect.ReplicaStatus) error {
	if status.User == l.account().Name {
		return nil
	}
	return report.WithHint(
		fmt.Errorf("%s already replicates from %s as user %q", l.to.Name(), status.Origin, status.User),
		"a server of a pair can have no other origin: end that replication first, or migrate its origin")
}

// appliers reads the replica's applier settings.
func (l linkOp) appliers(ctx context.Context) (now beforeImage, err error) {
	db, dialect, err := l.to.Open(ctx)
	if err != nil {
		return now, err
	}
	names := slices.Sorted(maps.Keys(dialect.ApplierSettings()))
	if now.Appliers, err = query.Variables(ctx, db, names...); err != nil {
		return now, l.to.Wrap("read the appliers", err)
	}
	now.Kept, err = l.persistence().Read(ctx, names...)
	return now, err
}

// wantedAppliers are the applier settings that a link needs.
func (l linkOp) wantedAppliers(ctx context.Context) (map[string]string, error) {
	dialect, err := l.to.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	return dialect.ApplierSettings(), nil
}

// requireUpdatesLogged refuses a replica that does not write what it applies to its
// binlog: the other link and a rollback need that.
func (l linkOp) requireUpdatesLogged(ctx context.Context) error {
	db, d, err := l.to.Open(ctx)
	if err != nil {
		return err
	}
	name := d.LogsReplicated()
	v, err := query.Variables(ctx, db, name)
	if err != nil {
		return l.to.Wrap("read "+name, err)
	}
	if !dialect.IsOn(v[name]) {
		return report.WithHint(fmt.Errorf("%s is off on %s", name, l.to.Name()), "set %s=1 in its option file and restart it", name)
	}
	return nil
}

// refuseErrant refuses the first link of a pair while the target has transactions that
// the source lacks (H12). It reads the target first: everything that the target has
// received by then is on the source.
func refuseErrant(ctx context.Context, a, b *replication.Server) error {
	source, target := a, b
	if a.Side() == replication.Target {
		source, target = b, a
	}
	onTarget, err := replication.Executed(ctx, target)
	if err != nil {
		return err
	}
	onSource, err := replication.Executed(ctx, source)
	if err != nil {
		return err
	}
	if errant := onTarget.Minus(onSource); !errant.IsEmpty() {
		return report.WithHint(fmt.Errorf("%s has transactions that %s lacks: %s", target.Name(), source.Name(), errant),
			"something wrote to the target itself: fence it and seed it again")
	}
	return nil
}
