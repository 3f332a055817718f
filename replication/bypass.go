package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/wait"
)

// bypass is one way past a server's fence (H14).
type bypass struct {
	kind bypassKind
	name string // of the account, routine or session
	fix  string
	// named: the operator names its account as an administrator.
	named bool
}

// bypassKind is a sentence about the bypasses of one kind.
type bypassKind string

const (
	privilegedAccount bypassKind = "these accounts write through read_only"
	privilegedRoutine bypassKind = "these routines write through read_only, whoever calls them, with the privileges of their definer"
	privilegedSession bypassKind = "these sessions, which are not migrate's, write through read_only"
)

// bypassKinds are in the order in which they are told.
var bypassKinds = []bypassKind{privilegedAccount, privilegedRoutine, privilegedSession}

// bypasses finds every way past the server's fence: accounts that hold a
// privilege that passes it, routines that lend their definer's, and sessions of
// clients under accounts that may hold it: root, and the login of migrate.
// Admins are accounts that the operator answers for. Nothing passes MySQL's fence.
func bypasses(ctx context.Context, s *Server, admins []string) ([]bypass, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	privileges := dialect.FenceBypass()
	if len(privileges) == 0 {
		return nil, nil
	}
	own, err := queryText(ctx, db, "SELECT CURRENT_USER()")
	if err != nil {
		return nil, s.wrap("read the current user", err)
	}
	own, _, _ = strings.Cut(own, "@")
	all, err := holders(ctx, db, privileges)
	if err != nil {
		return nil, s.wrap("look for privileged users", err)
	}
	var out []bypass
	for _, grantee := range all {
		name := accountName(grantee)
		if name == "root" || name == own || strings.HasPrefix(name, ownUserPrefix) || slices.Contains(systemUsers, name) {
			continue
		}
		// A session keeps what its account held when it logged in.
		out = append(out, bypass{privilegedAccount, grantee, fmt.Sprintf(
			"REVOKE %s ON *.* FROM %s; then KILL USER %s, because open sessions keep what they had",
			strings.Join(privileges, ", "), grantee, literal(name)), slices.Contains(admins, name)})
	}
	routines, err := lendingRoutines(ctx, db, privileges, all)
	if err != nil {
		return nil, s.wrap("look for routines of privileged definers", err)
	}
	for _, r := range routines {
		out = append(out, bypass{privilegedRoutine, r.String(), r.fix(), slices.Contains(admins, r.definerName())})
	}
	sessions, err := lastingSessions(ctx, s, func(c client) bool {
		return slices.ContainsFunc(all, func(grantee string) bool { return accountName(grantee) == c.User })
	})
	if err != nil {
		return nil, err
	}
	for _, c := range sessions {
		out = append(out, bypass{
			privilegedSession, c.String(),
			"end it, and let its client log in with an account of its own; or name " + c.User + " in cutover.admins and keep it from writing",
			slices.Contains(admins, c.User),
		})
	}
	return out, nil
}

// accountName is the user of 'user'@'host'.
func accountName(grantee string) string {
	return strings.Trim(grantee[:max(strings.LastIndex(grantee, "@"), 0)], "'")
}

// lasting is how long a session lasts at least that counts: one of migrate's own
// that logs in at this moment is not marked yet, and a command on the machine
// ends by itself.
const lasting = time.Second

// lastingSessions are the clients of a kind that are there for a while.
func lastingSessions(ctx context.Context, s *Server, wanted func(client) bool) ([]client, error) {
	var left []client
	for start := time.Now(); ; {
		now, err := clients(ctx, s)
		if err != nil {
			return nil, err
		}
		now = slices.DeleteFunc(now, func(c client) bool { return !wanted(c) })
		if left == nil {
			left = now
		}
		left = slices.DeleteFunc(left, func(c client) bool {
			return !slices.ContainsFunc(now, func(n client) bool { return n.ID == c.ID })
		})
		if len(left) == 0 || time.Since(start) > lasting {
			return left, nil
		}
		if err := wait.For(ctx, lasting/10); err != nil {
			return nil, fmt.Errorf("look for sessions on %s: %w", s.Name(), err)
		}
	}
}

// routine is a stored program that runs with its definer's privileges.
type routine struct{ kind, schema, name, definer string }

// String names a routine for the operator.
func (r routine) String() string {
	return strings.ToLower(r.kind) + " " + QuoteTable(r.schema, r.name) + " (definer " + r.definer + ")"
}

// fix is what closes the way. A package has no ALTER.
func (r routine) fix() string {
	if strings.HasPrefix(r.kind, "PACKAGE") {
		return "CREATE OR REPLACE " + r.kind + " " + QuoteTable(r.schema, r.name) + " with SQL SECURITY INVOKER"
	}
	return "ALTER " + r.kind + " " + QuoteTable(r.schema, r.name) + " SQL SECURITY INVOKER"
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
func lendingRoutines(ctx context.Context, q queryer, privileges, holders []string) ([]routine, error) {
	records, err := queryRecords(ctx, q, `SELECT ROUTINE_TYPE AS kind, ROUTINE_SCHEMA AS owner, ROUTINE_NAME AS name, DEFINER AS definer
		FROM information_schema.ROUTINES WHERE SECURITY_TYPE = 'DEFINER'
		AND ROUTINE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY 2, 3, 1`)
	if err != nil {
		return nil, err
	}
	roles, err := queryStrings(ctx, q, "SELECT User FROM mysql.user WHERE is_role = 'Y'")
	if err != nil {
		return nil, err
	}
	lends := map[string]bool{}
	for _, role := range roles {
		grants, err := queryStrings(ctx, q, "SHOW GRANTS FOR "+Quote(role))
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

// describeBypasses is one text and one fix for each kind among them.
func describeBypasses(list []bypass) (texts, fixes []string) {
	for _, kind := range bypassKinds {
		var names, wanted []string
		for _, b := range list {
			if b.kind == kind {
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

// splitBypasses separates those that the operator answers for.
func splitBypasses(list []bypass) (refused, named []bypass) {
	for _, b := range list {
		if b.named {
			named = append(named, b)
		} else {
			refused = append(refused, b)
		}
	}
	return refused, named
}

// refuseLeaks refuses a fence that somebody would pass. Named are the ways past
// it that the operator answers for, in words.
func (f fenceOp) refuseLeaks(ctx context.Context) (named []string, err error) {
	all, err := bypasses(ctx, f.server, f.opt.Admins)
	if err != nil {
		return nil, err
	}
	refused, allowed := splitBypasses(all)
	named, _ = describeBypasses(allowed)
	texts, fixes := describeBypasses(refused)
	if len(texts) == 0 {
		return named, nil
	}
	return named, report.WithHint(fmt.Errorf("fence %s: %s", f.server.Name(), strings.Join(texts, "; ")),
		"%s; or name the accounts in cutover.admins, and keep them from writing", strings.Join(fixes, "; "))
}

// checkLeaks looks for what passes the fence of a side (H14). Way dual fences a
// side only once nobody writes there any more: only accounts refuse it.
func (i *inspection) checkLeaks(ctx context.Context, s *side) error {
	all, err := bypasses(ctx, s.Server, i.opts.Admins)
	if err != nil {
		return err
	}
	refused, named := splitBypasses(all)
	for _, list := range []struct {
		bypasses []bypass
		named    bool
	}{{refused, false}, {named, true}} {
		for _, kind := range bypassKinds {
			of := slices.DeleteFunc(slices.Clone(list.bypasses), func(b bypass) bool { return b.kind != kind })
			texts, fixes := describeBypasses(of)
			if len(texts) == 0 {
				continue
			}
			severity, fix := Refuse, fixes[0]
			switch {
			case list.named:
				severity, fix = Warn, "none needed while the accounts that cutover.admins names do not write; else "+fix
			case i.opts.Dual && kind != privilegedAccount:
				severity = Warn
			}
			i.add("H14", severity, s, fix, "%s", texts[0])
		}
	}
	return nil
}
