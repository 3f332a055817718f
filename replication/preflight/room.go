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

// seedMargin is what the data may take more on the target than on the source,
// in a hundred: another page split, temporary files of the deferred indexes.
const seedMargin = 20

// checkRoom looks whether the target is large enough (H29): its disk, its
// memory, its buffer pool. That its max_connections are enough is H17.
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
		i.add("H29", Warn, s, fmt.Sprintf("see to it that %s fit on its disk", phrase.Bytes(withMargin(data))),
			"migrate does not reach its machine: its free disk and its memory cannot be told")
		i.checkPool(pool, wanted, 0)
		return nil
	}
	out, err := hostOutput(ctx, s, `set -eu
df -Pk -- `+remote.Quote(s.variables["datadir"])+` | awk 'END { print $4 }'
awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo
`)
	if err != nil {
		return i.unreadable(ctx, "H29", s, "its free disk and its memory", err)
	}
	lines := strings.Fields(out)
	if len(lines) != 2 {
		return i.unreadable(ctx, "H29", s, "its free disk and its memory", fmt.Errorf("read %q", out))
	}
	var kilobytes [2]int64
	for n, line := range lines {
		if kilobytes[n], err = strconv.ParseInt(line, 10, 64); err != nil {
			return fmt.Errorf("read the machine's size: %w", err)
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

func withMargin(bytes int64) int64 { return bytes / 100 * (100 + seedMargin) }

// checkPool compares the buffer pools. memory is the target's machine's, 0 if unknown.
func (i *inspection) checkPool(pool, wanted, memory int64) {
	const most = 90 // in a hundred of the machine's memory
	switch {
	case pool >= wanted:
	case memory > 0 && wanted > memory/100*most:
		i.add("H29", Warn, i.target, "choose a larger size for its host in the configuration",
			"its machine has %s of memory; the buffer pool of %s alone is %s", phrase.Bytes(memory), i.source.Name(), phrase.Bytes(wanted))
	default:
		i.add("H29", Warn, i.target, fmt.Sprintf("innodb_buffer_pool_size = %d in its option file, then restart it", wanted),
			"innodb_buffer_pool_size is %s, the source's is %s", phrase.Bytes(pool), phrase.Bytes(wanted))
	}
}
