package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// linkOp is the step that makes a server replicate from another.
type linkOp struct{ from, to *Server }

// linkBefore is the before-image of a link.
type linkBefore struct {
	Appliers map[string]string `json:"appliers"` // the replica's applier settings
}

// Link returns the step that makes `to` replicate from `from`: forward when
// from is the source, reverse when it is the target. The link's user has a new
// random password at every Apply; it is kept only where the server keeps it.
// The link starts at the position that the seed or the other link implies: it
// replays nothing that came from the replica itself, and it is refused while
// the target holds transactions that the source lacks (H12).
func Link(from, to *Server) plan.Step {
	direction := linkName(from)
	return plan.Step{
		Name:    "link-" + direction,
		Summary: fmt.Sprintf("replicate %s from %s to %s by GTID", direction, from.Name(), to.Name()),
		Takes:   5 * time.Second,
		Op:      onceMade{linkOp{from, to}},
	}
}

// linkName is the direction of the link that reads from a server.
func linkName(from *Server) string {
	if from.Side() == Source {
		return "forward"
	}
	return "reverse"
}

// account is the login of the link, on the server that it reads from.
func (l linkOp) account() login {
	return login{l.from, ownUserPrefix + string(l.to.Side()), "REPLICATION SLAVE ON *.*"}
}

// Check reads the replica's status and settings.
func (l linkOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "replicates from " + l.from.Name()}
	if err := l.from.made(ctx); err != nil {
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
	state.Done = running(status) && status.AutoPosition && sameSettings(current, wanted)
	return state, nil
}

// Apply creates the user, points the replica at the other server and waits
// until it has caught up with what is there now.
func (l linkOp) Apply(ctx context.Context) error {
	if err := l.logsReplicated(ctx); err != nil {
		return err
	}
	status, err := l.status(ctx)
	if err != nil {
		return err
	}
	first := !status.Configured
	if !first {
		if err := l.foreign(status); err != nil {
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
			report.Note(ctx, "%s is not let in by its address: the user %s may log in from any host", l.to.Name(), l.account().name)
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
func (l linkOp) accountHosts(ctx context.Context) []string {
	return clientHosts(ctx, l.to)
}

// clientHosts are the account hosts for a client on the machine of s: its
// address, then any, for networks that translate addresses.
func clientHosts(ctx context.Context, s *Server) []string {
	endpoint, err := s.Endpoint(ctx)
	if err != nil {
		return []string{anyHost}
	}
	if _, err := netip.ParseAddr(endpoint.Host); err != nil {
		return []string{anyHost}
	}
	return []string{endpoint.Host, anyHost}
}

// connect creates the user and (re)starts the replica with it.
func (l linkOp) connect(ctx context.Context, host string, origin Endpoint, first bool) error {
	password := newPassword()
	if err := l.account().create(ctx, host, password); err != nil {
		return err
	}
	_, d, err := l.to.Open(ctx)
	if err != nil {
		return err
	}
	session, err := l.to.Session(ctx, Quiet)
	if err != nil {
		return err
	}
	defer session.Close()
	if !first {
		if _, err := session.ExecContext(ctx, d.StopReplica()); err != nil {
			return l.to.wrap("stop the replica", err)
		}
	} else if err := l.position(ctx, session, d); err != nil {
		return err
	}
	if err := setGlobals(ctx, session, d.ApplierSettings()); err != nil {
		return l.to.wrap("set the appliers", err)
	}
	change := d.ChangeOrigin(Origin{
		Host: origin.Host, Port: origin.Port, User: l.account().name, Password: password.Open(), ConnectRetrySeconds: 1,
	})
	if _, err := session.ExecContext(ctx, change); err != nil {
		return l.to.wrap("configure the link", conceal(err, password))
	}
	if _, err := session.ExecContext(ctx, d.StartReplica()); err != nil {
		return l.to.wrap("start the replica", err)
	}
	return nil
}

// position sets where a reverse link starts that starts at a position: at the
// target's. Whatever the target holds of the source's domains came from the
// source, and natives of the target were refused as errant, so there is nothing
// to replay. A forward link starts where the seed left gtid_slave_pos.
func (l linkOp) position(ctx context.Context, session *Session, dialect *Dialect) error {
	if !dialect.LinkStartsAtPosition() || l.from.Side() == Source {
		return nil
	}
	db, err := l.from.DB(ctx)
	if err != nil {
		return err
	}
	// Since its seed it may have got nothing: then its own position has what is in no binlog of its.
	statement, _ := dialect.ExecutedGTIDs()
	there, err := queryText(ctx, db, statement)
	if err != nil {
		return l.from.wrap("read its position", err)
	}
	here, err := queryText(ctx, session, "SELECT @@GLOBAL.gtid_slave_pos")
	if err != nil {
		return l.to.wrap("read gtid_slave_pos", err)
	}
	set, err := ParseGTIDSet(dialect.Flavor, there+","+here)
	if err != nil {
		return err
	}
	if _, err := session.ExecContext(ctx, dialect.SetPosition(set.String())); err != nil {
		return l.to.wrap("set gtid_slave_pos", err)
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
		return report.Transient(fmt.Errorf("verify the %s link: %s %s", linkName(l.from), l.to.Name(), state.Now), time.Second)
	}
	return l.caughtUp(ctx)
}

// Undo stops and forgets the link and drops its user. The replica's position
// stays: it only says what the server has.
func (l linkOp) Undo(ctx context.Context, before json.RawMessage) error {
	if err := l.end(ctx, before); err != nil {
		return err
	}
	return l.account().drop(ctx)
}

// end is the part of Undo on the replica itself.
func (l linkOp) end(ctx context.Context, before json.RawMessage) error {
	var image linkBefore
	if err := readBefore(before, &image); err != nil {
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
		if err := l.foreign(status); err != nil {
			return err
		}
		for _, statement := range []string{dialect.StopReplica(), dialect.ResetReplica()} {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return l.to.wrap(statement, err)
			}
		}
	}
	if err := setGlobals(ctx, db, image.Appliers); err != nil {
		return l.to.wrap("restore the appliers", err)
	}
	return nil
}

func (l linkOp) status(ctx context.Context) (ReplicaStatus, error) {
	db, d, err := l.to.Open(ctx)
	if err != nil {
		return ReplicaStatus{}, err
	}
	status, err := d.ReplicaStatus(ctx, db)
	if err != nil {
		return ReplicaStatus{}, l.to.wrap("ask for the link", err)
	}
	return status, nil
}

// foreign refuses a server that replicates by a link that is not ours.
func (l linkOp) foreign(status ReplicaStatus) error {
	if status.User == l.account().name {
		return nil
	}
	return report.WithHint(
		fmt.Errorf("%s already replicates from %s as user %q", l.to.Name(), status.Origin, status.User),
		"a server of a pair can have no other origin: end that replication first, or migrate its origin")
}

// appliers reads the replica's applier settings.
func (l linkOp) appliers(ctx context.Context) (map[string]string, error) {
	db, dialect, err := l.to.Open(ctx)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(dialect.ApplierSettings()))
	current, err := variables(ctx, db, names...)
	if err != nil {
		return nil, l.to.wrap("read the appliers", err)
	}
	return current, nil
}

func (l linkOp) wanted(ctx context.Context) (map[string]string, error) {
	dialect, err := l.to.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	return dialect.ApplierSettings(), nil
}

// logsReplicated refuses a replica that would not pass on what it applies: the
// other link, and a rollback, stand on it.
func (l linkOp) logsReplicated(ctx context.Context) error {
	db, d, err := l.to.Open(ctx)
	if err != nil {
		return err
	}
	name := d.LogsReplicated()
	v, err := variables(ctx, db, name)
	if err != nil {
		return l.to.wrap("read "+name, err)
	}
	if !isOn(v[name]) {
		return report.WithHint(fmt.Errorf("%s is off on %s", name, l.to.Name()), "set %s=1 in its option file and restart it", name)
	}
	return nil
}

// refuseErrant refuses a first link while the target has transactions that the
// source lacks (H12). The target is read first: what it got from the source
// until then, the source has.
func refuseErrant(ctx context.Context, a, b *Server) error {
	source, target := a, b
	if a.Side() == Target {
		source, target = b, a
	}
	has, err := executed(ctx, target)
	if err != nil {
		return err
	}
	known, err := executed(ctx, source)
	if err != nil {
		return err
	}
	if errant := has.Minus(known); !errant.IsEmpty() {
		return report.WithHint(fmt.Errorf("%s has transactions that %s lacks: %s", target.Name(), source.Name(), errant),
			"something wrote to the target itself: fence it and seed it again")
	}
	return nil
}

// executed is all transactions of a server.
func executed(ctx context.Context, s *Server) (GTIDSet, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return GTIDSet{}, err
	}
	set, err := executedGTIDs(ctx, db, dialect)
	if err != nil {
		return GTIDSet{}, s.wrap("read the executed transactions", err)
	}
	return set, nil
}

// setGlobals sets global variables in a fixed order.
func setGlobals(ctx context.Context, e execer, values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := setGlobal(ctx, e, name, values[name]); err != nil {
			return err
		}
	}
	return nil
}

func sameSettings(have, want map[string]string) bool {
	for name, value := range want {
		if !strings.EqualFold(have[name], value) {
			return false
		}
	}
	return true
}
