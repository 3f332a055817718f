package setting

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
)

// options is what the drop-in file holds: all that is wrong now, the ids, and
// what the file itself set before, which a new file must not lose.
func (c *configureTarget) fileOptions(wrong, want map[string]string) map[string]string {
	options := map[string]string{}
	for name, value := range want {
		_, isWrong := wrong[name]
		if !isWrong && (value == "" || strings.EqualFold(value, "SYSTEM")) {
			continue
		}
		switch name {
		case "log_bin":
			if !isWrong {
				continue // its value is a file name, and it has one
			}
			value = "binlog"
		case "binlog_format", "log_bin_compress", "old_mode", "secure_timestamp", "character_set_collations":
			if !isWrong {
				continue // deprecated or unknown elsewhere: only where it must be
			}
		}
		options[optionName(name)] = value
	}
	return options
}

func (c *configureTarget) writeFile(ctx context.Context, options map[string]string) error {
	var b strings.Builder
	b.WriteString("# written by migrate, and removed by it again\n[mysqld]\n")
	for _, name := range slices.Sorted(maps.Keys(options)) {
		fmt.Fprintf(&b, "%s = %s\n", name, optionValue(options[name]))
	}
	return c.replaceFile(ctx, b.String())
}

func (c *configureTarget) replaceFile(ctx context.Context, text string) error {
	_, err := c.persistence().inFile(ctx, `umask 022; cat >"$file.new"; sync; mv -f "$file.new" "$file"`, text)
	return err
}

// optionValue quotes a value for an option file where it needs it.
func optionValue(value string) string {
	if value == "" || strings.ContainsAny(value, " #'\"\\\t") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
	}
	return value
}

func (c *configureTarget) restoreFile(ctx context.Context, text string) error {
	now, err := c.persistence().inFile(ctx, `cat "$file" 2>/dev/null || :`, "")
	if err != nil || now == text {
		return err
	}
	if text != "" {
		err = c.replaceFile(ctx, text)
	} else {
		_, err = c.persistence().inFile(ctx, `rm -f "$file" "$file.new"`, "")
	}
	if err != nil {
		return err
	}
	return replication.Restart(ctx, c.pair.Target)
}

// ClientOption quotes a value for an option file.
func ClientOption(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text) + `"`
}

// PidFile is the file with the server's process id.
func PidFile(ctx context.Context, s *replication.Server) (string, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return "", err
	}
	v, err := query.Variables(ctx, db, "pid_file", "datadir")
	if err != nil {
		return "", s.Wrap("read pid_file", err)
	}
	if strings.HasPrefix(v["pid_file"], "/") {
		return v["pid_file"], nil
	}
	return strings.TrimSuffix(v["datadir"], "/") + "/" + v["pid_file"], nil
}
