package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// ownUserPrefix begins the names of the accounts that migrate makes for its links.
const ownUserPrefix = "migrate_"

// systemUsers belong to the server's installation; root only where it is local.
var systemUsers = []string{
	"mysql", "mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema", "debian-sys-maint", "PUBLIC",
}

// appUser is a user or role of the application. Its statements hold password
// hashes and live in memory only.
type appUser struct {
	User, Host string
	Role       bool // a MariaDB role: it has no host and its own CREATE statement
	create     secret.Value
	grants     []secret.Value
}

// name is the account as SQL writes it.
func (a appUser) name() string {
	if a.Role {
		return Quote(a.User)
	}
	return Quote(a.User) + "@" + Quote(a.Host)
}

// drop is the statement that removes the account.
func (a appUser) drop() string {
	if a.Role {
		return "DROP ROLE IF EXISTS " + a.name()
	}
	return "DROP USER IF EXISTS " + a.name()
}

// differences says in words in what the accounts differ; no hash is in it.
func (a appUser) differences(b appUser) []string {
	var what []string
	if a.create != b.create {
		what = append(what, "another password, plugin or limits")
	}
	if !slices.Equal(a.grants, b.grants) {
		what = append(what, "other grants")
	}
	return what
}

// same reports whether both accounts can do the same with the same password.
func (a appUser) same(b appUser) bool {
	return len(a.differences(b)) == 0
}

func isSystemAccount(user, host string) bool {
	if user == "root" {
		return slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, host)
	}
	return slices.Contains(systemUsers, user) || strings.HasPrefix(user, ownUserPrefix)
}

// quietSession is a session whose statements reach no general log: they hold hashes.
func quietSession(ctx context.Context, s *Server, settings ...string) (*Session, error) {
	quiet, err := quietSettings(ctx, s)
	if err != nil {
		return nil, err
	}
	return s.Session(ctx, append(quiet, settings...)...)
}

func quietSettings(ctx context.Context, s *Server) ([]string, error) {
	d, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	settings := d.ReadableHashes()
	if !s.cfg.OnlyReads { // whose statements hold none, and who may not
		settings = append([]string{Quiet}, settings...)
	}
	return settings, nil
}

// readAccounts reads the application's users and roles with their grants, roles first.
func readAccounts(ctx context.Context, s *Server) ([]appUser, error) {
	session, err := quietSession(ctx, s)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	records, err := queryRecords(ctx, session, dialect.ListAccounts())
	if err != nil {
		return nil, s.wrap("list users", err)
	}
	hostname, err := queryText(ctx, session, "SELECT @@GLOBAL.hostname")
	if err != nil {
		return nil, s.wrap("read the host's name", err)
	}
	var accounts []appUser
	for _, r := range records {
		ownRoot := r["user"] == "root" && strings.EqualFold(r["host"], hostname) // mariadb-install-db makes it
		if !ownRoot && !isSystemAccount(r["user"], r["host"]) {
			accounts = append(accounts, appUser{User: r["user"], Host: r["host"], Role: r["is_role"] == "Y"})
		}
	}
	return accounts, describeAccounts(ctx, s, accounts)
}

// describeAccounts reads the accounts' statements.
func describeAccounts(ctx context.Context, s *Server, accounts []appUser) error {
	settings, err := quietSettings(ctx, s)
	if err != nil {
		return err
	}
	w, err := openAsker(ctx, s, settings...)
	if err != nil {
		return err
	}
	defer w.close()
	var queries []string
	for _, a := range accounts {
		create := "SHOW CREATE USER " + a.name()
		if a.Role {
			create = "SELECT " + literal("CREATE ROLE "+a.name()) // the server shows none
		}
		queries = append(queries, create, "SHOW GRANTS FOR "+a.name())
	}
	return w.ask(ctx, queries, func(i int, rows []record, err error) error {
		a := &accounts[i/2]
		if err != nil {
			return s.wrap("read account "+a.name(), err)
		}
		var texts []string
		for _, r := range rows {
			for _, text := range r { // of its only column
				texts = append(texts, text)
			}
		}
		if i%2 == 0 {
			a.create = secret.New(strings.Join(texts, ""))
			return nil
		}
		slices.Sort(texts)
		for _, grant := range texts {
			a.grants = append(a.grants, secret.New(grant))
		}
		return nil
	})
}

// missingAccounts is which of the source's accounts the target lacks. An
// account that is on both sides and differs is an error: it is not ours to change.
func missingAccounts(source, target []appUser) ([]appUser, error) {
	there := map[[2]string]appUser{}
	for _, b := range target {
		there[[2]string{b.User, b.Host}] = b
	}
	var missing []appUser
	var wrong []error
	for _, a := range source {
		b, ok := there[[2]string{a.User, a.Host}]
		switch {
		case !ok:
			missing = append(missing, a)
		case !a.same(b):
			wrong = append(wrong, fmt.Errorf("account %s is on the target already, with another password or other grants", a.name()))
		}
	}
	return missing, report.WithHint(errors.Join(wrong...), "drop the account on the target, or make it equal to the source's")
}

// createAccounts makes accounts without their grants. One may name another as
// its default role, so what fails is tried again as long as others succeed.
func createAccounts(ctx context.Context, session *Session, accounts []appUser) error {
	for len(accounts) > 0 {
		var left []appUser
		var failed []error
		for _, a := range accounts {
			if _, err := session.ExecContext(ctx, a.create.Open()); err != nil {
				left, failed = append(left, a), append(failed, fmt.Errorf("create account %s: %w", a.name(), redact(err)))
			}
		}
		if len(left) == len(accounts) {
			return report.WithHint(errors.Join(failed...), "the target may lack the account's authentication plugin (H26)")
		}
		accounts = left
	}
	return nil
}

// grantAccounts gives accounts what they hold on the source; the objects that
// they are granted on are there by now.
func grantAccounts(ctx context.Context, session *Session, accounts []appUser) error {
	for _, a := range accounts {
		for _, grant := range a.grants {
			if _, err := session.ExecContext(ctx, grant.Open()); err != nil {
				return fmt.Errorf("grant to account %s: %w", a.name(), redact(err))
			}
		}
	}
	return nil
}

// redact keeps the code of a server's error about a statement with a hash: its
// text may quote the statement.
func redact(err error) error {
	if number := errorNumber(err); number == 1064 {
		return fmt.Errorf("error %d: the server cannot parse the account's statement", number)
	}
	return err
}
