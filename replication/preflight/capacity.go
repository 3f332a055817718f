package preflight

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/query"
)

// seedMargin is how much more room the data may take on the target than on the source, in
// percent: pages split at other places, deferred indexes need temporary files.
const seedMargin = 20

// checkRoom checks that the target is large enough (H29): its disk, its memory, its buffer
// pool. max_connections is among the globals of H17.
func (i *inspection) checkRoom(ctx context.Context) error {
	s := i.target
	there, err := i.dataBytes(ctx, s)
	if err != nil {
		return err
	}
	data, err := i.dataBytes(ctx, i.source)
	if err != nil {
		return err
	}
	pool, wanted := query.Number(s.variables["innodb_buffer_pool_size"]), query.Number(i.source.variables["innodb_buffer_pool_size"])
	if s.Host() == nil {
		i.add("H29", Warn, s, fmt.Sprintf("make sure that %s fit on its disk", phrase.Bytes(withMargin(data))),
			"migrate does not reach its machine: its free disk and its memory are unknown")
		i.checkPool(pool, wanted, 0)
		return nil
	}
	out, err := hostOutput(ctx, s, `set -eu
df -Pk -- `+remote.Quote(s.variables["datadir"])+` | awk 'END { print $4 }'
awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo
`)
	if err != nil {
		return i.addUnreadable(ctx, "H29", s, "its free disk and its memory", err)
	}
	lines := strings.Fields(out)
	if len(lines) != 2 {
		return i.addUnreadable(ctx, "H29", s, "its free disk and its memory", fmt.Errorf("read %q", out))
	}
	var kilobytes [2]int64
	for n, line := range lines {
		if kilobytes[n], err = strconv.ParseInt(line, 10, 64); err != nil {
			return fmt.Errorf("read the size of the host: %w", err)
		}
	}
	free, memory := kilobytes[0]<<10, kilobytes[1]<<10
	if need := withMargin(data) - there; need > free {
		i.add("H29", Refuse, s, fmt.Sprintf("give %s a disk with %s free", s.variables["datadir"], phrase.Bytes(need)),
			"the data of %s takes %s with its indexes and a margin, and its disk has %s left", i.source.Name(), phrase.Bytes(need), phrase.Bytes(free))
	}
	i.checkPool(pool, wanted, memory)
	return nil
}

// withMargin is the room that data needs on the target, in bytes.
func withMargin(bytes int64) int64 { return bytes / 100 * (100 + seedMargin) }

// checkPool compares the buffer pools. memory is that of the target's host in bytes, 0 if
// it is unknown.
func (i *inspection) checkPool(pool, wanted, memory int64) {
	const maxShare = 90 // percent of the host's memory
	switch {
	case pool >= wanted:
	case memory > 0 && wanted > memory/100*maxShare:
		i.add("H29", Warn, i.target, "choose a larger size for its host in the configuration",
			"its machine has %s of memory; the buffer pool of %s alone is %s", phrase.Bytes(memory), i.source.Name(), phrase.Bytes(wanted))
	default:
		i.add("H29", Warn, i.target, fmt.Sprintf("innodb_buffer_pool_size = %d in its option file, then restart it", wanted),
			"innodb_buffer_pool_size is %s, the source's is %s", phrase.Bytes(pool), phrase.Bytes(wanted))
	}
}
