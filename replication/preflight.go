package replication

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/plan"
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

// PreflightOptions say what a preflight looks at.
type PreflightOptions struct {
	// Dual is the cutover way in which both sides take writes: more is refused.
	Dual bool
	// SourceOnly leaves the target out: it is not made yet.
	SourceOnly bool
	// Admins are accounts that may keep what passes a fence: they are warned of
	// only. Root and the login of migrate may hold such privileges anyway, but
	// neither lend them by a routine nor be an application's.
	Admins []string
}

// Preflight returns the gate that holds when nothing on the pair's servers
// stands in the way of the move. It only reads. A refusal names everything
// that was found, each with its fix; warnings are notes.
func Preflight(pair Pair, opts PreflightOptions) plan.Step {
	what := "source and target fit together"
	if opts.SourceOnly {
		what = "the source can be moved"
	}
	return plan.Step{
		Name:    "preflight-" + pair.Name,
		Summary: pair.Name + ": " + what,
		Gate:    true,
		Op:      &preflight{pair: pair, opts: opts},
	}
}

type preflight struct {
	plan.ReadOnly
	pair Pair
	opts PreflightOptions
}

// Check looks for every hazard and says what it found.
func (p *preflight) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "no hazard that refuses the move"}
	findings, err := Findings(ctx, p.pair, p.opts)
	if errors.Is(err, ErrNotProvisioned) {
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
func (p *preflight) Apply(ctx context.Context) error {
	findings, err := Findings(ctx, p.pair, p.opts)
	if err != nil {
		return err
	}
	_, warned := split(findings)
	for _, warning := range warned {
		plan.Note(ctx, "%s", warning)
	}
	return refusal(p.pair, findings)
}

// Verify holds when nothing is refused.
func (p *preflight) Verify(ctx context.Context) error {
	findings, err := Findings(ctx, p.pair, p.opts)
	if err != nil {
		return err
	}
	return refusal(p.pair, findings)
}

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

func refusal(pair Pair, findings []Finding) error {
	refused, _ := split(findings)
	if len(refused) == 0 {
		return nil
	}
	return plan.WithHint(fmt.Errorf("%s cannot be moved as it is: %s", pair.Name, strings.Join(refused, "; ")),
		"apply the fixes, then run the same command again")
}

// side is one server as a preflight sees it.
type side struct {
	*Server
	db        queryer
	dialect   *Dialect
	variables map[string]string
	compared  map[string]string
	replica   ReplicaStatus
	schemas   []string
}

// inspection is a preflight in progress.
type inspection struct {
	pair           Pair
	opts           PreflightOptions
	source, target *side // target is nil with SourceOnly
	findings       []Finding
}

func (i *inspection) add(hazard string, severity Severity, s *side, fix, format string, args ...any) {
	i.findings = append(i.findings, Finding{hazard, severity, s.Name(), fmt.Sprintf(format, args...), fix})
}

// Findings looks for every hazard of the pair. It only reads.
func Findings(ctx context.Context, pair Pair, opts PreflightOptions) ([]Finding, error) {
	i := &inspection{pair: pair, opts: opts}
	var err error
	if i.source, err = look(ctx, pair.Source, pair.Schemas); err != nil {
		return nil, err
	}
	i.checkServer(i.source)
	for _, check := range []func(context.Context) error{
		i.checkTables, i.checkForeignKeys, i.checkDefiners, i.checkLogin, i.checkClock,
	} {
		if err := check(ctx); err != nil {
			return nil, pair.Source.wrap("preflight", err)
		}
	}
	if err := i.checkLeaks(ctx, i.source); err != nil {
		return nil, err
	}
	i.checkSource()
	if opts.SourceOnly {
		return i.findings, nil
	}
	if i.target, err = look(ctx, pair.Target, pair.Schemas); err != nil {
		return nil, err
	}
	i.checkServer(i.target)
	i.checkVersions()
	if i.source.dialect.Flavor != i.target.dialect.Flavor {
		return i.findings, nil // nothing else can be compared
	}
	if err := i.checkLeaks(ctx, i.target); err != nil {
		return nil, err
	}
	i.checkIDs()
	i.checkGlobals()
	for _, check := range []func(context.Context) error{i.checkCollations, i.checkPlugins, i.checkCascades} {
		if err := check(ctx); err != nil {
			return nil, pair.Target.wrap("preflight", err)
		}
	}
	return i.findings, nil
}

// preflightVariables are the globals that the checks look at.
var preflightVariables = []string{
	"log_bin", "binlog_format", "binlog_row_image", "binlog_row_value_options", "gtid_mode",
	"enforce_gtid_consistency", "gtid_strict_mode", "server_id", "server_uuid", "gtid_domain_id",
	"log_slave_updates", "log_replica_updates", "slave_exec_mode", "replica_exec_mode",
	"slave_skip_errors", "replica_skip_errors", "sync_binlog", expireVariable, "slave_run_triggers_for_rbr",
	"system_time_zone", "lower_case_table_names",
}

func look(ctx context.Context, s *Server, configured []string) (*side, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return nil, err
	}
	out := &side{Server: s, db: db, dialect: dialect}
	if out.variables, err = variables(ctx, db, preflightVariables...); err != nil {
		return nil, s.wrap("preflight", err)
	}
	if out.compared, err = comparedGlobals(ctx, db); err != nil {
		return nil, s.wrap("preflight", err)
	}
	if out.replica, err = dialect.ReplicaStatus(ctx, db); err != nil {
		return nil, s.wrap("preflight", err)
	}
	if out.schemas, err = schemaNames(ctx, db, configured); err != nil {
		return nil, s.wrap("preflight", err)
	}
	status, ok, err := queryRecord(ctx, db, dialect.BinlogStatus())
	if err != nil {
		return nil, s.wrap("preflight", err)
	}
	if ok {
		out.variables["binlog_do_db"], out.variables["binlog_ignore_db"] = status["Binlog_Do_DB"], status["Binlog_Ignore_DB"]
	}
	return out, nil
}
