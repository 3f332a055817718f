package preflight

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
)

// checkServer checks what each server of a pair needs, whatever the other one is.
func (i *inspection) checkServer(s *side) {
	if err := s.dialect.Supported(); err != nil {
		i.add("H25", Refuse, s, "upgrade it first", "%v", err)
	}
	i.checkBinlog(s)
	i.checkReplication(s)
}

// checkBinlog checks how the server logs, and its ids for logging (H4, H11, H12, H18).
func (i *inspection) checkBinlog(s *side) {
	const restart = "set it to ON in the server's option file and restart it"
	for _, want := range []struct{ hazard, name, value, fix string }{
		{"H4", "log_bin", "ON", ""},
		{"H4", "binlog_format", "ROW", "SET GLOBAL binlog_format = 'ROW', in the option file too; open sessions keep theirs: recycle them"},
		{"H4", "binlog_row_image", "FULL", "SET GLOBAL binlog_row_image = 'FULL', in the option file too; recycle open sessions"},
		{"H4", "binlog_row_value_options", "", "SET GLOBAL binlog_row_value_options = ''"},
		{"H12", "gtid_mode", "ON", "turn GTIDs on step by step: OFF_PERMISSIVE, ON_PERMISSIVE, ON"},
		{"H12", "enforce_gtid_consistency", "ON", "SET GLOBAL enforce_gtid_consistency = ON"},
		{"H12", "log_slave_updates", "ON", restart},
		{"H12", "log_replica_updates", "ON", restart},
	} {
		if want.name == "log_bin" && !dialect.IsOn(s.variables["log_bin"]) {
			i.add("H4", Refuse, s, "log_bin = binlog in the server's option file, then restart it", "it writes no binlog: log_bin is off")
			continue
		}
		if value, ok := s.variables[want.name]; ok && !setting.SameValue(value, want.value) {
			i.add(want.hazard, Refuse, s, want.fix, "%s is %q, needed is %q", want.name, value, want.value)
		}
	}
	for _, name := range []string{"binlog_do_db", "binlog_ignore_db"} {
		if value := s.variables[name]; value != "" {
			i.add("H18", Refuse, s, "remove it from the option file and restart the server", "%s is set: %s", name, value)
		}
	}
	if s.variables["server_id"] == "0" {
		i.add("H11", Refuse, s, "SET GLOBAL server_id to a number of its own", "server_id is 0")
	}
}

// readFilters adds the filters that apply before the server replicates.
func (s *side) readFilters(ctx context.Context) error {
	filters, err := s.dialect.GlobalFilters(ctx, s.db)
	if s.replica.Filters == nil {
		s.replica.Filters = map[string]string{}
	}
	maps.Copy(s.replica.Filters, filters)
	return err
}

// checkReplication looks for filters, hidden errors and triggers of a replica (H9, H18, H23).
func (i *inspection) checkReplication(s *side) {
	for _, name := range slices.Sorted(maps.Keys(s.replica.Filters)) {
		i.add("H18", Refuse, s, "remove the filter, in the option file too: "+s.dialect.RemoveFilter(name), "%s is set: %s", name, s.replica.Filters[name])
	}
	for _, name := range []string{"slave_exec_mode", "replica_exec_mode"} {
		if value, ok := s.variables[name]; ok && !strings.EqualFold(value, "STRICT") {
			i.add("H23", Refuse, s, "SET GLOBAL "+name+" = 'STRICT'", "%s is %s and hides errors", name, value)
		}
	}
	for _, name := range []string{"slave_skip_errors", "replica_skip_errors"} {
		if value, ok := s.variables[name]; ok && value != "" && dialect.IsOn(value) {
			i.add("H23", Refuse, s, "remove it from the option file and restart the server", "%s is %s and hides errors", name, value)
		}
	}
	if value := s.variables["slave_run_triggers_for_rbr"]; value != "" && !setting.SameValue(value, "NO") {
		i.add("H9", Refuse, s, "SET GLOBAL slave_run_triggers_for_rbr = 'NO'", "triggers would fire again for replicated rows")
	}
}

// checkOrigins refuses a source that replicates from elsewhere (H12): its fence does not
// stop what arrives.
func (i *inspection) checkOrigins() {
	if s := i.source; len(s.foreignOrigins) > 0 {
		i.add("H12", Refuse, s, "migrate its origin, or end that replication first", "it replicates from %s", phrase.FirstOf(5, s.foreignOrigins))
	}
}

// checkSource checks what only the source needs.
func (i *inspection) checkSource() {
	s := i.source
	i.checkOrigins()
	for _, name := range setting.FlushVariables {
		if s.variables[name] != "1" {
			i.add("H20", Warn, s, "none needed: it is 1 during the move", "%s is %s", name, s.variables[name])
		}
	}
	if value, ok := s.variables["gtid_strict_mode"]; ok && !dialect.IsOn(value) {
		i.add("H13", Warn, s, "SET GLOBAL gtid_strict_mode = 1", "gtid_strict_mode is off: sequence numbers may run out of order")
	}
	for _, name := range i.pair.Schemas {
		if !slices.Contains(s.schemas, name) {
			i.add("H31", Refuse, s, "correct databases[].schemas", "there is no schema %q", name)
		}
	}
	if len(s.schemas) == 0 {
		i.add("H31", Warn, s, "check databases[] in the configuration", "it holds no schema to move")
	}
}

// checkVersions compares flavor and version (H25).
func (i *inspection) checkVersions() {
	source, target := i.source.dialect, i.target.dialect
	switch {
	case !target.SameFlavor(source):
		i.add("H25", Refuse, i.target, "install "+string(source.Flavor), "it is %s, the source is %s", target, source)
	case target.Series() != source.Series():
		i.add("H25", Refuse, i.target, "install "+source.SeriesName()+" there; upgrade before the move or after it",
			"it is %s, the source is %s: pairs of different series are not supported yet, forward and back", target, source)
	case target.OlderThan(source):
		i.add("H25", Refuse, i.target, "install "+source.String()+" or newer", "it is %s, the source is %s", target, source)
	}
}

// checkImage refuses an image whose distribution ships another series than the source's
// (H25), before a host is made from it.
func (i *inspection) checkImage() {
	series, known := i.source.dialect.ArchiveSeries(i.opts.Image)
	if known && series != i.source.dialect.Series() {
		i.add("H25", Refuse, i.source, "choose an image whose distribution has "+i.source.dialect.SeriesName()+", or upgrade the source first",
			"it is %s, and hosts of the image %s install %s %s: pairs of different series are not supported yet, forward and back",
			i.source.dialect, i.opts.Image, i.source.dialect.Flavor, series)
	}
}

// checkIDs compares what must differ between the servers (H11, H13).
func (i *inspection) checkIDs() {
	for _, id := range []struct{ hazard, name, fix string }{
		{"H11", "server_id", "give the target another server_id"},
		{"H11", "server_uuid", "remove auto.cnf from the target's data directory and restart it"},
		{"H13", "gtid_domain_id", "give the target another gtid_domain_id"},
	} {
		value, ok := i.target.variables[id.name]
		if ok && value == i.source.variables[id.name] {
			i.add(id.hazard, Refuse, i.target, id.fix, "%s is %s on both sides", id.name, value)
		}
	}
}

// checkErrant refuses a target that has executed transactions of its own since its seed
// (H12): the reverse link would bring them to the source. Before the seed they do not
// matter: the seed sets the target's position.
func (i *inspection) checkErrant(ctx context.Context) error {
	m, ok, err := replication.ReadMarker(ctx, i.target.db)
	if err != nil || !ok || !m.Finished || i.target.replica.Configured {
		return err // if there is a link, its gates check this
	}
	has, err := replication.Executed(ctx, i.target.Server)
	if err != nil {
		return err
	}
	known, err := replication.Executed(ctx, i.source.Server)
	if err != nil {
		return err
	}
	if errant := has.Minus(known); !errant.IsEmpty() {
		i.add("H12", Refuse, i.target, "fence it, take the seed back with migrate rollback --all, and seed it again", "it has transactions that the source lacks: %s", errant)
	}
	return nil
}

// checkReplicas refuses a target with the id of another replica of the source: the source
// ends the connection of one when the other connects (H11).
func (i *inspection) checkReplicas(ctx context.Context) error {
	records, err := query.All(ctx, i.source.db, i.source.dialect.ListReplicas())
	if err != nil {
		return err
	}
	status := i.target.replica
	for _, r := range records {
		id := r["Server_id"] + r["Server_Id"]
		sameID := id == i.target.variables["server_id"]
		sameUUID := r["Replica_UUID"] != "" && r["Replica_UUID"] == i.target.variables["server_uuid"]
		if !sameID && !sameUUID || status.Configured && replication.IsLinkUser(status.User) {
			continue // the target itself, by its link
		}
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return fmt.Errorf("read a replica's server_id: %w", err)
		}
		what, fix := "server_id "+id, fmt.Sprintf("give the target another server_id, for example %d", n+setting.IDOffset)
		if !sameID {
			what, fix = "server_uuid "+r["Replica_UUID"], "remove auto.cnf from the target's data directory and restart it"
		}
		i.add("H11", Refuse, i.target, fix, "another replica of the source, %s, has its %s", replicaAddress(r["Host"], r["Port"]), what)
	}
	return nil
}

// replicaAddress is a replica's address, if the replica reports it.
func replicaAddress(host, port string) string {
	if host == "" {
		return "which does not tell its address"
	}
	return host + ":" + port
}

// checkOwnSchema refuses a server whose schema of the name of migrate's own holds what
// migrate did not make, or that has accounts of the names of migrate's own (H32).
func (i *inspection) checkOwnSchema(ctx context.Context, s *side) error {
	_, foreign, err := replication.InOwnSchema(ctx, s.db)
	if err == nil && len(foreign) > 0 {
		i.add("H32", Refuse, s, "rename the application's schema, or drop it if nobody needs it",
			"migrate keeps its notes in the schema %s, and one of that name, which is not migrate's, holds %s", replication.OwnSchema, phrase.FirstOf(5, foreign))
	}
	if err != nil {
		return err
	}
	accounts, err := replication.ReadOwnAccounts(ctx, s.db)
	if text, fix := accounts.Foreign(); text != "" {
		i.add("H32", Refuse, s, fix, "migrate makes accounts of these names, and those that are there are not migrate's: %s", text)
	}
	return err
}

// checkFlush refuses a side whose commits a crash can lose (H20), once both are configured.
func (i *inspection) checkFlush(s *side) {
	for _, name := range setting.FlushVariables {
		if s.variables[name] != "1" {
			i.add("H20", Refuse, s, "SET GLOBAL "+name+" = 1, in whatever sets it otherwise, too",
				"%s is %s: a crash loses rows that the other side has", name, s.variables[name])
		}
	}
}
