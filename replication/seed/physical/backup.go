package physical

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/replication/table"
	"github.com/dcmigrate/migrate/report"
)

// settingTopic names the persisted settings with which the target's server starts on the
// source's files.
const settingTopic = "seed"

// receive brings the source's files to the target's host, complete and ready to start
// with. It does not touch the target's own data.
func (p *op) receive(ctx context.Context, c choice) (notes, error) {
	n, err := p.begin(ctx, c.notes)
	if err != nil {
		return n, err
	}
	err = p.withThrottle(ctx, c.bytes, func(ctx context.Context, f *transfer) error {
		if n.Flavor.FilesMethod() == dialect.MariaDBBackup {
			return p.stream(ctx, &n, f)
		}
		return p.clone(ctx, n, f)
	})
	if err != nil {
		return n, err
	}
	n.Phase = phaseSwapping
	return n, p.writeNotes(ctx, n)
}

// begin writes the notes before the first change.
func (p *op) begin(ctx context.Context, n notes) (notes, error) {
	db, d, err := p.pair.Target.Open(ctx)
	if err != nil {
		return n, err
	}
	n.Phase, n.Received = phaseReceiving, "new-"+strings.ToLower(rand.Text()[:8])
	if n.Origin, err = replication.Identity(ctx, p.pair.Source); err != nil {
		return n, err
	}
	names := append([]string{"event_scheduler"}, d.FenceVariables()...)
	if n.Globals, err = query.Variables(ctx, db, names...); err != nil {
		return n, p.pair.Target.Wrap("read the globals", err)
	}
	if n.Persisted, err = p.passiveSettings().Read(ctx, passiveNames(d)...); err != nil {
		return n, err
	}
	if d.Flavor.FilesMethod() == dialect.ClonePlugin {
		if n.SourceHadPlugin, err = hasPlugin(ctx, p.pair.Source); err != nil {
			return n, err
		}
		if n.TargetHadPlugin, err = hasPlugin(ctx, p.pair.Target); err != nil {
			return n, err
		}
	}
	if err := p.writeNotes(ctx, n); err != nil {
		return n, err
	}
	// CLONE makes the server itself write there, so the folder belongs to the server's
	// user.
	_, err = p.runOnTarget(ctx, `dir=`+remote.Quote(n.Dir)+`; beside=`+remote.Quote(n.beside())+`
if [ -e "$beside/old" ]; then echo "$beside/old is there from an earlier seed: remove $beside if nobody needs it" >&2; exit 1; fi
rm -rf "$beside"
mkdir -m 700 "$beside"
chown --reference="$dir" "$beside"
chcon --reference="$dir" "$beside" 2>/dev/null || :`, "")
	return n, report.Wrap("make room for the files", err)
}

func (p *op) passiveSettings() setting.Persistence {
	return setting.Persistence{Server: p.pair.Target, Topic: settingTopic}
}

// backupScript writes the server's files to its output. The login travels in the script
// and is stored in a file that is unlinked at once. At its end mariadb-backup holds
// commits back until its reader of the redo log has polled once more, by default up to a
// second later. With --log-copy-interval=10 (milliseconds) the longest commit of
// BenchmarkSeedStall went from 1350 to 140 ms.
func backupScript(s *replication.Server) string {
	options := "[mariadb-backup]\nuser=" + setting.QuoteOption(s.User()) + "\npassword=" + setting.QuoteOption(s.Password().Open()) + "\n"
	if network, address := s.Address(); network == "unix" {
		options += "socket=" + setting.QuoteOption(address) + "\n"
	} else {
		host, port, _ := strings.Cut(address, ":")
		options += "host=" + setting.QuoteOption(host) + "\nport=" + port + "\n"
	}
	return `set -eu
umask 077
PATH=$PATH:/usr/local/bin:/usr/bin
tool=$(command -v mariadb-backup || command -v mariabackup)
ulimit -n "$(ulimit -Hn)" 2>/dev/null || :
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT PIPE TERM
exec 3<>"$work/options"
rm -f "$work/options"
cat >&3 <<'END OF OPTIONS'
` + options + `END OF OPTIONS
"$tool" --defaults-file=/proc/self/fd/3 --backup --stream=xbstream --parallel=2 --log-copy-interval=10 --target-dir="$work" </dev/null
`
}

// prepareScript turns received files into a data directory that a server can start with,
// and prints the binlog position of its data.
const prepareScript = `PATH=$PATH:/usr/local/bin:/usr/bin
tool=$(command -v mariadb-backup || command -v mariabackup)
ulimit -n "$(ulimit -Hn)" 2>/dev/null || :
memory=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
memory=$((${memory:-0} / 4))
if [ "$memory" -lt 102400 ]; then memory=102400; fi
if [ "$memory" -gt 4194304 ]; then memory=4194304; fi
"$tool" --prepare --use-memory="${memory}K" --target-dir="$new" </dev/null >/dev/null
for f in mariadb_backup xtrabackup; do
	if [ -e "$new/${f}_binlog_info" ]; then cat "$new/${f}_binlog_info"; break; fi
done
rm -f "$new"/xtrabackup_* "$new"/mariadb_backup_* "$new/backup-my.cnf"
chown -R --reference="$dir" "$new"
chmod --reference="$dir" "$new"
find "$new" -exec sync {} +`

// stream pipes the source's files from mariadb-backup to the target's disk, without
// storing them anywhere in between, and prepares them.
func (p *op) stream(ctx context.Context, n *notes, f *transfer) error {
	reader, writer := io.Pipe()
	paced := pacedReader{ctx: ctx, from: reader, transfer: f}
	group, both := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := p.pair.Source.Host().Run(both, backupScript(p.pair.Source), nil, writer)
		_ = writer.CloseWithError(err) // nil ends the stream
		return report.Wrap("read the files of "+p.pair.Source.Name(), err)
	})
	group.Go(func() error {
		script := "set -eu\numask 077\nPATH=$PATH:/usr/local/bin:/usr/bin\nnew=" + remote.Quote(n.beside()+"/"+n.Received) + "\nmkdir \"$new\"\nmbstream -x -p 2 -C \"$new\"\n"
		err := p.pair.Target.Host().Run(both, script, paced, nil)
		_ = reader.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		return report.Wrap("receive the files on the host of "+p.pair.Target.Name(), err)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	report.Note(ctx, "%s received from %s; the files are being prepared", phrase.Bytes(f.meter.Received()), p.pair.Source.Name())
	out, err := p.runOnTarget(ctx, "dir="+remote.Quote(n.Dir)+"; new="+remote.Quote(n.beside()+"/"+n.Received)+"\n"+prepareScript, "")
	if err != nil {
		return fmt.Errorf("prepare the files: %w", err)
	}
	n.GTIDs, err = backupPosition(n.Flavor, out)
	return err
}

// backupPosition parses the position that mariadb-backup reports: binlog file, offset and
// GTIDs. The GTIDs are absent while the server has none.
func backupPosition(flavor dialect.Flavor, text string) (string, error) {
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return "", report.WithHint(fmt.Errorf("the backup tells no position in the binlog: %q", text), "turn the source's binlog on (log_bin)")
	}
	set, err := replication.ParseGTIDSet(flavor, strings.Join(fields[2:], ""))
	if err != nil {
		return "", fmt.Errorf("read the backup's position: %w", err)
	}
	return set.String(), nil
}

// pacedReader counts the bytes that pass, and holds them to the throttle.
type pacedReader struct {
	ctx      context.Context //nolint:containedctx // io.Reader has no context
	from     io.Reader
	transfer *transfer
}

// pacedChunk is the largest size of one read, in bytes.
const pacedChunk = 256 << 10

// Read implements io.Reader.
func (r pacedReader) Read(b []byte) (int, error) {
	n, err := r.from.Read(b[:min(len(b), pacedChunk)])
	r.transfer.meter.Add(table.Name{}, 0, int64(n))
	if err != nil {
		return n, err
	}
	r.transfer.throttle.Count(int64(n))
	return n, r.transfer.throttle.Wait(r.ctx)
}
