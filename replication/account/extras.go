package account

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// Extra is something about logins that no account has: a grant to PUBLIC (MariaDB), or a
// server of CREATE SERVER, which is not in the binlog and holds a password.
type Extra struct {
	Title  string // "server other", "GRANT SELECT ON `shop`.* TO PUBLIC"
	Create secret.Value
	Drop   string
}

// ReadExtras reads a server's extras, without grants on what does not exist.
func ReadExtras(ctx context.Context, s *replication.Server) ([]Extra, error) {
	session, err := QuietSession(ctx, s)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	d, err := s.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	records, err := query.All(ctx, session, "SELECT * FROM mysql.servers ORDER BY Server_name")
	if err != nil {
		return nil, s.Wrap("list the servers of CREATE SERVER", err)
	}
	var out []Extra
	for _, r := range records {
		out = append(out, foreignServer(r))
	}
	if !d.HasPublic() {
		return out, nil
	}
	grants, err := query.Strings(ctx, session, "SHOW GRANTS FOR PUBLIC")
	if err != nil {
		return nil, s.Wrap("read the grants to PUBLIC", err)
	}
	void, err := voidObjects(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, grant := range grants {
		grant, _ = withoutVoid(grant, void)
		if privileges, rest, ok := cutOn(grant); ok {
			rest, mayGrant := strings.CutSuffix(rest, " WITH GRANT OPTION")
			if mayGrant {
				privileges += ", GRANT OPTION"
			}
			revoke := "REVOKE " + privileges + " ON " + strings.TrimSuffix(rest, " TO PUBLIC") + " FROM PUBLIC"
			out = append(out, Extra{Title: grant, Create: secret.New(grant), Drop: revoke})
		}
	}
	return out, nil
}

// foreignServer is a row of mysql.servers.
func foreignServer(r query.Record) Extra {
	var options []string
	for _, o := range []struct{ option, column string }{
		{"HOST", "Host"}, {"DATABASE", "Db"}, {"USER", "Username"}, {"PASSWORD", "Password"}, {"SOCKET", "Socket"}, {"OWNER", "Owner"},
	} {
		if r[o.column] != "" {
			options = append(options, o.option+" "+query.Literal(r[o.column]))
		}
	}
	if r["Port"] != "0" || len(options) == 0 {
		options = append(options, "PORT "+r["Port"])
	}
	name := query.Quote(r["Server_name"])
	return Extra{
		Title:  "server " + r["Server_name"],
		Create: secret.New("CREATE SERVER " + name + " FOREIGN DATA WRAPPER " + query.Quote(r["Wrapper"]) + " OPTIONS (" + strings.Join(options, ", ") + ")"),
		Drop:   "DROP SERVER IF EXISTS " + name,
	}
}

// CreateExtras makes extras, in a session that no log shows.
func CreateExtras(ctx context.Context, session *replication.Session, extras []Extra) error {
	for _, e := range extras {
		if _, err := session.ExecContext(ctx, e.Create.Open()); err != nil {
			return fmt.Errorf("make %s: %w", e.Title, redactStatement(err))
		}
	}
	return nil
}

// MissingExtras returns those of the source that the target lacks. One that is on both
// sides and differs is an error.
func MissingExtras(source, target []Extra) (missing []Extra, err error) {
	there := map[string]Extra{}
	for _, e := range target {
		there[e.Title] = e
	}
	for _, e := range source {
		other, ok := there[e.Title]
		switch {
		case !ok:
			missing = append(missing, e)
		case other.Create != e.Create:
			err = errors.Join(err, report.WithHint(fmt.Errorf("%s is on the target already, with other options", e.Title), "drop it on the target"))
		}
	}
	return missing, err
}
