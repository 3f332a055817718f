package setting

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
)

// The topics. Each names the drop-in file of one purpose.
const (
	FenceTopic     = "fence"
	IncrementTopic = "increment"
	LinkTopic      = "link"
	binlogTopic    = "binlog"
)

// Persistence makes global variables survive a restart of a server. MySQL keeps them
// itself (SET PERSIST_ONLY). On MariaDB an option file in the server's drop-in folder does,
// for which the server needs a Host.
type Persistence struct {
	Server *replication.Server
	Topic  string
}

// exitNoFolder is the status of inFile's script if no option file includes a folder.
const exitNoFolder = 3

// Supported reports whether the server can keep variables.
func (p Persistence) Supported(ctx context.Context) (bool, error) {
	dialect, err := p.Server.Dialect(ctx)
	if err != nil {
		return false, err
	}
	return dialect.PersistsVariables() || p.Server.Host() != nil, nil
}

// Read returns the kept values of those of the variables that are kept.
func (p Persistence) Read(ctx context.Context, names ...string) (map[string]string, error) {
	db, dialect, err := p.Server.Open(ctx)
	if err != nil {
		return nil, err
	}
	kept := map[string]string{}
	if !dialect.PersistsVariables() {
		text, err := p.inFile(ctx, `cat "$file" 2>/dev/null || :`, "")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(text) {
			name, value, found := strings.Cut(line, "=")
			if name = strings.TrimSpace(name); found && slices.Contains(names, name) {
				kept[name] = strings.TrimSpace(value)
			}
		}
		return kept, nil
	}
	records, err := query.All(ctx, db,
		"SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value FROM performance_schema.persisted_variables")
	if err != nil {
		return nil, p.Server.Wrap("read persisted variables", err)
	}
	for _, r := range records {
		if slices.Contains(names, r["name"]) {
			kept[r["name"]] = r["value"]
		}
	}
	return kept, nil
}

// Write keeps the variables and reads them back. The running values do not change.
func (p Persistence) Write(ctx context.Context, values map[string]string) error {
	db, dialect, err := p.Server.Open(ctx)
	if err != nil {
		return err
	}
	if !dialect.PersistsVariables() {
		var b strings.Builder
		b.WriteString("# written by migrate, and removed by it again\n[mysqld]\n")
		for _, name := range slices.Sorted(maps.Keys(values)) {
			fmt.Fprintf(&b, "%s = %s\n", name, values[name])
		}
		written, err := p.inFile(ctx, `umask 022; cat >"$file.new"; sync; mv -f "$file.new" "$file"; cat "$file"`, b.String())
		if err == nil && p.Server.Host() != nil && written != b.String() {
			err = p.Server.Wrap("keep variables in a drop-in file", errors.New("it reads back otherwise"))
		}
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		statement := "SET PERSIST_ONLY " + query.Quote(name) + " = " + query.VariableValue(values[name])
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return p.Server.Wrap("persist "+name, err)
		}
	}
	kept, err := p.Read(ctx, slices.Collect(maps.Keys(values))...)
	if err == nil && len(kept) < len(values) {
		err = p.Server.Wrap("persist variables", errors.New("they read back otherwise"))
	}
	return err
}

// Forget removes the kept values of the variables.
func (p Persistence) Forget(ctx context.Context, names ...string) error {
	db, dialect, err := p.Server.Open(ctx)
	if err != nil {
		return err
	}
	if !dialect.PersistsVariables() {
		_, err := p.inFile(ctx, `rm -f "$file" "$file.new"`, "")
		return err
	}
	for _, name := range names {
		if _, err := db.ExecContext(ctx, "RESET PERSIST IF EXISTS "+query.Quote(name)); err != nil {
			return p.Server.Wrap("persist "+name+" no longer", err)
		}
	}
	return nil
}

// Restore keeps the given values, and of the other names none.
func (p Persistence) Restore(ctx context.Context, kept map[string]string, names ...string) error {
	if err := p.Forget(ctx, names...); err != nil || len(kept) == 0 {
		return err
	}
	return p.Write(ctx, kept)
}

// Path returns the path of the drop-in file on the server's host, or "" without a Host.
func (p Persistence) Path(ctx context.Context) (string, error) {
	return p.inFile(ctx, `printf %s "$file"`, "")
}

// inFile runs a script in which $file is the drop-in file. Without a Host it does nothing.
//
// The folder is the last one that the server's main option file includes. The main file
// is the one on the server's command line, else one of the distributions' files.
func (p Persistence) inFile(ctx context.Context, script, input string) (string, error) {
	host := p.Server.Host()
	if host == nil {
		return "", nil
	}
	pidFile, err := PidFile(ctx, p.Server)
	if err != nil {
		return "", err
	}
	find := `set -eu
conf=
if pid=$(cat ` + remote.Quote(pidFile) + ` 2>/dev/null); then
	conf=$(tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | sed -n 's/^--defaults-file=//p' | head -n 1)
fi
file=
for f in "$conf" /etc/mysql/my.cnf /etc/my.cnf; do
	if [ -z "$file" ] && [ -n "$f" ] && [ -f "$f" ]; then
		dir=$(sed -n 's/^!includedir[[:space:]]*//p' "$f" | tail -n 1)
		dir=${dir%/}
		if [ -n "$dir" ] && [ -d "$dir" ]; then file=$dir/zz-migrate-` + p.Topic + `.cnf; fi
	fi
done
[ -n "$file" ] || exit 3
`
	var out bytes.Buffer
	err = host.Run(ctx, find+script+"\n", strings.NewReader(input), &out)
	if remote.ExitStatus(err) == exitNoFolder {
		err = fmt.Errorf("no option file of the server includes a folder of drop-in files: %w", err)
	}
	if err != nil {
		return "", p.Server.Wrap("keep variables in a drop-in file", err)
	}
	return out.String(), nil
}
