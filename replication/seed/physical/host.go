package physical

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
)

// hostFacts runs a script on a host and returns its output, lines of the form
// "name=value".
func hostFacts(ctx context.Context, host remote.Host, script string) (map[string]string, error) {
	var out bytes.Buffer
	if err := host.Run(ctx, script, nil, &out); err != nil {
		return nil, fmt.Errorf("look at %s: %w", host.Name(), err)
	}
	found := map[string]string{}
	for line := range strings.Lines(out.String()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			found[name] = value
		}
	}
	return found, nil
}

// toolScript prints which mariadb-backup a host has.
const toolScript = `PATH=$PATH:/usr/local/bin:/usr/bin
for t in mariadb-backup mariabackup; do
	if command -v $t >/dev/null 2>&1; then echo "backup=$($t --version 2>&1 | tail -n 1)"; break; fi
done
for t in mbstream; do
	if command -v $t >/dev/null 2>&1; then echo "stream=$t"; fi
done
`

var toolVersion = regexp.MustCompile(`server (\d+)\.(\d+)\.`)

// toolObstacles checks that a host's mariadb-backup belongs to the server's series.
func toolObstacles(found map[string]string, host string, d *dialect.Dialect) []obstacle {
	install := fmt.Sprintf("apt-get install mariadb-backup on %s", host)
	if found["backup"] == "" || found["stream"] == "" {
		return []obstacle{{"mariadb-backup is not installed on " + host, install}}
	}
	m := toolVersion.FindStringSubmatch(found["backup"])
	if series := d.Series(); m == nil || m[1]+"."+m[2] != series {
		return []obstacle{{fmt.Sprintf("mariadb-backup on %s is not of MariaDB %s: %s", host, series, found["backup"]), install}}
	}
	return nil
}

// sourceTool checks for the program or plugin that reads the source's files.
func (p *op) sourceTool(ctx context.Context, d *dialect.Dialect) ([]obstacle, error) {
	s := p.pair.Source
	if d.Flavor.FilesMethod() == dialect.ClonePlugin {
		return p.cloneObstacles(ctx, s)
	}
	if s.Host() == nil {
		return []obstacle{{"the host of " + s.Name() + " cannot be reached", ""}}, nil
	}
	found, err := hostFacts(ctx, s.Host(), toolScript)
	if err != nil {
		return nil, err
	}
	return toolObstacles(found, s.Host().Name(), d), nil
}

// targetHost checks everything that receiving, preparing and swapping need on the target's
// host, and fills in the choice's notes.
func (p *op) targetHost(ctx context.Context, d *dialect.Dialect, c *choice) ([]obstacle, error) {
	t := p.pair.Target
	if t.Host() == nil {
		return []obstacle{{"the host of " + t.Name() + " cannot be reached", ""}}, nil
	}
	db, err := t.DB(ctx)
	if err != nil {
		return nil, err
	}
	v, err := query.Variables(ctx, db, "datadir", "log_bin_basename")
	if err != nil {
		return nil, t.Wrap("read datadir", err)
	}
	file, err := setting.PidFile(ctx, t)
	if err != nil {
		return nil, err
	}
	found, err := hostFacts(ctx, t.Host(), toolScript+`dir=$(readlink -f `+remote.Quote(v["datadir"])+`) || exit 1
echo "dir=$dir"
echo "devices=$(stat -c %d "$dir") $(stat -c %d "$(dirname "$dir")")"
set -- $(df -Pk "$dir" | tail -n 1)
echo "free=$4"
echo "confined=$(tr -d '\0' <"/proc/$(cat `+remote.Quote(file)+`)/attr/current" 2>/dev/null)"
`)
	if err != nil {
		return nil, err
	}
	var out []obstacle
	if d.Flavor.FilesMethod() == dialect.MariaDBBackup {
		out = append(out, toolObstacles(found, t.Host().Name(), d)...)
	} else {
		more, err := p.cloneObstacles(ctx, t)
		if err != nil {
			return nil, err
		}
		out = append(append(out, more...), p.confinement(found, v["datadir"], v["log_bin_basename"])...)
	}
	if devices := strings.Fields(found["devices"]); len(devices) != 2 || devices[0] != devices[1] {
		out = append(out, obstacle{found["dir"] + " is a mount of its own, and cannot be renamed", "give the server a data directory below the mount"})
	}
	if out, err = p.addDiskObstacle(out, found, c); err != nil {
		return nil, err
	}
	unit, err := p.options.Service.Unit(ctx, t)
	if err != nil {
		return append(out, obstacle{err.Error(), "run the server as a service of systemd"}), nil //nolint:nilerr // the error is the obstacle
	}
	c.notes = notes{Flavor: d.Flavor, Dir: found["dir"], Unit: unit}
	return out, nil
}

// confinement checks that a server that clones may write beside its data directory, and
// that it keeps everything that must change places with the directory inside of it.
func (p *op) confinement(found map[string]string, dir, binlog string) []obstacle {
	var out []obstacle
	t := p.pair.Target
	if profile := found["confined"]; strings.Contains(profile, "(enforce)") && strings.Contains(profile, "mysqld") {
		out = append(out, obstacle{
			"AppArmor keeps " + t.Name() + " inside its data directory",
			fmt.Sprintf("add the line %q to /etc/apparmor.d/local/usr.sbin.mysqld on %s and reload the profile", found["dir"]+besideSuffix+"/** rwk,", t.Host().Name()),
		})
	}
	if binlog != "" && !strings.HasPrefix(binlog, dir) && !strings.HasPrefix(binlog, found["dir"]) {
		out = append(out, obstacle{"the target keeps its binlog outside of its data directory, at " + binlog, "set log_bin to a name without a path"})
	}
	return out
}

// addDiskObstacle checks that the files fit beside the target's own data, with an
// allowance for the source's redo log and its growth in the meantime.
func (p *op) addDiskObstacle(out []obstacle, found map[string]string, c *choice) ([]obstacle, error) {
	free, err := strconv.ParseInt(found["free"], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("look at %s: free space %q", p.pair.Target.Host().Name(), found["free"])
	}
	need := c.bytes + c.bytes/10 + 512<<20
	if free<<10 < need {
		out = append(out, obstacle{
			fmt.Sprintf("the disk of %s has %s free, and the files take up to %s", p.pair.Target.Host().Name(), phrase.Bytes(free<<10), phrase.Bytes(need)),
			"give the target a larger disk",
		})
	}
	return out, nil
}

// versions checks that the target's version can use the source's files.
func (p *op) versions(ctx context.Context, from *dialect.Dialect) ([]obstacle, error) {
	to, err := p.pair.Target.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	if to.FilesFit(from) {
		return nil, nil
	}
	return []obstacle{{fmt.Sprintf("the files of %s are not for %s", from, to), fmt.Sprintf("install %s on the target", from)}}, nil
}

// settings checks that the settings which fix the files' format and places agree.
func (p *op) settings(ctx context.Context, d *dialect.Dialect) ([]obstacle, error) {
	equal := d.FileSettings()
	inside := []string{"innodb_data_home_dir", "innodb_undo_directory", "innodb_log_group_home_dir"}
	var values []map[string]string
	var found []obstacle
	for _, s := range []*replication.Server{p.pair.Source, p.pair.Target} {
		db, err := s.DB(ctx)
		if err != nil {
			return nil, err
		}
		v, err := query.Variables(ctx, db, append(append([]string{"datadir"}, equal...), inside...)...)
		if err != nil {
			return nil, s.Wrap("read the settings of InnoDB", err)
		}
		values = append(values, v)
		for _, name := range inside {
			dir := strings.TrimSuffix(v[name], "/")
			if dir != "" && dir != "." && dir != strings.TrimSuffix(v["datadir"], "/") {
				found = append(found, obstacle{fmt.Sprintf("%s of %s is %s, outside of its data directory", name, s.Name(), v[name]), ""})
			}
		}
	}
	for _, name := range equal {
		if values[0][name] != values[1][name] {
			found = append(found, obstacle{
				fmt.Sprintf("%s is %s on the source and %s on the target", name, values[0][name], values[1][name]),
				fmt.Sprintf("set up the target's server with %s=%s", name, values[0][name]),
			})
		}
	}
	return found, nil
}

// login checks that the account that migrate uses on the target exists on the source with
// the same password: the files bring the source's accounts.
func (p *op) login(ctx context.Context, _ *dialect.Dialect) ([]obstacle, error) {
	const who = "SELECT CURRENT_USER()"
	db, err := p.pair.Target.DB(ctx)
	if err != nil {
		return nil, err
	}
	there, err := query.Text(ctx, db, who)
	if err != nil {
		return nil, p.pair.Target.Wrap("read the login", err)
	}
	probe := p.pair.Source.WithLogin(p.pair.Target.User(), p.pair.Target.Password())
	defer func() { _ = probe.Close() }()
	fix := "give both servers the same login in databases[], with the same password"
	session, err := probe.Session(ctx, dialect.Unlogged)
	if number := query.ErrorNumber(err); number == 1045 || number == 1698 || number == 1227 {
		return []obstacle{{"migrate's login on the target, " + there + ", cannot do the same on the source, whose accounts come with the files", fix}}, nil
	}
	if err != nil {
		return nil, err
	}
	defer session.Close()
	here, err := query.Text(ctx, session, who)
	if err != nil {
		return nil, p.pair.Source.Wrap("read the login", err)
	}
	if here != there {
		return []obstacle{{fmt.Sprintf("migrate logs in to the target as %s and to the source as %s, and the source's accounts come with the files", there, here), fix}}, nil
	}
	return nil, nil
}
