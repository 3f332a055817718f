package physical

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

const (
	clonePlugin  = "clone"
	cloneLibrary = "mysql_clone.so"
	// shortDonorTimeout shortens the time, 5 minutes by default, for which a source waits
	// for a clone whose network failed. The plugin cannot be uninstalled meanwhile.
	shortDonorTimeout = "SET GLOBAL clone_donor_timeout_after_network_failure = 1"
	// cloneEndTimeout bounds the wait for a killed clone to end.
	cloneEndTimeout = 3 * time.Minute
)

// hasPlugin reports whether the plugin clone is active on the server.
func hasPlugin(ctx context.Context, s *replication.Server) (bool, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return false, err
	}
	found, err := query.Strings(ctx, db, "SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_NAME = ? AND PLUGIN_STATUS = 'ACTIVE'", clonePlugin)
	return len(found) > 0, report.Wrap("look for the plugin clone", err)
}

// cloneObstacles checks that a server has the plugin clone or can load it, and that the
// source offers TLS.
func (p *op) cloneObstacles(ctx context.Context, s *replication.Server) ([]obstacle, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return nil, err
	}
	var found []obstacle
	there, err := hasPlugin(ctx, s)
	if err != nil {
		return nil, err
	}
	if v, err := query.Variables(ctx, db, "plugin_dir"); err != nil {
		return nil, s.Wrap("read plugin_dir", err)
	} else if !there && s.Host() != nil {
		library := strings.TrimSuffix(v["plugin_dir"], "/") + "/" + cloneLibrary
		has, err := hostFacts(ctx, s.Host(), "if [ -e "+remote.Quote(library)+" ]; then echo clone=yes; fi\n")
		if err != nil {
			return nil, err
		}
		if has["clone"] == "" {
			found = append(found, obstacle{s.Name() + " has no plugin clone", "install the package that holds " + library})
		}
	}
	if s != p.pair.Source {
		return found, nil
	}
	tls, err := query.Text(ctx, db, "SELECT IFNULL(MAX(VALUE), 'No') FROM performance_schema.tls_channel_status WHERE CHANNEL = 'mysql_main' AND PROPERTY = 'Enabled'")
	if err != nil {
		return nil, s.Wrap("look for TLS", err)
	}
	if tls != "Yes" {
		found = append(found, obstacle{s.Name() + " has no TLS, and the files are not sent without", "let the server make its certificates (auto_generate_certs)"})
	}
	return found, nil
}

// install loads the plugin on the server.
func install(ctx context.Context, s *replication.Server) error {
	there, err := hasPlugin(ctx, s)
	if err != nil || there {
		return err
	}
	err = account.AsAdmin(ctx, s, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
		if _, err := session.ExecContext(ctx, "INSTALL PLUGIN "+clonePlugin+" SONAME '"+cloneLibrary+"'"); err != nil {
			return err
		}
		if _, err := session.ExecContext(ctx, shortDonorTimeout); err != nil && query.ErrorNumber(err) != 1193 { // versions that do not know the variable
			return err
		}
		return nil
	})
	if err != nil {
		return s.Wrap("install the plugin clone", err)
	}
	report.Note(ctx, "the plugin clone is installed on %s, and uninstalled after", s.Name())
	return nil
}

// uninstall removes the plugin from a server that did not have it before. It waits for a
// clone that is about to end.
func uninstall(ctx context.Context, s *replication.Server, had bool) error {
	if had {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, cloneEndTimeout)
	defer cancel()
	for {
		there, err := hasPlugin(ctx, s)
		if err != nil || !there {
			return err
		}
		err = account.AsAdmin(ctx, s, []string{dialect.Unlogged}, func(ctx context.Context, session *replication.Session) error {
			_, err := session.ExecContext(ctx, "UNINSTALL PLUGIN "+clonePlugin)
			return err
		})
		if err == nil {
			continue // the plugin disappears only when nothing uses it any more
		}
		if wait.For(waiting, 500*time.Millisecond) != nil {
			return s.Wrap("uninstall the plugin clone", err)
		}
	}
}

// cloneAccount is the login with which the target fetches the source's files.
func (p *op) cloneAccount() account.Login {
	return account.Login{Server: p.pair.Source, Name: replication.CloneUser, Grant: "BACKUP_ADMIN ON *.*"}
}

// clone makes the target's server fetch the source's files into a directory of their own.
// A clone in place would drop the server's data first, and end with error 3707 if nothing
// restarts the server. Here the server keeps its own data until the files are complete.
func (p *op) clone(ctx context.Context, n notes, f *transfer) (err error) {
	for _, s := range []*replication.Server{p.pair.Source, p.pair.Target} {
		if err := install(ctx, s); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil { // end what this attempt has begun on the servers, as far as possible
			after, cancel := context.WithTimeout(context.WithoutCancel(ctx), replication.RestoreTimeout)
			defer cancel()
			_ = p.endClones(after)
			_ = p.cloneAccount().Drop(after)
		}
	}()
	origin, err := p.pair.Source.Endpoint(ctx)
	if err != nil {
		return err
	}
	session, err := p.pair.Target.Session(ctx, dialect.Quiet, "SET GLOBAL clone_valid_donor_list = "+query.Literal(origin.String()))
	if err != nil {
		return err
	}
	defer session.Close()
	rate := cloneRate(f.throttle)
	if err := p.setCloneRate(ctx, rate); err != nil {
		return err
	}
	following, stop := context.WithCancel(ctx)
	var follower errgroup.Group
	follower.Go(func() error { p.followClone(following, f, rate); return nil })
	defer func() { stop(); _ = follower.Wait() }() // it returns no error
	for i, host := range account.ClientHosts(ctx, p.pair.Target) {
		if i > 0 {
			report.Note(ctx, "%s is not let in by its address: the user %s may log in from any host", p.pair.Target.Name(), p.cloneAccount().Name)
		}
		password := account.NewPassword()
		if err = p.cloneAccount().Create(ctx, host, password); err != nil {
			return err
		}
		_, err = session.ExecContext(ctx, fmt.Sprintf("CLONE INSTANCE FROM %s@%s:%d IDENTIFIED BY %s DATA DIRECTORY %s REQUIRE SSL",
			query.Literal(p.cloneAccount().Name), query.Literal(origin.Host), origin.Port, query.Literal(password.Open()), query.Literal(n.beside()+"/"+n.Received)))
		if err == nil {
			break
		}
		err = p.pair.Target.Wrap("clone "+p.pair.Source.Name(), account.Conceal(err, password))
		if !strings.Contains(err.Error(), "1045") { // only the text of error 3862 holds the donor's error
			return err
		}
	}
	if err != nil {
		return err
	}
	return p.cloneAccount().Drop(ctx)
}

// clonedBytes is how many bytes the target's clone has received.
func (p *op) clonedBytes(ctx context.Context) (int64, error) {
	db, err := p.pair.Target.DB(ctx)
	if err != nil {
		return 0, err
	}
	text, err := query.Text(ctx, db, "SELECT CAST(IFNULL(SUM(DATA), 0) AS UNSIGNED) FROM performance_schema.clone_progress")
	if err != nil {
		return 0, p.pair.Target.Wrap("look how far the clone is", err)
	}
	return strconv.ParseInt(text, 10, 64)
}

// endClones kills the clones of the target's server: they survive the death of their
// client.
func (p *op) endClones(ctx context.Context) error {
	db, err := p.pair.Target.DB(ctx)
	if err != nil {
		return err
	}
	if there, err := hasPlugin(ctx, p.pair.Target); err != nil || !there {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, cloneEndTimeout)
	defer cancel()
	for {
		ids, err := query.Strings(ctx, db, "SELECT PID FROM performance_schema.clone_status WHERE STATE = 'In Progress' AND PID > 0")
		if err != nil {
			return p.pair.Target.Wrap("look for clones", err)
		}
		if len(ids) == 0 {
			return nil
		}
		for _, id := range ids {
			if _, err := db.ExecContext(ctx, "KILL "+id); err != nil && query.ErrorNumber(err) != 1094 { // no such thread
				return p.pair.Target.Wrap("end a clone", err)
			}
		}
		if err := wait.For(waiting, 200*time.Millisecond); err != nil {
			return fmt.Errorf("end a clone on %s: %w", p.pair.Target.Name(), err)
		}
	}
}
