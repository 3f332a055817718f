package setting

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// comparedGlobals are the globals that must be equal on both sides of a pair (H17): with
// other values the same statement of the application does something else. If a name
// differs between versions, the older name is second.
var comparedGlobals = [][]string{
	{"sql_mode"},
	{"character_set_server"},
	{"collation_server"},
	{"time_zone"},
	{"max_allowed_packet"},
	{"lower_case_table_names"},
	{"default_storage_engine"},
	{"transaction_isolation", "tx_isolation"},
	{"explicit_defaults_for_timestamp"},
	{"innodb_strict_mode"},
	{"innodb_default_row_format"},
	{"group_concat_max_len"},
	{"log_bin_trust_function_creators"},
	{"event_scheduler"},
	{"max_connections"},
	{"ft_min_word_len"},
	{"innodb_ft_min_token_size"},
	{"innodb_ft_max_token_size"},
	{"old_mode"},
	{"init_connect"},
	{"autocommit"},
	{"div_precision_increment"},
	{"partial_revokes"},
	{"mandatory_roles"},
	{"activate_all_roles_on_login"},
	{"restrict_fk_on_non_standard_key"},
	{"character_set_collations"},
	{"default_week_format"},
	{"secure_timestamp"},
}

// minimumGlobals are the compared globals whose value may be greater on the target.
var minimumGlobals = []string{"max_allowed_packet", "group_concat_max_len", "max_connections"}

// LenientGlobals are the compared globals that may be off on the target: a link turns them
// off for its appliers until it ends (dialect.ApplierSettings).
var LenientGlobals = []string{"innodb_strict_mode"}

// ComparedGlobals reads the compared globals, by their first name. Globals that the server
// lacks are absent.
func ComparedGlobals(ctx context.Context, q query.Queryer) (map[string]string, error) {
	var all []string
	for _, spellings := range comparedGlobals {
		all = append(all, spellings...)
	}
	values, err := query.Variables(ctx, q, all...)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, spellings := range comparedGlobals {
		for _, name := range spellings {
			if value, ok := values[name]; ok {
				out[spellings[0]] = value
				break
			}
		}
	}
	return out, nil
}

// GlobalSuffices reports whether the target's value of a global is as good as the wanted
// one.
func GlobalSuffices(name, have, want string) bool {
	if slices.Contains(LenientGlobals, name) && SameValue(have, "OFF") {
		return true
	}
	if slices.Contains(minimumGlobals, name) {
		h, errH := strconv.ParseUint(have, 10, 64)
		w, errW := strconv.ParseUint(want, 10, 64)
		if errH == nil && errW == nil {
			return h >= w
		}
	}
	return SameValue(have, want)
}

// SameValue reports whether two spellings of a variable's value mean the same: ON is 1, and
// the order of a list does not count.
func SameValue(a, b string) bool { return canonical(a) == canonical(b) }

func canonical(value string) string {
	value = strings.ToLower(strings.TrimSpace(value))
	switch value {
	case "on", "yes", "true":
		return "1"
	case "off", "no", "false":
		return "0"
	}
	if strings.Contains(value, ",") {
		parts := strings.Split(value, ",")
		slices.Sort(parts)
		return strings.Join(parts, ",")
	}
	return value
}

// SetGlobals sets global variables in the order of their names.
func SetGlobals(ctx context.Context, e query.Execer, values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := query.SetGlobal(ctx, e, name, values[name]); err != nil {
			return err
		}
	}
	return nil
}

// SameSettings reports whether a server has the wanted values.
func SameSettings(have, want map[string]string) bool {
	for name, value := range want {
		if !strings.EqualFold(have[name], value) {
			return false
		}
	}
	return true
}
