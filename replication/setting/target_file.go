package setting

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/replication"
)

// fileOptions returns the options of the drop-in file. They are the variables that are
// wrong now, the ids, and the variables that are right, perhaps because the present file
// sets them: the new file must not lose those.
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
				continue // its value is a file name, and the server has one
			}
			value = "binlog"
		case "binlog_format", "log_bin_compress", "old_mode", "secure_timestamp", "character_set_collations":
			if !isWrong {
				continue // deprecated or unknown in other versions: set it only if it is wrong
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
