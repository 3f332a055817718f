package preflight

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/report"
)

const (
	day = 24 * time.Hour
	// burstFactor and burstLeast say from where on a stretch of the binlog is a
	// burst: so many times the average, and so many bytes a second.
	burstFactor = 10
	burstLeast  = 1 << 20
	burstFile   = 16 << 20 // smaller files say little
)

// binlogFiles is what a server's machine says of its binlog.
type binlogFiles struct {
	free  int64 // bytes on its file system
	files []binlogFile
}

// binlogFile is one file; it was written to until its time.
type binlogFile struct {
	bytes   int64
	written time.Time
}

// readBinlogFiles asks the server's machine, which there must be.
func readBinlogFiles(ctx context.Context, s *side) (binlogFiles, error) {
	base := s.variables["log_bin_basename"]
	out, err := hostOutput(ctx, s, `set -eu
base=`+remote.Quote(base)+`
df -Pk -- "$(dirname -- "$base")" | awk 'END { print $4 }'
stat -c '%s %Y' -- "$base".[0-9]*[0-9]
`)
	if err != nil {
		return binlogFiles{}, err
	}
	var b binlogFiles
	for n, line := range strings.Split(strings.TrimSpace(out), "\n") {
		fields := strings.Fields(line)
		var numbers [2]int64
		for i, field := range fields {
			if i == len(numbers) {
				break
			}
			if numbers[i], err = strconv.ParseInt(field, 10, 64); err != nil {
				return binlogFiles{}, fmt.Errorf("read the sizes of the binlog: %w", err)
			}
		}
		if n == 0 {
			b.free = numbers[0] << 10
			continue
		}
		b.files = append(b.files, binlogFile{numbers[0], time.Unix(numbers[1], 0)})
	}
	slices.SortFunc(b.files, func(x, y binlogFile) int { return x.written.Compare(y.written) })
	return b, nil
}

// hostOutput runs a script on the server's machine.
func hostOutput(ctx context.Context, s *side, script string) (string, error) {
	var out bytes.Buffer
	if err := s.Host().Run(ctx, script, nil, &out); err != nil {
		return "", err
	}
	return out.String(), nil
}

// size is how much there is.
func (b binlogFiles) size() (sum int64) {
	for _, f := range b.files {
		sum += f.bytes
	}
	return sum
}

// perDay is how much is written a day, by the times of the files: each was
// begun when the one before it was ended. What is there of less than a day
// counts as a day's.
func (b binlogFiles) perDay() int64 {
	n := len(b.files)
	if n == 0 {
		return 0
	}
	span := b.files[n-1].written.Sub(b.files[0].written)
	if span < day {
		return b.size()
	}
	return int64(float64(b.size()-b.files[0].bytes) * float64(day) / float64(span))
}

// peak is the most that was written in a second, on the average of one file.
func (b binlogFiles) peak() (perSecond int64) {
	for i := 1; i < len(b.files); i++ {
		if b.files[i].bytes < burstFile {
			continue
		}
		took := max(b.files[i].written.Sub(b.files[i-1].written), time.Second)
		perSecond = max(perSecond, int64(float64(b.files[i].bytes)/took.Seconds()))
	}
	return perSecond
}

// checkBinlogGrowth looks whether the source can keep its binlog for the move,
// and has room for it (H19).
func (i *inspection) checkBinlogGrowth(ctx context.Context) error {
	s := i.source
	if size := s.variables["max_binlog_total_size"]; size != "" && size != "0" {
		i.add("H19", Refuse, s, "SET GLOBAL max_binlog_total_size = 0 for the move, in the option file too",
			"max_binlog_total_size is %s: the binlog is purged by its size, whatever its age", size)
	}
	if err := i.checkSeedTime(ctx); err != nil {
		return err
	}
	if !dialect.IsOn(s.variables["log_bin"]) {
		return nil // refused already (H4)
	}
	if s.Host() == nil {
		i.add("H19", Warn, s, fmt.Sprintf("see to it that its disk holds %d days of binlog", int(setting.KeepBinlogs/day)),
			"migrate does not reach its machine: the free disk for the binlog cannot be told")
		return nil
	}
	b, err := readBinlogFiles(ctx, s)
	if err != nil {
		return i.unreadable(ctx, "H19", s, "the free disk for the binlog", err)
	}
	perDay := b.perDay()
	fix := fmt.Sprintf("make room for %s where %s is", phrase.Bytes(perDay*int64(setting.KeepBinlogs/day)), s.variables["log_bin_basename"])
	found := fmt.Sprintf("the binlog grows by %s a day and is kept for %d days, and its disk has %s left",
		phrase.Bytes(perDay), int(setting.KeepBinlogs/day), phrase.Bytes(b.free))
	switch {
	case b.free < perDay:
		i.add("H19", Refuse, s, fix, "%s: less than a day", found)
	case b.free+b.size() < perDay*int64(setting.KeepBinlogs/day):
		i.add("H19", Warn, s, fix, "%s: %.1f days", found, float64(b.free)/float64(perDay))
	}
	i.checkPeak(b, perDay)
	return nil
}

// unreadable is the finding that a machine does not tell something. Only the
// end of ctx is an error.
func (i *inspection) unreadable(ctx context.Context, hazard string, s *side, what string, err error) error {
	if ctx.Err() != nil || errors.Is(err, replication.ErrNotProvisioned) {
		return err
	}
	var exit *remote.ExitError
	if !errors.As(err, &exit) {
		return report.Transient(err, 0)
	}
	i.add(hazard, Warn, s, "look yourself", "%s cannot be told: %v", what, err)
	return nil
}

// checkPeak warns of what a link will have to carry at its worst (H22).
func (i *inspection) checkPeak(b binlogFiles, perDay int64) {
	average := perDay / int64(day/time.Second)
	if peak := b.peak(); peak >= burstLeast && peak > burstFactor*average {
		i.add("H22", Warn, i.source, "see to it that the network between the sites carries that; keep such jobs away from the cutover, whose gates wait for the link",
			"the binlog has grown by up to %s a second, %s on the average", phrase.Bytes(peak), phrase.Bytes(average))
	}
}

// checkSeedTime compares how long the seed must take with how long the binlog is kept (H19).
func (i *inspection) checkSeedTime(ctx context.Context) error {
	if i.opts.SeedRate <= 0 {
		return nil
	}
	data, err := i.dataBytes(ctx, i.source)
	if err != nil {
		return err
	}
	takes := time.Duration(float64(data) / float64(i.opts.SeedRate) * float64(time.Second))
	kept := setting.KeepBinlogs
	expire, err := strconv.ParseInt(i.source.variables[setting.ExpireVariable], 10, 64)
	if err == nil {
		kept = max(kept, time.Duration(expire)*time.Second)
	}
	if err == nil && expire == 0 || takes < kept {
		return nil // 0 keeps it for ever
	}
	i.add("H19", Refuse, i.source, fmt.Sprintf("raise databases[].throttle.rate, or SET GLOBAL %s = %d", setting.ExpireVariable, int64(2*takes.Seconds())),
		"the seed of %s takes %d days at %s a second, and the binlog is kept for %d", phrase.Bytes(data), takes/day, phrase.Bytes(i.opts.SeedRate), kept/day)
	return nil
}

// dataBytes is how much the pair's schemas hold on a side, indexes included, by
// the server's statistics.
func (i *inspection) dataBytes(ctx context.Context, s *side) (int64, error) {
	condition, args := s.inSchemas("TABLE_SCHEMA")
	session, err := s.Session(ctx, s.dialect.FreshStatistics()...)
	if err != nil {
		return 0, err
	}
	defer session.Close()
	text, err := query.Text(ctx, session, "SELECT COALESCE(SUM(COALESCE(DATA_LENGTH, 0) + COALESCE(INDEX_LENGTH, 0)), 0) FROM information_schema.TABLES WHERE "+condition, args...)
	return query.Number(text), err
}

// statusCounters reads counters of SHOW GLOBAL STATUS; those that the server lacks are 0.
func statusCounters(ctx context.Context, q query.Queryer, names ...string) (map[string]int64, error) {
	args := make([]any, len(names))
	for i, name := range names {
		args[i] = name
	}
	records, err := query.All(ctx, q, "SHOW GLOBAL STATUS WHERE Variable_name IN ("+strings.Repeat(",?", len(names))[1:]+")", args...)
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	out := map[string]int64{}
	for _, r := range records {
		out[r["Variable_name"]] = query.Number(r["Value"])
	}
	return out, nil
}

// Transactions that are larger than the binlog's cache are worth a warning from
// this share of all on, in a hundred, and when there are so many.
const (
	largeShare = 1
	largeLeast = 10
)

// checkBursts looks for what makes a link fall behind: large transactions and
// LOAD DATA (H22).
func (i *inspection) checkBursts(ctx context.Context) error {
	n, err := statusCounters(ctx, i.source.db, "Binlog_cache_use", "Binlog_cache_disk_use", "Com_load")
	if err != nil {
		return err
	}
	const fix = "change much in parts of some thousand rows, and not near the cutover: its gates wait for the link"
	if large := n["Binlog_cache_disk_use"]; large >= largeLeast && large*100 > n["Binlog_cache_use"]*largeShare {
		i.add("H22", Warn, i.source, fix, "%d of %d transactions were larger than binlog_cache_size: each is sent and applied as one",
			large, n["Binlog_cache_use"])
	}
	if n["Com_load"] > 0 {
		i.add("H22", Warn, i.source, fix, "LOAD DATA ran %d times since the server's start", n["Com_load"])
	}
	return nil
}
