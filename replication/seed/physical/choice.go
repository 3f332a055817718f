package physical

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/report"
)

// obstacle says why a pair cannot be seeded by its files, and what would change that.
type obstacle struct{ text, fix string }

// choice is the method for a pair, with its reasons.
type choice struct {
	method      Method
	why         string
	bytes       int64 // of the source's files
	files, rows time.Duration
	extends     bool // the target's dialect.ExtendVariable is off during a seed by rows, as far as the source tells
	hazards     []plan.Hazard
	notes       notes // what is known of the target
}

// text follows "a full copy of db1 ".
func (c choice) text() string {
	method, expected, other, otherExpected := "by rows", c.rows, "its files", c.files
	if c.method == MethodFiles {
		method, expected, other, otherExpected = "by its files", c.files, "rows", c.rows
	}
	text := fmt.Sprintf("%s: %s; about %s, by %s %s, for %s; the speed of the network between the sites is not known",
		method, c.why, roughly(expected), other, roughly(otherExpected), phrase.Bytes(c.bytes))
	if c.method != MethodFiles && c.extends {
		text += "; the target's " + dialect.ExtendVariable + " is off meanwhile"
	}
	return text
}

func roughly(d time.Duration) string {
	if d < 10*time.Minute {
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// estimate sets how long each method would take.
func (c *choice) estimate(flavor dialect.Flavor, bytesPerSecond int64) {
	files, rows := flavor.SeedSpeeds()
	c.files, c.rows = files.Takes(c.bytes, bytesPerSecond), rows.Takes(c.bytes, bytesPerSecond)
}

// choose decides on the method of the pair. It only reads. If the operator asked for the
// files and they cannot be used, the error says why and what would help. With target
// false, before the target exists, only the source is asked.
func (p *op) choose(ctx context.Context, target bool) (choice, error) {
	c := choice{method: MethodRows}
	dialect, err := p.pair.Source.Dialect(ctx)
	if err != nil {
		return c, err
	}
	if c.bytes, err = fileBytes(ctx, p.pair.Source); err != nil {
		return c, err
	}
	c.estimate(dialect.Flavor, p.options.BytesPerSecond)
	c.extends = dialect.HasExtend()
	if p.options.Method == MethodRows {
		c.why = "as migration.yaml has it"
		return c, nil
	}
	obstacles, err := p.obstacles(ctx, &c, target)
	if err != nil {
		return c, err
	}
	switch {
	case len(obstacles) > 0 && p.options.Method == MethodFiles:
		return c, obstaclesError(p.pair, obstacles)
	case len(obstacles) > 0:
		texts := make([]string, len(obstacles))
		for i, o := range obstacles {
			texts[i] = o.text
			if o.fix != "" {
				texts[i] += " (" + o.fix + ")"
			}
		}
		c.why = "its files cannot be taken, because " + strings.Join(texts, ", and ")
	case p.options.Method == MethodFiles:
		c.method, c.why = MethodFiles, "as migration.yaml has it"
	default:
		c.method, c.why = MethodFiles, "nothing prevents them, their position is exact, and nothing has to be caught up"
	}
	if !target {
		c.why += ", as far as the source tells: the target is not made yet"
	}
	return c, p.addHazards(ctx, &c, target)
}

// errCannotUseFiles is wrapped if the operator asked for the files and they cannot be
// used.
var errCannotUseFiles = errors.New("cannot be seeded by its files")

// obstaclesError is the error for a pair that must be seeded by its files and cannot be.
func obstaclesError(pair replication.Pair, obstacles []obstacle) error {
	var texts, fixes []string
	for _, o := range obstacles {
		texts = append(texts, o.text)
		if o.fix != "" {
			fixes = append(fixes, o.fix)
		}
	}
	fixes = append(fixes, "or set seed: copy for "+pair.Name)
	return report.WithHint(fmt.Errorf("%s %w: %s", pair.Target.Name(), errCannotUseFiles, strings.Join(texts, "; ")),
		"%s", strings.Join(fixes, "; "))
}

// obstacles lists everything that prevents a seed by files.
func (p *op) obstacles(ctx context.Context, c *choice, target bool) ([]obstacle, error) {
	var found []obstacle
	if len(p.pair.Schemas) > 0 {
		found = append(found, obstacle{"databases[].schemas names some schemas, and the files hold all", ""})
	}
	kind, err := p.pair.Source.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	looks := []func(context.Context, *dialect.Dialect) ([]obstacle, error){p.sourceTables, p.sourceTool}
	if target {
		looks = append(looks, p.unfinishedRows, p.versions, p.settings, p.login, func(ctx context.Context, d *dialect.Dialect) ([]obstacle, error) {
			return p.targetHost(ctx, d, c)
		})
	}
	for _, look := range looks {
		more, err := look(ctx, kind)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// fileBytes is the size of a server's InnoDB files.
func fileBytes(ctx context.Context, s *replication.Server) (int64, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return 0, err
	}
	text, err := query.Text(ctx, db, dialect.SumFileSizes())
	if err != nil {
		return 0, s.Wrap("ask for the size of the files", err)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the size of the files of %s: %w", s.Name(), err)
	}
	return n, nil
}

// sourceTables looks for tables whose files are useless on another server.
func (p *op) sourceTables(ctx context.Context, d *dialect.Dialect) ([]obstacle, error) {
	db, err := p.pair.Source.DB(ctx)
	if err != nil {
		return nil, err
	}
	var found []obstacle
	for _, look := range []struct{ query, text, fix string }{
		{
			`SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, ' (', ENGINE, ')') FROM information_schema.TABLES
			WHERE TABLE_TYPE NOT LIKE '%VIEW' AND IFNULL(ENGINE, 'InnoDB') <> 'InnoDB' AND TABLE_SCHEMA NOT IN (` + quoteTexts(schema.SystemSchemas) + ") ORDER BY 1",
			"tables that are not InnoDB would hold up writers or arrive empty: ", "ALTER TABLE … ENGINE=InnoDB",
		},
		{d.ListEncrypted(), "tables are encrypted, and it cannot be seen that the target has the same key: ", ""},
		{d.ListOutsideFiles(), "files lie outside of the source's data directory: ", ""},
	} {
		names, err := query.Strings(ctx, db, look.query)
		if err != nil {
			return nil, p.pair.Source.Wrap("look at the tables", err)
		}
		if len(names) > 0 {
			found = append(found, obstacle{look.text + phrase.FirstOf(3, names), look.fix})
		}
	}
	logs := d.EncryptionVariables()
	v, err := query.Variables(ctx, db, logs...)
	if err != nil {
		return nil, p.pair.Source.Wrap("look at the encryption", err)
	}
	for _, name := range logs {
		if dialect.IsOn(v[name]) {
			found = append(found, obstacle{name + " is on at the source, and it cannot be seen that the target has the same key", ""})
		}
	}
	return found, nil
}

func quoteTexts(texts []string) string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = query.Literal(text)
	}
	return strings.Join(out, ", ")
}

// unfinishedRows looks for an unfinished seed by rows, which only a seed by rows can
// continue.
func (p *op) unfinishedRows(ctx context.Context, _ *dialect.Dialect) ([]obstacle, error) {
	db, err := p.pair.Target.DB(ctx)
	if err != nil {
		return nil, err
	}
	_, there, err := replication.ReadMarker(ctx, db)
	if err != nil || !there {
		return nil, err
	}
	return []obstacle{{"the target holds a copy of rows that has not finished, and only a seed by rows can continue it", "migrate rollback --all takes it back"}}, nil
}

// addHazards adds what the operator should know about a seed by files.
func (p *op) addHazards(ctx context.Context, c *choice, target bool) error {
	if c.method != MethodFiles {
		return nil
	}
	c.hazards = append(c.hazards, plan.Hazard{Text: "the files hold everything: all schemas, and the system schema with all accounts, root included; " +
		"what the target has there goes aside, and comes back by undo until finish. Debian's own account, debian-sys-maint, then has the source's password: copy its /etc/mysql/debian.cnf"})
	d, err := p.pair.Source.Dialect(ctx)
	if err != nil {
		return err
	}
	if d.Flavor.FilesMethod() == dialect.MariaDBBackup {
		c.hazards = append(c.hazards, plan.Hazard{ID: "H16", Text: "mariadb-backup holds back the source's commits at its end: 0.14 s where that was measured, on a busy machine (make bench ONLY=stall); " +
			"and its redo log must not wrap around while the files are sent"})
	} else {
		c.hazards = append(c.hazards, plan.Hazard{Text: "the plugin clone is installed on both servers and uninstalled after, where it was not there before; " +
			"reading all files keeps the source's disk busy: the longest commit took 0.5 s where that was measured, and 0.2 s without; throttle.rate bounds it"})
	}
	if !target {
		return nil
	}
	lost, err := p.lostAccounts(ctx)
	if err == nil && len(lost) > 0 {
		c.hazards = append(c.hazards, plan.Hazard{Text: "accounts that only the target has go aside with its data: " + phrase.FirstOf(3, lost)})
	}
	return err
}

// lostAccounts lists the accounts that only the target has.
func (p *op) lostAccounts(ctx context.Context) ([]string, error) {
	onSource, err := account.Read(ctx, p.pair.Source)
	if err != nil {
		return nil, err
	}
	onTarget, err := account.Read(ctx, p.pair.Target)
	if err != nil {
		return nil, err
	}
	var lost []string
	for _, a := range onTarget {
		if !slices.ContainsFunc(onSource, func(b account.User) bool { return a.User == b.User && a.Host == b.Host }) {
			lost = append(lost, a.Name())
		}
	}
	return lost, nil
}
