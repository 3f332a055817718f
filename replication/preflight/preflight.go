package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/report"
)

// Severity is how much a finding matters.
type Severity string

// Severities of findings.
const (
	Refuse Severity = "refuse" // the move must not begin
	Warn   Severity = "warn"   // the operator should know
)

// Finding is one hazard that a preflight found on a pair.
type Finding struct {
	Hazard   string   `json:"hazard"` // of docs/hazards.md
	Severity Severity `json:"severity"`
	Server   string   `json:"server"`
	Found    string   `json:"found"`
	Fix      string   `json:"fix"`
}

// String is one line for the operator.
func (f Finding) String() string {
	return fmt.Sprintf("%s %s: %s (fix: %s)", f.Hazard, f.Server, f.Found, f.Fix)
}

// hazard is the finding as a plan shows it.
func (f Finding) hazard() plan.Hazard {
	text := fmt.Sprintf("%s: %s (fix: %s)", f.Server, f.Found, f.Fix)
	if f.Severity == Refuse {
		text = "refused: " + text
	}
	return plan.Hazard{ID: f.Hazard, Text: text}
}

// Options say what a preflight looks at.
type Options struct {
	// Dual is the cutover way in which both sides take writes: more is refused.
	Dual bool
	// SourceOnly leaves the target out, because it does not exist yet.
	SourceOnly bool
	// Admins are accounts that may keep privileges that bypass a fence: the preflight only
	// warns of them. Root and migrate's login may hold such privileges without being
	// named, but a routine must not lend them, and an application must not use them.
	Admins []string
	// FenceWait is how long the fence of the cutover waits for what is running. The
	// preflight warns of what has run for longer already. 0: the default of fence.Options.
	FenceWait time.Duration
	// Image is the image of the target's host, before the host exists.
	Image string
	// SeedRate is the limit of what the seed reads, in bytes a second; 0: no limit.
	SeedRate int64
	// Now is the controller's clock; nil: time.Now.
	Now func() time.Time
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// Step returns the gate that holds if nothing on the pair's servers refuses the move. It
// only reads. A refusal names all the hazards that refuse the move, each with its fix;
// warnings are notes.
func Step(pair replication.Pair, opts Options) plan.Step {
	what := "source and target fit together"
	if opts.SourceOnly {
		what = "the source can be moved"
	}
	return plan.Step{
		Name:    "preflight-" + pair.Name,
		Summary: pair.Name + ": " + what,
		Gate:    true,
		Op:      &gate{pair: pair, opts: opts},
	}
}

// gate is the operation of Step.
type gate struct {
	plan.ReadOnly
	pair replication.Pair
	opts Options
}

// Check looks for every hazard and says what it found.
func (g *gate) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "no hazard that refuses the move"}
	findings, err := Findings(ctx, g.pair, g.opts)
	if errors.Is(err, replication.ErrNotProvisioned) {
		state.Unknown, state.Now = true, "the target host is not made yet"
		return state, nil
	}
	if err != nil {
		return state, err
	}
	refused, warned := split(findings)
	state.Done = len(refused) == 0
	state.Now = fmt.Sprintf("%d refusals, %d warnings", len(refused), len(warned))
	for _, f := range findings {
		state.Hazards = append(state.Hazards, f.hazard())
	}
	return state, nil
}

// Apply notes the warnings and fails on refusals.
func (g *gate) Apply(ctx context.Context) error {
	findings, err := Findings(ctx, g.pair, g.opts)
	if err != nil {
		return err
	}
	_, warned := split(findings)
	for _, warning := range warned {
		report.Note(ctx, "%s", warning)
	}
	return refusal(g.pair, findings)
}

// Verify holds if nothing is refused.
func (g *gate) Verify(ctx context.Context) error {
	findings, err := Findings(ctx, g.pair, g.opts)
	if err != nil {
		return err
	}
	return refusal(g.pair, findings)
}

// split separates refusals from warnings, one line each.
func split(findings []Finding) (refused, warned []string) {
	for _, f := range findings {
		if f.Severity == Refuse {
			refused = append(refused, f.String())
		} else {
			warned = append(warned, f.String())
		}
	}
	return refused, warned
}

// refusal is the error that names all refusals; nil if there are none.
func refusal(pair replication.Pair, findings []Finding) error {
	refused, _ := split(findings)
	if len(refused) == 0 {
		return nil
	}
	return report.WithHint(fmt.Errorf("%s cannot be moved as it is: %s", pair.Name, strings.Join(refused, "; ")),
		"apply the fixes, then run the same command again")
}

// side is the source or the target with what the checks read of it.
type side struct {
	*replication.Server
	db             query.Queryer
	dialect        *dialect.Dialect
	variables      map[string]string // inspectedVariables
	compared       map[string]string // the globals that must be equal on both sides
	replica        dialect.ReplicaStatus
	foreignOrigins []string // servers that it replicates from by no link of migrate
	schemas        []string
}

// inspection is a preflight in progress.
type inspection struct {
	pair           replication.Pair
	opts           Options
	source, target *side    // target is nil with SourceOnly
	keyless        []string // tables of the source without a usable key
	findings       []Finding
}

// add adds a finding.
func (i *inspection) add(hazard string, severity Severity, s *side, fix, format string, args ...any) {
	i.findings = append(i.findings, Finding{hazard, severity, s.Name(), fmt.Sprintf(format, args...), fix})
}

// Findings looks for every hazard of the pair. It only reads, and of a server's data it
// reads definitions and statistics, never rows.
func Findings(ctx context.Context, pair replication.Pair, opts Options) ([]Finding, error) {
	i := &inspection{pair: pair, opts: opts}
	complete, err := i.checkLogin(ctx, pair.Source)
	if err != nil || !complete {
		return i.findings, err
	}
	if i.source, err = readSide(ctx, pair.Source, pair.Schemas); err != nil {
		return nil, err
	}
	i.checkServer(i.source)
	i.checkSource()
	err = i.run(ctx, i.source,
		i.checkTables, i.checkForeignKeys, i.checkDefiners, i.checkSessions, i.checkTransactions,
		i.checkMetadataLocks, i.checkBinlogGrowth, i.checkBursts, i.checkPart)
	if err == nil {
		err = i.runOnSide(ctx, i.source)
	}
	if err != nil || opts.SourceOnly {
		i.checkImage()
		return i.findings, err
	}
	if complete, err = i.checkLogin(ctx, pair.Target); err != nil || !complete {
		return i.findings, err
	}
	if i.target, err = readSide(ctx, pair.Target, pair.Schemas); err != nil {
		return nil, err
	}
	i.checkServer(i.target)
	i.checkVersions()
	if !i.source.dialect.SameFlavor(i.target.dialect) {
		return i.findings, nil // nothing else can be compared
	}
	i.checkIDs()
	i.checkGlobals()
	err = i.run(ctx, i.target,
		i.checkReplicas, i.checkErrant, i.checkNoticeableGlobals, i.checkCollations, i.checkTableNeeds, i.checkZones, i.checkNamedZones, i.checkPlugins,
		i.checkCascades, i.checkRoom, i.checkLegs)
	if err == nil {
		err = i.runOnSide(ctx, i.target)
	}
	return i.findings, err
}

// run runs checks of one side; an error names its server.
func (i *inspection) run(ctx context.Context, s *side, checks ...func(context.Context) error) error {
	for _, check := range checks {
		if err := check(ctx); err != nil {
			return s.Wrap("preflight", err)
		}
	}
	return nil
}

// runOnSide runs the checks that both sides have in common.
func (i *inspection) runOnSide(ctx context.Context, s *side) error {
	for _, check := range []func(context.Context, *side) error{i.checkOwnSchema, i.checkCluster, i.checkClock, i.checkLeaks, i.checkPrepared} {
		if err := check(ctx, s); err != nil {
			return s.Wrap("preflight", err)
		}
	}
	return nil
}

// inspectedVariables are the globals that checks read.
var inspectedVariables = []string{
	"log_bin", "binlog_format", "binlog_row_image", "binlog_row_value_options", "gtid_mode",
	"enforce_gtid_consistency", "gtid_strict_mode", "server_id", "server_uuid", "gtid_domain_id",
	"log_slave_updates", "log_replica_updates", "slave_exec_mode", "replica_exec_mode",
	"slave_skip_errors", "replica_skip_errors", "sync_binlog", "innodb_flush_log_at_trx_commit", setting.ExpireVariable, "expire_logs_days", "slave_run_triggers_for_rbr",
	"system_time_zone", "lower_case_table_names", "encrypt_binlog", "binlog_encryption", "require_secure_transport",
	"max_allowed_packet", "slave_max_allowed_packet", "max_binlog_total_size", "log_bin_basename", "datadir",
	"innodb_buffer_pool_size", "innodb_page_size", "innodb_native_foreign_keys", "hostname", "version",
	"innodb_force_primary_key", "sql_require_primary_key", "sql_generate_invisible_primary_key",
}

// readSide reads what the checks need to know about a server.
func readSide(ctx context.Context, s *replication.Server, configured []string) (*side, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	out := &side{Server: s, db: db, dialect: dialect}
	if out.variables, err = query.Variables(ctx, db, inspectedVariables...); err != nil {
		return nil, s.Wrap("preflight", err)
	}
	if out.compared, err = setting.ComparedGlobals(ctx, db); err != nil {
		return nil, s.Wrap("preflight", err)
	}
	if out.replica, err = dialect.ReplicaStatus(ctx, db); err != nil {
		return nil, s.Wrap("preflight", err)
	}
	replicas, err := dialect.ReplicaStatuses(ctx, db)
	if err != nil {
		return nil, s.Wrap("preflight", err)
	}
	for _, r := range replicas {
		if r.Name != "" || !replication.IsLinkUser(r.User) {
			out.foreignOrigins = append(out.foreignOrigins, r.String())
		}
	}
	if out.schemas, err = schema.Names(ctx, db, configured); err != nil {
		return nil, s.Wrap("preflight", err)
	}
	status, ok, err := query.One(ctx, db, dialect.BinlogStatus())
	if err != nil {
		return nil, s.Wrap("preflight", err)
	}
	if err := out.readFilters(ctx); err != nil {
		return nil, s.Wrap("preflight", err)
	}
	if ok {
		out.variables["binlog_do_db"], out.variables["binlog_ignore_db"] = status["Binlog_Do_DB"], status["Binlog_Ignore_DB"]
	}
	return out, nil
}
