package fence

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

// systemSchemas are the server's own. No step of a switch turns off the events of these and
// of migrate's own schema.
var systemSchemas = []string{"mysql", "information_schema", "performance_schema", "sys", replication.OwnSchema}

// Moved reports whether a step of a switch turns off the events of a schema before its
// fence: those of the configured schemas, or of all but the system's.
func Moved(configured []string) func(schema string) bool {
	return func(schema string) bool {
		if len(configured) > 0 {
			return slices.Contains(configured, schema)
		}
		return !slices.Contains(systemSchemas, strings.ToLower(schema))
	}
}

// none is Moved where no events are turned off any more.
func none(string) bool { return false }

// privilegedEvents finds the events that run with the privileges of a definer who passes
// the fence, less those of the schemas that skip names. An event counts although the event
// scheduler is off now: it takes one statement to start that.
func privilegedEvents(ctx context.Context, q query.Queryer, isHolder map[string]bool, skip func(schema string) bool) ([]Bypass, error) {
	records, err := query.All(ctx, q, `SELECT EVENT_SCHEMA AS owner, EVENT_NAME AS name, DEFINER AS definer
		FROM information_schema.EVENTS WHERE STATUS = 'ENABLED' ORDER BY 1, 2`)
	if err != nil {
		return nil, err
	}
	var out []Bypass
	for _, r := range records {
		definer := strings.TrimSuffix(r["definer"], "@")
		if !isHolder[definer] || skip(r["owner"]) {
			continue
		}
		name := query.QuoteTable(r["owner"], r["name"])
		out = append(out, Bypass{
			Kind: EventBypass, account: userOfDefiner(definer), name: name + " (definer " + r["definer"] + ")",
			fix: "ALTER EVENT " + name + " DISABLE for the switch, or give it a definer who lacks the privilege",
		})
	}
	return out, nil
}

// refuseLateEvents returns an error if an event passes a fence that is in force: one that
// was made or enabled after the step that turns events off.
func (f op) refuseLateEvents(ctx context.Context) error {
	db, dialect, err := f.server.Open(ctx)
	if err != nil {
		return err
	}
	privileges := dialect.FenceBypass()
	if len(privileges) == 0 {
		return nil
	}
	holders, err := Holders(ctx, db, privileges)
	if err != nil {
		return f.server.Wrap("look for privileged users", err)
	}
	isHolder, err := holdingDefiners(ctx, db, privileges, holders)
	if err != nil {
		return f.server.Wrap("look for privileged roles", err)
	}
	late, err := privilegedEvents(ctx, db, isHolder, none)
	if err != nil {
		return f.server.Wrap("look for events of privileged definers", err)
	}
	late = slices.DeleteFunc(late, func(b Bypass) bool { return f.isNamed(b) })
	if len(late) == 0 {
		return nil
	}
	texts, fixes := DescribeBypasses(late)
	return report.WithHint(fmt.Errorf("fence %s: %s", f.server.Name(), strings.Join(texts, "; ")), "%s; then run the same command again", strings.Join(fixes, "; "))
}

// isNamed reports whether the operator answers for the definer of an event.
func (f op) isNamed(b Bypass) bool { return slices.Contains(f.opt.Admins, b.account) }
