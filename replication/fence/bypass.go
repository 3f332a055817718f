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

// Bypass is an account, routine or session that can write in spite of a server's fence (H14).
type Bypass struct {
	Kind BypassKind
	name string
	fix  string
	// account is the name of the account whose privilege it uses.
	account string
	// named is true if the operator has named its account as an administrator.
	named bool
}

// BypassKind begins a sentence about the bypasses of one kind.
type BypassKind string

const (
	// AccountBypass is the kind of bypass that only a change of privileges removes.
	AccountBypass BypassKind = "these accounts write through read_only"
	// EventBypass is the kind of bypass that a switch turns off where it moves the schema.
	EventBypass   BypassKind = "these events write through read_only with the privileges of their definer"
	routineBypass BypassKind = "these routines write through read_only, whoever calls them, with the privileges of their definer"
	sessionBypass BypassKind = "these sessions, which are not migrate's, write through read_only"
)

// BypassKinds are the kinds in the order of the report.
var BypassKinds = []BypassKind{AccountBypass, EventBypass, routineBypass, sessionBypass}

// Bypasses finds every bypass of the server's fence: accounts with a privilege that passes
// it, routines that run with such a privilege of their definer, and clients' sessions of
// the accounts that may have it, root and migrate's own; and events, less those of the
// schemas of which eventsOff says that a step turns their events off before the fence.
// Admins are accounts that the operator answers for. MySQL's fence has no bypass.
func Bypasses(ctx context.Context, s *replication.Server, admins []string, eventsOff func(schema string) bool) ([]Bypass, error) {
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
	accounts, err := replication.ReadOwnAccounts(ctx, db)
	if err != nil {
		return nil, s.Wrap("look for privileged users", err)
	}
	all, err := Holders(ctx, db, privileges)
	if err != nil {
		return nil, s.Wrap("look for privileged users", err)
	}
	var out []Bypass
	for _, grantee := range all {
		name := UserOf(grantee)
		if name == "root" || name == own || accounts.Has(name, HostOf(grantee)) || slices.Contains(replication.SystemUsers, name) {
			continue
		}
		// A session keeps the privileges that its account had at the login.
		out = append(out, Bypass{AccountBypass, grantee, fmt.Sprintf(
			"REVOKE %s ON *.* FROM %s; then KILL USER %s, because open sessions keep what they had",
			strings.Join(privileges, ", "), grantee, query.Literal(name)), name, slices.Contains(admins, name)})
	}
	isHolder, err := holdingDefiners(ctx, db, privileges, all)
	if err != nil {
		return nil, s.Wrap("look for privileged roles", err)
	}
	events, err := privilegedEvents(ctx, db, isHolder, eventsOff)
	if err != nil {
		return nil, s.Wrap("look for events of privileged definers", err)
	}
	for _, event := range events {
		event.named = slices.Contains(admins, event.account)
		out = append(out, event)
	}
	routines, err := privilegedRoutines(ctx, db, isHolder)
	if err != nil {
		return nil, s.Wrap("look for routines of privileged definers", err)
	}
	for _, r := range routines {
		out = append(out, Bypass{routineBypass, r.String(), r.fix(), userOfDefiner(r.definer), slices.Contains(admins, userOfDefiner(r.definer))})
	}
	sessions, err := sessionBypasses(ctx, s, all, admins)
	return append(out, sessions...), err
}

// sessionBypasses finds the lasting sessions of clients that have logged in as one of the
// holders.
func sessionBypasses(ctx context.Context, s *replication.Server, holders, admins []string) (out []Bypass, err error) {
	sessions, err := lastingSessions(ctx, s, func(c account.Client) bool {
		return slices.ContainsFunc(holders, func(grantee string) bool { return UserOf(grantee) == c.User })
	})
	for _, c := range sessions {
		out = append(out, Bypass{
			sessionBypass, c.String(),
			"end it, and let its client log in with an account of its own; or name " + c.User + " in cutover.admins and keep it from writing",
			c.User, slices.Contains(admins, c.User),
		})
	}
	return out, err
}

// minSessionAge is the least age of a session that counts as a bypass. A younger one may be
// migrate's own, which is not marked yet, or that of a command on the host, which ends
// soon.
const minSessionAge = time.Second

// lastingSessions returns the wanted sessions that last longer than minSessionAge.
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

// fix is the statement that removes the bypass. A package has no ALTER.
func (r routine) fix() string {
	if strings.HasPrefix(r.kind, "PACKAGE") {
		return "CREATE OR REPLACE " + r.kind + " " + query.QuoteTable(r.schema, r.name) + " with SQL SECURITY INVOKER"
	}
	return "ALTER " + r.kind + " " + query.QuoteTable(r.schema, r.name) + " SQL SECURITY INVOKER"
}

// userOfDefiner is the user or role of a definer without its host.
func userOfDefiner(definer string) string {
	if at := strings.LastIndex(definer, "@"); at >= 0 {
		return definer[:at]
	}
	return definer
}

// privilegedRoutines lists the routines that run with the privileges of a definer who
// passes the fence. The server's own schemas are excluded.
func privilegedRoutines(ctx context.Context, q query.Queryer, isHolder map[string]bool) ([]routine, error) {
	records, err := query.All(ctx, q, `SELECT ROUTINE_TYPE AS kind, ROUTINE_SCHEMA AS owner, ROUTINE_NAME AS name, DEFINER AS definer
		FROM information_schema.ROUTINES WHERE SECURITY_TYPE = 'DEFINER'
		AND ROUTINE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY 2, 3, 1`)
	if err != nil {
		return nil, err
	}
	var out []routine
	for _, r := range records {
		if isHolder[strings.TrimSuffix(r["definer"], "@")] {
			out = append(out, routine{r["kind"], r["owner"], r["name"], r["definer"]})
		}
	}
	return out, nil
}

// holdingDefiners are the definers, as the server prints them, who pass the fence: the
// holders, and the roles with one of the privileges.
func holdingDefiners(ctx context.Context, q query.Queryer, privileges, holders []string) (map[string]bool, error) {
	roles, err := query.Strings(ctx, q, "SELECT User FROM mysql.user WHERE is_role = 'Y'")
	if err != nil {
		return nil, err
	}
	isHolder := map[string]bool{} // by definer
	for _, role := range roles {
		grants, err := query.Strings(ctx, q, "SHOW GRANTS FOR "+query.Quote(role))
		if err != nil {
			return nil, err
		}
		isHolder[role] = grantsAny(grants, privileges)
	}
	for _, grantee := range holders {
		isHolder[strings.ReplaceAll(grantee, "'", "")] = true
	}
	return isHolder, nil
}

// DescribeBypasses returns one text and one fix for each kind in the list.
func DescribeBypasses(list []Bypass) (texts, fixes []string) {
	for _, kind := range BypassKinds {
		var names, kindFixes []string
		for _, b := range list {
			if b.Kind == kind {
				names = append(names, b.name)
				if !slices.Contains(kindFixes, b.fix) {
					kindFixes = append(kindFixes, b.fix)
				}
			}
		}
		if len(names) > 0 {
			texts, fixes = append(texts, string(kind)+": "+strings.Join(names, ", ")), append(fixes, strings.Join(kindFixes, "; "))
		}
	}
	return texts, fixes
}

// SplitBypasses separates the bypasses that the operator answers for (named) from the others.
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

// refuseBypasses returns an error if the fence would have a bypass that the operator does
// not answer for. Named describes the others.
func (f op) refuseBypasses(ctx context.Context, eventsOff func(schema string) bool) (named []string, err error) {
	all, err := Bypasses(ctx, f.server, f.opt.Admins, eventsOff)
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
