package fence

import (
	"context"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// Holders lists the accounts that have one of the global privileges, themselves or by a
// role, as 'user'@'host'.
func Holders(ctx context.Context, q query.Queryer, privileges []string) ([]string, error) {
	marks := strings.Repeat(",?", len(privileges))[1:]
	args := make([]any, len(privileges))
	for i, privilege := range privileges {
		args[i] = privilege
	}
	found, err := query.Strings(ctx, q, `SELECT DISTINCT GRANTEE FROM information_schema.USER_PRIVILEGES
		WHERE PRIVILEGE_TYPE IN (`+marks+`) ORDER BY GRANTEE`, args...)
	if err != nil {
		return nil, err
	}
	members, err := query.All(ctx, q, "SELECT User AS user, Host AS host, Role AS role FROM mysql.roles_mapping WHERE Host <> ''")
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		grants, err := query.Strings(ctx, q, "SHOW GRANTS FOR "+query.Quote(m["role"]))
		if err != nil {
			return nil, err
		}
		grantee := "'" + m["user"] + "'@'" + m["host"] + "'"
		if grantsAny(grants, privileges) && !slices.Contains(found, grantee) {
			found = append(found, grantee)
		}
	}
	return found, nil
}

// grantsAny reports whether the lines of SHOW GRANTS grant one of the global privileges. For
// a role they include the grants of its own roles.
func grantsAny(grants, privileges []string) bool {
	for _, grant := range grants {
		list, _, global := strings.Cut(grant, " ON *.* ")
		if !global {
			continue
		}
		list = strings.TrimPrefix(list, "GRANT ")
		for _, privilege := range strings.Split(list, ", ") {
			if privilege == "ALL PRIVILEGES" || slices.Contains(privileges, privilege) {
				return true
			}
		}
	}
	return false
}

// UserOf returns the user of 'user'@'host'.
func UserOf(grantee string) string {
	return strings.Trim(grantee[:max(strings.LastIndex(grantee, "@"), 0)], "'")
}

// HostOf returns the host of 'user'@'host'.
func HostOf(grantee string) string {
	return strings.Trim(grantee[strings.LastIndex(grantee, "@")+1:], "'")
}
