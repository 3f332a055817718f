package preflight

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
)

// noticeableGlobals are globals that the application may notice and that migrate does not
// set on the target: in option files some have other names or none (H17).
var noticeableGlobals = []string{
	"character_set_client", "character_set_connection", "character_set_results", "collation_connection",
	"character_set_filesystem", "wait_timeout", "interactive_timeout", "innodb_lock_wait_timeout", "lock_wait_timeout",
	"net_read_timeout", "net_write_timeout", "local_infile", "completion_type", "sql_auto_is_null", "big_tables",
	"default_password_lifetime", "require_secure_transport", "innodb_file_per_table", "default_table_encryption",
	"innodb_ft_enable_stopword", "ngram_token_size", "low_priority_updates", "sql_safe_updates",
}

// checkGlobals compares the globals that must be equal on both sides (H17).
func (i *inspection) checkGlobals() {
	for _, name := range slices.Sorted(maps.Keys(i.source.compared)) {
		want := i.source.compared[name]
		have, ok := i.target.compared[name]
		switch {
		case !ok:
			i.add("H17", Warn, i.target, "see what the newer version does in its place", "it has no %s; the source's is %q", name, want)
		case !setting.GlobalSuffices(name, have, want):
			i.add("H17", Refuse, i.target, "set it to the source's value", "%s is %q, the source's is %q", name, have, want)
		}
	}
	i.checkPageSize()
	if len(i.keyless) == 0 {
		return
	}
	for _, name := range []string{"innodb_force_primary_key", "sql_require_primary_key", "sql_generate_invisible_primary_key"} {
		if have := i.target.variables[name]; have != "" && dialect.IsOn(have) && !setting.SameValue(have, i.source.variables[name]) {
			i.add("H17", Refuse, i.target, "SET GLOBAL "+name+" = OFF, in the option file too",
				"%s is on, and the source has tables without a primary key: %s", name, phrase.FirstOf(5, i.keyless))
		}
	}
}

// checkPageSize refuses a target with smaller pages: a row that fits on the source may not
// fit there.
func (i *inspection) checkPageSize() {
	have, want := query.Number(i.target.variables["innodb_page_size"]), query.Number(i.source.variables["innodb_page_size"])
	if have != want {
		severity := Warn
		if have < want {
			severity = Refuse
		}
		i.add("H17", severity, i.target, fmt.Sprintf("initialise its data directory again with innodb_page_size=%d", want),
			"innodb_page_size is %d, the source's is %d", have, want)
	}
}

// checkNoticeableGlobals compares the globals that migrate does not set.
func (i *inspection) checkNoticeableGlobals(ctx context.Context) error {
	source, err := query.Variables(ctx, i.source.db, noticeableGlobals...)
	if err != nil {
		return err
	}
	target, err := query.Variables(ctx, i.target.db, noticeableGlobals...)
	if err != nil {
		return err
	}
	for _, name := range noticeableGlobals {
		want, there := source[name]
		have, here := target[name]
		if there && here && !setting.SameValue(have, want) {
			i.add("H17", Warn, i.target, "SET GLOBAL "+name+" to the source's value, in the option file too, where the application counts on it",
				"%s is %q, the source's is %q", name, have, want)
		}
	}
	return nil
}
