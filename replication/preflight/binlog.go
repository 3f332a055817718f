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
	// A binlog file was written in a burst if it grew by burstFactor times the average, and
	// by minBurst bytes a second.
	burstFactor  = 10
	minBurst     = 1 << 20
	minBurstFile = 16 << 20 // bytes; smaller files say little
)

// binlogFiles are the files of a server's binlog, oldest first.
type binlogFiles struct {
	free  int64 // bytes on its file system
	files []binlogFile
}

// binlogFile is one file, and when it was last written to.
type binlogFile struct {
	bytes   int64
	written time.Time
}

// readBinlogFiles reads them on the server's host, which must be reachable.
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

// hostOutput is the output of a script on the server's host.
func hostOutput(ctx context.Context, s *side, script string) (string, error) {
	var out bytes.Buffer
	if err := s.Host().Run(ctx, script, nil, &out); err != nil {
		return "", err
	}
	return out.String(), nil
}

// size is the size of all files in bytes.
func (b binlogFiles) size() (sum int64) {
	for _, f := range b.files {
		sum += f.bytes
	}
	return sum
}

// perDay is how many bytes are written a day, by the times of the files: each was begun
// when the one before it ended. The files of less than a day count as a day's.
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

// peak is the highest rate at which one file was written, in bytes a second.
func (b binlogFiles) peak() (perSecond int64) {
	for i := 1; i < len(b.files); i++ {
		if b.files[i].bytes < minBurstFile {
			continue
		}
		took := max(b.files[i].written.Sub(b.files[i-1].written), time.Second)
		perSecond = max(perSecond, int64(float64(b.files[i].bytes)/took.Seconds()))
	}
	return perSecond
}

// checkBinlogGrowth checks that the source keeps its binlog for the move, and has room for
// it (H19).
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
		i.add("H19", Warn, s, fmt.Sprintf("make sure that its disk holds %d days of binlog", int(setting.KeepBinlogs/day)),
			"migrate does not reach its machine: the free disk for the binlog is unknown")
		return nil
	}
	b, err := readBinlogFiles(ctx, s)
	if err != nil {
		return i.addUnreadable(ctx, "H19", s, "the free disk for the binlog", err)
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

// addUnreadable adds the finding that a script on the host failed to read something. It
// returns an error if the host is lost or ctx has ended.
func (i *inspection) addUnreadable(ctx context.Context, hazard string, s *side, what string, err error) error {
	if ctx.Err() != nil || errors.Is(err, replication.ErrNotProvisioned) {
		return err
	}
	var exit *remote.ExitError
	if !errors.As(err, &exit) {
		return report.Transient(err, 0)
	}
	i.add(hazard, Warn, s, "check it by hand", "%s is unknown: %v", what, err)
	return nil
}

// checkPeak warns of bursts that a link will have to carry (H22).
func (i *inspection) checkPeak(b binlogFiles, perDay int64) {
	average := perDay / int64(day/time.Second)
	if peak := b.peak(); peak >= minBurst && peak > burstFactor*average {
		i.add("H22", Warn, i.source, "make sure that the network between the sites carries that; keep such jobs away from the cutover, whose gates wait for the link",
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
		return nil // an expiry of 0 keeps the binlog for ever
	}
	i.add("H19", Refuse, i.source, fmt.Sprintf("raise databases[].throttle.rate, or SET GLOBAL %s = %d", setting.ExpireVariable, int64(2*takes.Seconds())),
		"the seed of %s takes %d days at %s a second, and the binlog is kept for %d", phrase.Bytes(data), takes/day, phrase.Bytes(i.opts.SeedRate), kept/day)
	return nil
}

// dataBytes is the size of the pair's schemas on a side in bytes, indexes included, by the
// server's statistics.
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

// statusCounters reads counters of SHOW GLOBAL STATUS. A counter that the server lacks
// is 0.
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

// Transactions that are larger than the binlog's cache are worth a warning if they are at
// least so many, and more than this share of all.
const (
	minLargeShare        = 1 // percent
	minLargeTransactions = 10
)

// checkBursts looks for large transactions and LOAD DATA, which make a link fall behind
// (H22).
func (i *inspection) checkBursts(ctx context.Context) error {
	n, err := statusCounters(ctx, i.source.db, "Binlog_cache_use", "Binlog_cache_disk_use", "Com_load")
	if err != nil {
		return err
	}
	const fix = "change much in parts of some thousand rows, and not near the cutover: its gates wait for the link"
	if large := n["Binlog_cache_disk_use"]; large >= minLargeTransactions && large*100 > n["Binlog_cache_use"]*minLargeShare {
		i.add("H22", Warn, i.source, fix, "%d of %d transactions were larger than binlog_cache_size: each is sent and applied as one",
			large, n["Binlog_cache_use"])
	}
	if n["Com_load"] > 0 {
		i.add("H22", Warn, i.source, fix, "LOAD DATA ran %d times since the server's start", n["Com_load"])
	}
	return nil
}
