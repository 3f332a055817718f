package fence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// Bypass is one way past a server's fence (H14).
type Bypass struct {
	Kind BypassKind
	name string // of the account, routine or session
	fix  string
	// named: the operator names its account as an administrator.
	named bool
}

// bypassKind is a sentence about the bypasses of one kind.
type BypassKind string

const (
	// AccountBypass is the kind of bypass that only a change of privileges closes.
	AccountBypass BypassKind = "these accounts write through read_only"
	routineBypass BypassKind = "these routines write through read_only, whoever calls them, with the privileges of their definer"
	sessionBypass BypassKind = "these sessions, which are not migrate's, write through read_only"
)

// BypassKinds are in the order in which they are told.
var BypassKinds = []BypassKind{AccountBypass, routineBypass, sessionBypass}

// Bypasses finds every way past the server's fence: accounts that hold a
// privilege that passes it, routines that lend their definer's, and sessions of
// clients under accounts that may hold it: root, and the login of migrate.
// Admins are accounts that the operator answers for. Nothing passes MySQL's fence.
func Bypasses(ctx context.Context, s *replication.Server, admins []string) ([]Bypass, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	privileges := dialect.FenceBypass()
	if len(privileges) == 0 {
		return nil, nil
	}
	own, err := query.Text(ctx, db, "SELECT CURRENT_USER()")
	if err != nil {
		return nil, s.Wrap("read the current user", err)
	}
	own, _, _ = strings.Cut(own, "@")
	all, err := Holders(ctx, db, privileges)
	if err != nil {
		return nil, s.Wrap("look for privileged users", err)
	}
	var out []Bypass
	for _, grantee := range all {
		name := AccountName(grantee)
		if name == "root" || name == own || strings.HasPrefix(name, replication.OwnUserPrefix) || slices.Contains(replication.SystemUsers, name) {
			continue
		}
		// A session keeps what its account held when it logged in.
		out = append(out, Bypass{AccountBypass, grantee, fmt.Sprintf(
			"REVOKE %s ON *.* FROM %s; then KILL USER %s, because open sessions keep what they had",
			strings.Join(privileges, ", "), grantee, query.Literal(name)), slices.Contains(admins, name)})
	}
	routines, err := privilegedRoutines(ctx, db, privileges, all)
	if err != nil {
		return nil, s.Wrap("look for routines of privileged definers", err)
	}
	for _, r := range routines {
		out = append(out, Bypass{routineBypass, r.String(), r.fix(), slices.Contains(admins, r.definerName())})
	}
	sessions, err := lastingSessions(ctx, s, func(c account.Client) bool {
		return slices.ContainsFunc(all, func(grantee string) bool { return AccountName(grantee) == c.User })
	})
	if err != nil {
		return nil, err
	}
	for _, c := range sessions {
		out = append(out, Bypass{
			sessionBypass, c.String(),
			"end it, and let its client log in with an account of its own; or name " + c.User + " in cutover.admins and keep it from writing",
			slices.Contains(admins, c.User),
		})
	}
	return out, nil
}

// AccountName is the user of 'user'@'host'.
func AccountName(grantee string) string {
	return strings.Trim(grantee[:max(strings.LastIndex(grantee, "@"), 0)], "'")
}

// lasting is how long a session lasts at least that counts: one of migrate's own
// that logs in at this moment is not marked yet, and a command on the machine
// ends by itself.
const minSessionAge = time.Second

// lastingSessions are the clients of a kind that are there for a while.
func lastingSessions(ctx context.Context, s *replication.Server, wanted func(account.Client) bool) ([]account.Client, error) {
	var left []account.Client
	for start := time.Now(); ; {
		now, err := account.Clients(ctx, s)
		if err != nil {
			return nil, err
		}
		now = slices.DeleteFunc(now, func(c account.Client) bool { return !wanted(c) })
		if left == nil {
			left = now
		}
		left = slices.DeleteFunc(left, func(c account.Client) bool {
			return !slices.ContainsFunc(now, func(n account.Client) bool { return n.ID == c.ID })
		})
		if len(left) == 0 || time.Since(start) > minSessionAge {
			return left, nil
		}
		if err := wait.For(ctx, minSessionAge/10); err != nil {
			return nil, fmt.Errorf("look for sessions on %s: %w", s.Name(), err)
		}
	}
}

// routine is a stored program that runs with its definer's privileges.
type routine struct{ kind, schema, name, definer string }

// String names a routine for the operator.
func (r routine) String() string {
	return strings.ToLower(r.kind) + " " + query.QuoteTable(r.schema, r.name) + " (definer " + r.definer + ")"
}

// fix is what closes the way. A package has no ALTER.
func (r routine) fix() string {
	if strings.HasPrefix(r.kind, "PACKAGE") {
		return "CREATE OR REPLACE " + r.kind + " " + query.QuoteTable(r.schema, r.name) + " with SQL SECURITY INVOKER"
	}
	return "ALTER " + r.kind + " " + query.QuoteTable(r.schema, r.name) + " SQL SECURITY INVOKER"
}

// definerName is the user or role without its host.
func (r routine) definerName() string {
	if at := strings.LastIndex(r.definer, "@"); at >= 0 {
		return r.definer[:at]
	}
	return r.definer
}

// lendingRoutines lists the routines of every schema, the server's own aside,
// that run with the privileges of a definer who is one of the holders, or a
// role with one of the privileges.
func privilegedRoutines(ctx context.Context, q query.Queryer, privileges, holders []string) ([]routine, error) {
	records, err := query.All(ctx, q, `SELECT ROUTINE_TYPE AS kind, ROUTINE_SCHEMA AS owner, ROUTINE_NAME AS name, DEFINER AS definer
		FROM information_schema.ROUTINES WHERE SECURITY_TYPE = 'DEFINER'
		AND ROUTINE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY 2, 3, 1`)
	if err != nil {
		return nil, err
	}
	roles, err := query.Strings(ctx, q, "SELECT User FROM mysql.user WHERE is_role = 'Y'")
	if err != nil {
		return nil, err
	}
	lends := map[string]bool{}
	for _, role := range roles {
		grants, err := query.Strings(ctx, q, "SHOW GRANTS FOR "+query.Quote(role))
		if err != nil {
			return nil, err
		}
		lends[role] = grantsAny(grants, privileges)
	}
	for _, grantee := range holders {
		lends[strings.ReplaceAll(grantee, "'", "")] = true
	}
	var out []routine
	for _, r := range records {
		if lends[strings.TrimSuffix(r["definer"], "@")] {
			out = append(out, routine{r["kind"], r["owner"], r["name"], r["definer"]})
		}
	}
	return out, nil
}

// DescribeBypasses is one text and one fix for each kind among them.
func DescribeBypasses(list []Bypass) (texts, fixes []string) {
	for _, kind := range BypassKinds {
		var names, wanted []string
		for _, b := range list {
			if b.Kind == kind {
				names = append(names, b.name)
				if !slices.Contains(wanted, b.fix) {
					wanted = append(wanted, b.fix)
				}
			}
		}
		if len(names) > 0 {
			texts, fixes = append(texts, string(kind)+": "+strings.Join(names, ", ")), append(fixes, strings.Join(wanted, "; "))
		}
	}
	return texts, fixes
}

// SplitBypasses separates those that the operator answers for.
func SplitBypasses(list []Bypass) (refused, named []Bypass) {
	for _, b := range list {
		if b.named {
			named = append(named, b)
		} else {
			refused = append(refused, b)
		}
	}
	return refused, named
}

// refuseBypasses refuses a fence that somebody would pass. Named are the ways past
// it that the operator answers for, in words.
func (f op) refuseBypasses(ctx context.Context) (named []string, err error) {
	all, err := Bypasses(ctx, f.server, f.opt.Admins)
	if err != nil {
		return nil, err
	}
	refused, allowed := SplitBypasses(all)
	named, _ = DescribeBypasses(allowed)
	texts, fixes := DescribeBypasses(refused)
	if len(texts) == 0 {
		return named, nil
	}
	return named, report.WithHint(fmt.Errorf("fence %s: %s", f.server.Name(), strings.Join(texts, "; ")),
		"%s; or name the accounts in cutover.admins, and keep them from writing", strings.Join(fixes, "; "))
}
