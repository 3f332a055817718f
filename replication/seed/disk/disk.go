package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

const (
	// diskMargin and diskShare, a share of the copy, are the room that the target's disk
	// needs beside the copy for logs and the sorting of indexes.
	diskMargin = 128 << 20
	diskShare  = 0.1
	// diskFullBelow is the free space, in bytes, below which a disk counts as full.
	diskFullBelow = 8 << 20
	// diskTimeout bounds the look at the disk after an error.
	diskTimeout = 10 * time.Second
)

// disk describes the file system of a data directory.
type disk struct {
	dir, device, mount string
	free               int64
}

func (d disk) String() string {
	return fmt.Sprintf("%s on %s (%s) has %s free", d.dir, d.device, d.mount, phrase.Bytes(d.free))
}

// readDisk asks the host of a server; ok is false if there is no access to the host.
func readDisk(ctx context.Context, s *replication.Server) (d disk, ok bool, err error) {
	if s.Host() == nil {
		return disk{}, false, nil
	}
	db, err := s.DB(ctx)
	if err != nil {
		return disk{}, false, err
	}
	if d.dir, err = query.Text(ctx, db, "SELECT @@GLOBAL.datadir"); err != nil {
		return disk{}, false, s.Wrap("read datadir", err)
	}
	return d, true, d.ask(ctx, s)
}

// ask reads the file system of the folder.
func (d *disk) ask(ctx context.Context, s *replication.Server) error {
	var out bytes.Buffer
	if err := s.Host().Run(ctx, "LC_ALL=C df -P -k -- "+remote.Quote(d.dir)+" | tail -n 1", nil, &out); err != nil {
		return fmt.Errorf("look at the disk of %s: %w", s.Name(), err)
	}
	fields := strings.Fields(out.String()) // device, size, used, free, share, mount point
	if len(fields) < 6 {
		return fmt.Errorf("look at the disk of %s: df says %q", s.Name(), phrase.OneLine(out.String()))
	}
	kib, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return fmt.Errorf("look at the disk of %s: df says %q", s.Name(), phrase.OneLine(out.String()))
	}
	d.device, d.free, d.mount = fields[0], kib<<10, strings.Join(fields[5:], " ")
	return nil
}

// Require refuses a target on which the copy of schemas of the source does not fit (H29).
// It subtracts what an earlier attempt has copied already.
func Require(ctx context.Context, source, target *replication.Server, schemas []string) error {
	d, ok, err := readDisk(ctx, target)
	if err != nil || !ok {
		return err
	}
	var sizes [2]int64
	for i, s := range []*replication.Server{source, target} {
		if sizes[i], err = dataSize(ctx, s, schemas); err != nil {
			return err
		}
	}
	need := int64(float64(sizes[0])*(1+diskShare)) + diskMargin - sizes[1]
	if d.free >= need {
		return nil
	}
	return report.WithHint(fmt.Errorf("%s cannot hold the copy (H29): %s, and it needs about %s", target.Name(), d, phrase.Bytes(need)),
		"enlarge that disk, or leave schemas out (databases[].schemas), and run migrate apply again")
}

// dataSize returns the size of the tables and indexes of schemas on a server's disk, in
// bytes.
func dataSize(ctx context.Context, s *replication.Server, schemas []string) (int64, error) {
	if len(schemas) == 0 {
		return 0, nil
	}
	db, err := s.DB(ctx)
	if err != nil {
		return 0, err
	}
	list := make([]string, len(schemas))
	for i, name := range schemas {
		list[i] = query.Literal(name)
	}
	text, err := query.Text(ctx, db, "SELECT CAST(COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) AS SIGNED) FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ("+
		strings.Join(list, ",")+")")
	if err != nil {
		return 0, s.Wrap("read the size of the data", err)
	}
	return query.Number(text), nil
}

// isFull recognises the errors of a server whose disk is full: ER_RECORD_FILE_FULL,
// ER_DISK_FULL, ER_ERROR_ON_WRITE and others with the system's ENOSPC.
func isFull(err error) bool {
	switch query.ErrorNumber(err) {
	case 1114, 1021:
		return true
	}
	for _, text := range []string{"rrcode: 28", "rror: 28", "rrno: 28", "No space left on device"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// ExplainFull names the target's disk in an error that a full disk has caused, whether the
// server reported that or died of it. When there is room again, the seed continues from
// where it was.
func ExplainFull(ctx context.Context, target *replication.Server, err error) error {
	if err == nil || target.Host() == nil || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diskTimeout)
	defer cancel()
	d, _, diskErr := readDisk(ctx, target)
	full := isFull(err)
	switch {
	case diskErr != nil && full:
		return report.WithHint(errors.Join(fmt.Errorf("the disk of %s is full: %w", target.Name(), err), diskErr), roomHint)
	case diskErr != nil || !full && d.free >= diskFullBelow:
		return err
	}
	return report.WithHint(fmt.Errorf("the disk of %s is full: %s: %s", target.Name(), d, err.Error()), roomHint) // a permanent error: a retry would fail again
}

const roomHint = "make room there, then run migrate apply: the seed goes on from where it is"
