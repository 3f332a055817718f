package account

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// User is a user or role of the application. Its statements hold password hashes and stay
// in memory.
type User struct {
	User, Host string
	Role       bool // a MariaDB role, which has no host and a CREATE statement of its own
	Create     secret.Value
	Grants     []secret.Value
	Void       []string // grants on what does not exist any more, in words; they are not among Grants
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

// Differences describes how two accounts of one name differ, without any hash.
func (a User) Differences(b User) []string {
	var differences []string
	if a.Create != b.Create {
		differences = append(differences, "another password, plugin or limits")
	}
	if !slices.Equal(a.Grants, b.Grants) {
		differences = append(differences, "other grants")
	}
	return differences
}

// same reports whether both accounts have the same password and grants.
func (a User) same(b User) bool {
	return len(a.Differences(b)) == 0
}

// IsSystemAccount reports whether an account belongs to the server's installation. Such an
// account is neither copied nor compared, nor are migrate's own (replication.OwnAccounts).
func IsSystemAccount(user, host string) bool {
	if user == "root" {
		return slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, host)
	}
	return slices.Contains(replication.SystemUsers, user)
}

// QuietSession opens a session for statements that hold hashes: they reach no general log.
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
	if !s.OnlyReads() { // such a login may not set it, and its statements hold no hash
		settings = append([]string{dialect.Quiet}, settings...)
	}
	return settings, nil
}

// Read reads the application's users and roles with their grants, roles first. Grants on
// what does not exist are left out.
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
	own, err := replication.ReadOwnAccounts(ctx, session)
	if err != nil {
		return nil, s.Wrap("list users", err)
	}
	hostname, err := query.Text(ctx, session, "SELECT @@GLOBAL.hostname")
	if err != nil {
		return nil, s.Wrap("read the host's name", err)
	}
	var accounts []User
	for _, r := range records {
		installedRoot := r["user"] == "root" && strings.EqualFold(r["host"], hostname) // by mariadb-install-db
		if !installedRoot && !IsSystemAccount(r["user"], r["host"]) && !own.Has(r["user"], r["host"]) {
			accounts = append(accounts, User{User: r["user"], Host: r["host"], Role: r["is_role"] == "Y"})
		}
	}
	if err := readStatements(ctx, s, accounts); err != nil {
		return nil, err
	}
	return accounts, leaveOutVoidGrants(ctx, s, accounts)
}

// readStatements reads the accounts' CREATE and GRANT statements.
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
			create = "SELECT " + query.Literal("CREATE ROLE "+a.Name()) // the server has no SHOW CREATE for a role
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
			for _, text := range r { // one column
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

// Missing returns the source's accounts that the target lacks. An account that is on both
// sides and differs is an error: migrate does not change it.
func Missing(source, target []User) ([]User, error) {
	onTarget := map[[2]string]User{}
	for _, b := range target {
		onTarget[[2]string{b.User, b.Host}] = b
	}
	var missing []User
	var wrong []error
	for _, a := range source {
		b, ok := onTarget[[2]string{a.User, a.Host}]
		switch {
		case !ok:
			missing = append(missing, a)
		case !a.same(b):
			wrong = append(wrong, fmt.Errorf("account %s is on the target already, with another password or other grants", a.Name()))
		}
	}
	return missing, report.WithHint(errors.Join(wrong...), "drop the account on the target, or make it equal to the source's")
}

// Create creates accounts without their grants. An account may name another as its default
// role, so accounts that fail are tried again as long as others succeed.
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

// Grant gives accounts the privileges that they have on the source. The objects of the
// privileges must exist.
func Grant(ctx context.Context, session *replication.Session, accounts []User) error {
	for _, a := range accounts {
		for _, grant := range a.Grants {
			if _, err := session.ExecContext(ctx, grant.Open()); err != nil {
				return fmt.Errorf("grant to account %s: %w", a.Name(), redactStatement(err))
			}
		}
		if a.isExpired() { // MariaDB's GRANT with a password sets that password anew
			if _, err := session.ExecContext(ctx, "ALTER USER "+a.Name()+" PASSWORD EXPIRE"); err != nil {
				return fmt.Errorf("expire the password of account %s: %w", a.Name(), err)
			}
		}
	}
	return nil
}

var passwordExpire = regexp.MustCompile(` PASSWORD EXPIRE( INTERVAL| NEVER| DEFAULT)?`)

// isExpired reports whether the account's password was expired by hand.
func (a User) isExpired() bool {
	for _, m := range passwordExpire.FindAllStringSubmatch(a.Create.Open(), -1) {
		if m[1] == "" {
			return true
		}
	}
	return false
}

// redactStatement removes the text of a server's syntax error about a statement with a
// hash, because the text may quote the statement.
func redactStatement(err error) error {
	if number := query.ErrorNumber(err); number == 1064 {
		return fmt.Errorf("error %d: the server cannot parse the account's statement", number)
	}
	return err
}
