package inventory

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
)

//go:embed capture.sh
var captureScript string

const (
	// captureTimeout bounds the capture of a host; each section has a limit of its own.
	captureTimeout = 15 * time.Minute
	// maxAnswer bounds a host's answer, in bytes.
	maxAnswer = 256 << 20
)

// Target is a host to capture.
type Target struct {
	Host  remote.Host
	Roles []string
	// Files are absolute paths of files and folders, listed with all below them
	// on the same file system.
	Files []string
	MySQL *MySQLTarget // nil: no server is asked
}

// MySQLTarget is a server on the host itself. The login has no password but
// what the host's own client configuration has; root's unix_socket login needs
// none.
type MySQLTarget struct {
	Socket string // default /run/mysqld/mysqld.sock
	User   string // default root
}

// HostResult is the inventory of one host, or why there is none.
type HostResult struct {
	Name string
	Host *Host // nil with Err
	Err  error
}

// Capture takes the inventory of hosts, at most limit at once, each in one
// round trip. The results are in the order of hosts; one that fails does not
// hold up the others. What a host could not tell is in its Missing list. It
// changes nothing on the hosts: its temporary folder is gone afterwards.
func Capture(ctx context.Context, hosts []Target, limit int) []HostResult {
	results := make([]HostResult, len(hosts))
	var group errgroup.Group
	group.SetLimit(max(limit, 1))
	for i, target := range hosts {
		group.Go(func() error {
			host, err := captureHost(ctx, target)
			results[i] = HostResult{target.Host.Name(), host, err}
			return nil
		})
	}
	_ = group.Wait() // errors are per host
	return results
}

func captureHost(ctx context.Context, target Target) (*Host, error) {
	name := target.Host.Name()
	if target.MySQL != nil {
		m := *target.MySQL
		if m.Socket == "" {
			m.Socket = "/run/mysqld/mysqld.sock"
		}
		if m.User == "" {
			m.User = "root"
		}
		target.MySQL = &m
	}
	script, err := scriptFor(target)
	if err != nil {
		return nil, fmt.Errorf("capture %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, captureTimeout)
	defer cancel()
	var answer limitedBuffer
	if err := target.Host.Run(ctx, script, nil, &answer); err != nil {
		return nil, fmt.Errorf("capture %s: %w", name, err)
	}
	sections, err := parseFrames(answer.Bytes())
	if err != nil {
		err = fmt.Errorf("capture %s: read answer: %w", name, err)
		return nil, plan.WithHint(err, "check that a login on %s runs plain commands: ssh %s true", name, name)
	}
	host := parseHost(target, sections)
	host.CapturedAt = time.Now().UTC().Truncate(time.Second)
	return host, nil
}

// scriptFor returns capture.sh with the target's own part put in front.
func scriptFor(target Target) (string, error) {
	var b strings.Builder
	b.WriteString("set --")
	for _, file := range target.Files {
		if !path.IsAbs(file) || strings.ContainsAny(file, "\x00") {
			return "", fmt.Errorf("file %q is no absolute path", file)
		}
		b.WriteString(" " + quote(path.Clean(file)))
	}
	socket, user := "", ""
	if target.MySQL != nil {
		socket, user = target.MySQL.Socket, target.MySQL.User
	}
	fmt.Fprintf(&b, "\nmysql_socket=%s mysql_user=%s\n", quote(socket), quote(user))
	names := "'" + strings.Join(variables, "', '") + "'"
	b.WriteString(strings.Replace(captureScript, "@VARIABLES@", names, 1))
	return b.String(), nil
}

// quote makes one word of text for POSIX sh.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// limitedBuffer refuses what a sane host would not send.
type limitedBuffer struct{ bytes.Buffer }

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxAnswer {
		return 0, errors.New("the host's answer is too large; name fewer files")
	}
	return b.Buffer.Write(p)
}
