package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
)

// readPrivileges are what reading and watching need, on both sides.
var readPrivileges = []string{"SELECT", "SHOW VIEW", "EVENT", "TRIGGER", "PROCESS", "RELOAD", "LOCK TABLES"}

// ownPrivileges are what migrate's accounts, links and heartbeat need, on both sides.
var ownPrivileges = []string{"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "CREATE USER", "REPLICATION SLAVE"}

// copyPrivileges are what the copy needs in addition, on the target only.
var copyPrivileges = []string{"ALTER", "INDEX", "REFERENCES", "CREATE VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "EXECUTE"}

// neededPrivileges are all that migrate's login needs on a side.
func neededPrivileges(d *dialect.Dialect, side replication.Side) []string {
	needed := slices.Concat(readPrivileges, ownPrivileges, d.AdminPrivileges())
	if side == replication.Target {
		needed = append(needed, copyPrivileges...)
	}
	return needed
}

// checkLogin checks the privileges of migrate's login (H30). If some are missing, complete
// is false, and nothing else can be checked.
func (i *inspection) checkLogin(ctx context.Context, s *replication.Server) (complete bool, err error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return false, err
	}
	grants, err := query.Strings(ctx, db, "SHOW GRANTS")
	if err != nil {
		return false, s.Wrap("read the login's privileges", err)
	}
	who, err := query.Text(ctx, db, "SELECT CURRENT_USER()")
	if err != nil {
		return false, s.Wrap("read the current user", err)
	}
	held, grantable := globalPrivileges(grants)
	missing := slices.DeleteFunc(neededPrivileges(dialect, s.Side()), func(p string) bool { return held[p] || held[allPrivileges] })
	if len(missing) == 0 && (grantable["REPLICATION SLAVE"] || grantable[allPrivileges]) {
		return true, nil
	}
	found := "migrate's login " + grantee(who) + " may not pass on what it holds, which its links' and the application's accounts need"
	if len(missing) > 0 {
		found = fmt.Sprintf("migrate's login %s lacks %s", grantee(who), strings.Join(missing, ", "))
	}
	i.findings = append(i.findings, Finding{"H30", Refuse, s.Name(), found, grantFor(dialect, s.Side(), who) + "; or log in as root"})
	return false, nil
}

// grantFor is the statement that gives a login its privileges: on the source what it
// needs; on the target all, because the login grants the application's accounts theirs.
func grantFor(d *dialect.Dialect, side replication.Side, who string) string {
	list := allPrivileges
	if side == replication.Source {
		list = strings.Join(neededPrivileges(d, side), ", ")
	}
	return "GRANT " + list + " ON *.* TO " + grantee(who) + " WITH GRANT OPTION"
}

// grantee is the value of CURRENT_USER() as a GRANT takes it.
func grantee(current string) string {
	at := strings.LastIndex(current, "@")
	if at < 0 {
		return query.Literal(current)
	}
	return query.Literal(current[:at]) + "@" + query.Literal(current[at+1:])
}

const allPrivileges = "ALL PRIVILEGES"

// globalPrivileges are the privileges on *.* in SHOW GRANTS, and those of them that come
// with the grant option.
func globalPrivileges(grants []string) (held, grantable map[string]bool) {
	held, grantable = map[string]bool{}, map[string]bool{}
	for _, grant := range grants {
		list, rest, global := strings.Cut(grant, " ON *.* TO ")
		if !global {
			continue
		}
		for _, name := range strings.Split(strings.TrimPrefix(list, "GRANT "), ",") {
			name = strings.ReplaceAll(strings.TrimSpace(name), "REPLICA ", "SLAVE ") // an older and a newer name
			held[name] = true
			if strings.HasSuffix(rest, " WITH GRANT OPTION") {
				grantable[name] = true
			}
		}
	}
	return held, grantable
}
