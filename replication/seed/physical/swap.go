package physical

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/binlog"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/seed"
	"github.com/dcmigrate/migrate/report"
)

func passiveNames(d *dialect.Dialect) []string { return slices.Sorted(maps.Keys(d.PassiveGlobals())) }

// directories reports which data directories exist, which tells how far a swap came.
func (p *op) directories(ctx context.Context, n notes) (received, kept bool, err error) {
	out, err := p.runOnTarget(ctx, "cd "+remote.Quote(n.beside())+`
if [ -e `+remote.Quote(n.Received)+` ]; then echo received; fi
if [ -e old ]; then echo kept; fi`, "")
	if err != nil {
		return false, false, fmt.Errorf("look for the data directories: %w", err)
	}
	return strings.Contains(out, "received"), strings.Contains(out, "kept"), nil
}

// complete starts the target's server with the files that were received.
func (p *op) complete(ctx context.Context, n notes) error {
	t := p.pair.Target
	received, kept, err := p.directories(ctx, n)
	if err != nil {
		return err
	}
	if received && !kept {
		if err := p.ensureRunning(ctx, n); err != nil { // settings can be persisted only while it runs
			return err
		}
		dialect, err := t.Dialect(ctx)
		if err != nil {
			return err
		}
		if err := p.passiveSettings().Write(ctx, dialect.PassiveGlobals()); err != nil {
			return err
		}
	}
	if received {
		report.Note(ctx, "%s is stopped, and started again with the files of %s", t.Name(), p.pair.Source.Name())
		_ = t.Close() // its connections are about to break
		if err := p.options.Service.Stop(ctx, n.Unit); err != nil {
			return err
		}
		if err := p.swap(ctx, n); err != nil {
			return err
		}
	}
	if err := p.ensureRunning(ctx, n); err != nil {
		return report.WithHint(err, "look at the server's error log on its host; migrate rollback --all gives it its old data back")
	}
	if err := p.prepareServer(ctx, &n); err != nil {
		return err
	}
	if err := p.requirePrepared(ctx, n); err != nil {
		if errors.Is(err, binlog.ErrPrepared) {
			return p.giveBack(ctx, n, err)
		}
		return err
	}
	n.Phase = phaseSeeded
	return p.writeNotes(ctx, n)
}

// ensureRunning starts the target's server if it does not answer.
func (p *op) ensureRunning(ctx context.Context, n notes) error {
	_ = p.pair.Target.Close() // its connections are from before
	if _, err := p.pair.Target.Dialect(ctx); err == nil || ctx.Err() != nil {
		return err
	}
	if err := p.options.Service.Start(ctx, n.Unit); err != nil {
		return err
	}
	return replication.WaitForAnswer(ctx, p.pair.Target)
}

// swap puts the received directory in the place of the old one; the server is stopped.
// Between the two renames there is no data directory and the server cannot start. A
// directory that appears there meanwhile comes from an attempt to start the server, and is
// removed. What belongs to the server and not to its data stays: MySQL keeps its identity,
// persisted variables and certificates in its data directory.
func (p *op) swap(ctx context.Context, n notes) error {
	_, err := p.runOnTarget(ctx, `dir=`+remote.Quote(n.Dir)+`; beside=`+remote.Quote(n.beside())+`; new=`+remote.Quote(n.Received)+`
if [ ! -e "$beside/old" ]; then
	for f in "$dir/auto.cnf" "$dir/mysqld-auto.cnf" "$dir"/*.pem "$dir/debian-"*.flag; do
		if [ -e "$f" ]; then cp -p "$f" "$beside/$new/"; sync "$beside/$new/${f##*/}"; fi
	done
	if command -v restorecon >/dev/null 2>&1; then restorecon -R "$beside/$new" || :; fi
	sync "$beside/$new"
	mv -T "$dir" "$beside/old"
fi
sync "$beside" "$(dirname "$dir")"
if [ -e "$beside/$new" ]; then
	rm -rf "$dir"
	mv -T "$beside/$new" "$dir"
fi
sync "$beside" "$(dirname "$dir")"
if command -v restorecon >/dev/null 2>&1; then restorecon -R "$dir" || :; fi`, "")
	return report.Wrap("swap the data directories", err)
}

// prepareServer makes a server that runs on the source's files ready to replicate from the
// source: fenced, at the files' position, and with the marker of a finished seed.
func (p *op) prepareServer(ctx context.Context, n *notes) error {
	t := p.pair.Target
	if n.Flavor.FilesMethod() == dialect.ClonePlugin {
		if err := p.recordClonePosition(ctx, n); err != nil {
			return err
		}
	}
	set, err := replication.ParseGTIDSet(n.Flavor, n.GTIDs)
	if err != nil {
		return err
	}
	if err := schema.DisableEvents(ctx, t); err != nil {
		return err
	}
	if err := account.AsAdmin(ctx, t, []string{dialect.Unlogged}, p.dropSourceState); err != nil {
		return t.Wrap("take away what is the source's own", err)
	}
	if n.Flavor.FilesMethod() == dialect.ClonePlugin {
		if err := p.cleanUpClone(ctx, *n, n.SourceHadPlugin); err != nil {
			return err
		}
	}
	m := replication.Marker{Origin: n.Origin, GTIDs: set.String(), Finished: true}
	if m.Effects, err = p.listReceived(ctx); err != nil {
		return err
	}
	err = account.AsAdmin(ctx, t, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
		if err := seed.SetPosition(ctx, t, set); err != nil {
			return err
		}
		return replication.WriteMarker(ctx, session, m)
	})
	if err != nil {
		return err
	}
	report.Note(ctx, "the files hold %s of %s", set, p.pair.Source.Name())
	return p.restoreGlobals(ctx, *n)
}

// recordClonePosition notes the position of the clone, if what the server has executed
// agrees with what the clone reports. It does so before the position is first changed.
func (p *op) recordClonePosition(ctx context.Context, n *notes) error {
	if n.GTIDs != "" {
		return nil
	}
	t := p.pair.Target
	if err := install(ctx, t); err != nil {
		return err
	}
	db, dialect, err := t.Open(ctx)
	if err != nil {
		return err
	}
	said, err := query.Text(ctx, db, "SELECT GTID_EXECUTED FROM performance_schema.clone_status")
	if err != nil {
		return t.Wrap("read the clone's position", err)
	}
	set, err := replication.ParseGTIDSet(n.Flavor, said)
	if err != nil {
		return err
	}
	have, err := replication.ExecutedGTIDs(ctx, db, dialect)
	if err != nil {
		return err
	}
	if !have.Contains(set) || !set.Contains(have) {
		return report.WithHint(fmt.Errorf("the clone on %s says that it holds %s, and the server has %s", t.Name(), set, have),
			"migrate rollback --all gives the server its old data back; set seed: copy then")
	}
	n.GTIDs = set.String()
	return p.writeNotes(ctx, *n)
}

// dropSourceState removes what the files hold of the source itself: migrate's accounts
// there, and links that the source follows.
func (p *op) dropSourceState(ctx context.Context, session *replication.Session) error {
	dialect, err := p.pair.Target.Dialect(ctx)
	if err != nil {
		return err
	}
	status, err := dialect.ReplicaStatus(ctx, session)
	if err != nil {
		return err
	}
	if status.Configured {
		if _, err := session.ExecContext(ctx, dialect.ResetReplica()); err != nil {
			return fmt.Errorf("forget the source's link: %w", err)
		}
	}
	accounts, err := replication.ReadOwnAccounts(ctx, session)
	if err != nil {
		return err
	}
	for _, a := range accounts.All() {
		if _, err := session.ExecContext(ctx, "DROP USER IF EXISTS "+a.String()); err != nil {
			return err
		}
	}
	return nil
}

// listReceived lists what the files have brought.
func (p *op) listReceived(ctx context.Context) (replication.Effects, error) {
	var m replication.Effects
	db, err := p.pair.Target.DB(ctx)
	if err != nil {
		return m, err
	}
	if m.Schemas, err = (&seed.Op{Pair: p.pair}).Schemas(ctx, db); err != nil {
		return m, err
	}
	if m.Target, err = replication.Identity(ctx, p.pair.Target); err != nil {
		return m, err
	}
	accounts, err := account.Read(ctx, p.pair.Target)
	for _, a := range accounts {
		m.Accounts = append(m.Accounts, replication.Account{User: a.User, Host: a.Host, Role: a.Role})
	}
	return m, err
}

// restoreGlobals restores the target's persisted and running settings, the fence last.
func (p *op) restoreGlobals(ctx context.Context, n notes) error {
	db, dialect, err := p.pair.Target.Open(ctx)
	if err != nil {
		return err
	}
	if err := p.passiveSettings().Restore(ctx, n.Persisted, passiveNames(dialect)...); err != nil {
		return err
	}
	for _, name := range append([]string{"event_scheduler"}, dialect.FenceVariables()...) {
		if strings.EqualFold(n.Globals[name], "DISABLED") {
			continue // it can only be set at a start, which does so
		}
		if err := query.SetGlobal(ctx, db, name, n.Globals[name]); err != nil {
			return p.pair.Target.Wrap("restore the globals", err)
		}
	}
	return nil
}

// cleanUpClone removes what a clone needs. had says whether the data that the target runs
// on now had the plugin before.
func (p *op) cleanUpClone(ctx context.Context, n notes, had bool) error {
	if err := p.endClones(ctx); err != nil {
		return err
	}
	if err := uninstall(ctx, p.pair.Target, had); err != nil {
		return err
	}
	if err := p.cloneAccount().Drop(ctx); err != nil {
		return err
	}
	return uninstall(ctx, p.pair.Source, n.SourceHadPlugin)
}

// discard removes all traces of a seed while the target's server runs on its own data.
func (p *op) discard(ctx context.Context, n notes) error {
	if n.Flavor.FilesMethod() == dialect.ClonePlugin {
		if err := p.ensureRunning(ctx, n); err != nil {
			return err
		}
		if err := p.cleanUpClone(ctx, n, n.TargetHadPlugin); err != nil {
			return err
		}
	}
	if err := (&seed.Op{Pair: p.pair}).Writable(ctx, p.dropControl); err != nil {
		report.Note(ctx, "the schema %s may be left on %s: %v", replication.OwnSchema, p.pair.Target.Name(), err)
	}
	// The second rm removes what a process of an earlier attempt may still have written.
	_, err := p.runOnTarget(ctx, "beside="+remote.Quote(n.beside())+"\nrm -rf \"$beside\" || rm -rf \"$beside\"", "")
	if err != nil {
		return fmt.Errorf("remove what was received: %w", err)
	}
	return p.removeNotes(ctx)
}

// restoreData puts the target's server back on its old data.
func (p *op) restoreData(ctx context.Context, n notes) error {
	t := p.pair.Target
	if err := p.beginReturn(ctx, &n); err != nil {
		return err
	}
	_ = t.Close() // its connections are about to break
	if err := p.options.Service.Stop(ctx, n.Unit); err != nil {
		return err
	}
	_, err := p.runOnTarget(ctx, `dir=`+remote.Quote(n.Dir)+`; beside=`+remote.Quote(n.beside())+`
if [ -e "$beside/old" ]; then
	rm -rf "$beside/gone"
	if [ -e "$dir" ]; then mv -T "$dir" "$beside/gone"; fi
	mv -T "$beside/old" "$dir"
	sync "$beside" "$(dirname "$dir")"
fi`, "")
	if err != nil {
		return fmt.Errorf("give %s its old data back: %w", t.Name(), err)
	}
	if err := p.ensureRunning(ctx, n); err != nil {
		return err
	}
	if err := p.restoreGlobals(ctx, n); err != nil {
		return err
	}
	return p.discard(ctx, n)
}

// beginReturn notes that the old data is coming back, after it has made sure that nothing
// prevents that.
func (p *op) beginReturn(ctx context.Context, n *notes) error {
	if n.Phase == phaseReturning {
		return nil
	}
	t := p.pair.Target
	received, kept, err := p.directories(ctx, *n)
	if err != nil {
		return err
	}
	if !received && !kept {
		return report.WithHint(fmt.Errorf("the data that %s had before the seed is gone from %s", t.Name(), n.beside()),
			"make the target anew, or drop the schemas on it by hand and remove %s", p.notesFile())
	}
	if db, dialect, err := t.Open(ctx); err == nil {
		status, err := dialect.ReplicaStatus(ctx, db)
		if err != nil {
			return t.Wrap("undo the seed", err)
		}
		if status.Configured {
			return report.WithHint(fmt.Errorf("%s still has a link from %s", t.Name(), status.Origin), "remove the link before the seed")
		}
	} else if ctx.Err() != nil {
		return err
	}
	n.Phase = phaseReturning
	return p.writeNotes(ctx, *n)
}
