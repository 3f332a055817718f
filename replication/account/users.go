package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// User is a user or role of the application. Its statements hold password
// hashes and live in memory only.
type User struct {
	User, Host string
	Role       bool // a MariaDB role: it has no host and its own CREATE statement
	Create     secret.Value
	Grants     []secret.Value
}

// Name is the account as SQL writes it.
func (a User) Name() string {
	if a.Role {
		return query.Quote(a.User)
	}
	return query.Quote(a.User) + "@" + query.Quote(a.Host)
}

// Drop is the statement that removes the account.
func (a User) Drop() string {
	if a.Role {
		return "DROP ROLE IF EXISTS " + a.Name()
	}
	return "DROP USER IF EXISTS " + a.Name()
}

// Differences says in words in what the accounts differ; no hash is in it.
func (a User) Differences(b User) []string {
	var what []string
	if a.Create != b.Create {
		what = append(what, "another password, plugin or limits")
	}
	if !slices.Equal(a.Grants, b.Grants) {
		what = append(what, "other grants")
	}
	return what
}

// same reports whether both accounts can do the same with the same password.
func (a User) same(b User) bool {
	return len(a.Differences(b)) == 0
}

// IsSystemAccount reports whether an account belongs to the server or to migrate, so that it is
// neither copied nor compared.
func IsSystemAccount(user, host string) bool {
	if user == "root" {
		return slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, host)
	}
	return slices.Contains(replication.SystemUsers, user) || strings.HasPrefix(user, replication.OwnUserPrefix)
}

// QuietSession is a session whose statements reach no general log: they hold hashes.
func QuietSession(ctx context.Context, s *replication.Server, settings ...string) (*replication.Session, error) {
	quiet, err := quietSettings(ctx, s)
	if err != nil {
		return nil, err
	}
	return s.Session(ctx, append(quiet, settings...)...)
}

func quietSettings(ctx context.Context, s *replication.Server) ([]string, error) {
	d, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	settings := d.ReadableHashes()
	if !s.OnlyReads() { // whose statements hold none, and who may not
		settings = append([]string{dialect.Quiet}, settings...)
	}
	return settings, nil
}

// Read reads the application's users and roles with their grants, roles first.
func Read(ctx context.Context, s *replication.Server) ([]User, error) {
	session, err := QuietSession(ctx, s)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	records, err := query.All(ctx, session, dialect.ListAccounts())
	if err != nil {
		return nil, s.Wrap("list users", err)
	}
	hostname, err := query.Text(ctx, session, "SELECT @@GLOBAL.hostname")
	if err != nil {
		return nil, s.Wrap("read the host's name", err)
	}
	var accounts []User
	for _, r := range records {
		ownRoot := r["user"] == "root" && strings.EqualFold(r["host"], hostname) // mariadb-install-db makes it
		if !ownRoot && !IsSystemAccount(r["user"], r["host"]) {
			accounts = append(accounts, User{User: r["user"], Host: r["host"], Role: r["is_role"] == "Y"})
		}
	}
	return accounts, readStatements(ctx, s, accounts)
}

// describeAccounts reads the accounts' statements.
func readStatements(ctx context.Context, s *replication.Server, accounts []User) error {
	settings, err := quietSettings(ctx, s)
	if err != nil {
		return err
	}
	w, err := wire.OpenForQuestions(ctx, s, settings...)
	if err != nil {
		return err
	}
	defer w.Close()
	var queries []string
	for _, a := range accounts {
		create := "SHOW CREATE USER " + a.Name()
		if a.Role {
			create = "SELECT " + query.Literal("CREATE ROLE "+a.Name()) // the server shows none
		}
		queries = append(queries, create, "SHOW GRANTS FOR "+a.Name())
	}
	return w.Ask(ctx, queries, func(i int, rows []query.Record, err error) error {
		a := &accounts[i/2]
		if err != nil {
			return s.Wrap("read account "+a.Name(), err)
		}
		var texts []string
		for _, r := range rows {
			for _, text := range r { // of its only column
				texts = append(texts, text)
			}
		}
		if i%2 == 0 {
			a.Create = secret.New(strings.Join(texts, ""))
			return nil
		}
		slices.Sort(texts)
		for _, grant := range texts {
			a.Grants = append(a.Grants, secret.New(grant))
		}
		return nil
	})
}

// Missing is which of the source's accounts the target lacks. An
// account that is on both sides and differs is an error: it is not ours to change.
func Missing(source, target []User) ([]User, error) {
	there := map[[2]string]User{}
	for _, b := range target {
		there[[2]string{b.User, b.Host}] = b
	}
	var missing []User
	var wrong []error
	for _, a := range source {
		b, ok := there[[2]string{a.User, a.Host}]
		switch {
		case !ok:
			missing = append(missing, a)
		case !a.same(b):
			wrong = append(wrong, fmt.Errorf("account %s is on the target already, with another password or other grants", a.Name()))
		}
	}
	return missing, report.WithHint(errors.Join(wrong...), "drop the account on the target, or make it equal to the source's")
}

// Create makes accounts without their grants. One may name another as
// its default role, so what fails is tried again as long as others succeed.
func Create(ctx context.Context, session *replication.Session, accounts []User) error {
	for len(accounts) > 0 {
		var left []User
		var failed []error
		for _, a := range accounts {
			if _, err := session.ExecContext(ctx, a.Create.Open()); err != nil {
				left, failed = append(left, a), append(failed, fmt.Errorf("create account %s: %w", a.Name(), redactStatement(err)))
			}
		}
		if len(left) == len(accounts) {
			return report.WithHint(errors.Join(failed...), "the target may lack the account's authentication plugin (H26)")
		}
		accounts = left
	}
	return nil
}

// Grant gives accounts what they hold on the source; the objects that
// they are granted on are there by now.
func Grant(ctx context.Context, session *replication.Session, accounts []User) error {
	for _, a := range accounts {
		for _, grant := range a.Grants {
			if _, err := session.ExecContext(ctx, grant.Open()); err != nil {
				return fmt.Errorf("grant to account %s: %w", a.Name(), redactStatement(err))
			}
		}
	}
	return nil
}

// redact keeps the code of a server's error about a statement with a hash: its
// text may quote the statement.
func redactStatement(err error) error {
	if number := query.ErrorNumber(err); number == 1064 {
		return fmt.Errorf("error %d: the server cannot parse the account's statement", number)
	}
	return err
}
