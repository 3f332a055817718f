// Package capture reads what runs on a host, over SSH: one script asks the host's
// own programs, and their answers become an inventory.Host. It needs a login that
// is root, or that becomes root by sudo, to see everything; nothing is installed
// on the host. It promises to change nothing there, to list in Missing what could
// not be read, and to redact secrets before anything is kept.
package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/redact"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/report"
)

const (
	// slotTimeout is how long a host keeps its slot (see Options.AtOnce). The capture
	// of a slower host continues without a slot, so that the next host can begin.
	slotTimeout = 30 * time.Second
	// captureTimeout limits the capture of a host. Each section has a limit of its own.
	captureTimeout = 30 * time.Minute
	// maxAnswer is the largest answer of a host, in bytes.
	maxAnswer = 256 << 20
)

// Target is a host to capture.
type Target struct {
	Host  remote.Host
	Roles []string
	// Files are absolute paths of files and folders. Folders are listed with all
	// below them on the same file system.
	Files []string
	// Roots are folders of applications, besides the usual ones, that are searched
	// for releases and compose files.
	Roots []string
	// MySQL is the server on the host; nil: root's login at the usual socket, if
	// that exists.
	MySQL *MySQLTarget
	// Deep also checks every packaged file against its package, and reads each
	// package's origin where that is slow. It takes minutes of the host's time.
	Deep bool

	onlySections  []string // names of sections, for tests; nil: all
	mysqlExpected bool     // the caller named a server: its absence is listed in Missing
}

// MySQLTarget is a MySQL or MariaDB server on the host itself. The only password
// used is that of the host's own client configuration; root's unix_socket login
// needs none.
type MySQLTarget struct {
	Socket string // default /run/mysqld/mysqld.sock
	User   string // default root
}

// Options are the settings that all captures of a site share.
type Options struct {
	// AtOnce is how many hosts are captured at the same time; at least 1. A host
	// that is being connected to does not count, nor one that takes longer than 30
	// seconds: a host that is dead or hangs does not delay the others.
	AtOnce int
	// Redactor redacts secrets. It is required.
	Redactor *redact.Redactor
	// Objects stores the contents of configuration files, without secrets; nil:
	// they are read and not stored.
	Objects *inventory.Objects
}

// Result is the inventory of one host, or the error of its capture.
type Result struct {
	Name string
	Host *inventory.Host // nil with Err
	Err  error
}

// Hosts captures the inventory of hosts, each in two round trips: one script, then
// an archive of the files that its answer names. The results are in the order of
// hosts; a host that fails does not stop the others. What could not be read of a
// host is in its Missing list. Hosts changes nothing on the hosts: the script
// removes its temporary folder.
func Hosts(ctx context.Context, hosts []Target, o Options) []Result {
	results := make([]Result, len(hosts))
	slots := make(chan struct{}, max(o.AtOnce, 1))
	var group sync.WaitGroup
	for i, target := range hosts {
		group.Go(func() {
			name := target.Host.Name()
			host, err := captureInSlot(ctx, slots, target, o)
			if err != nil {
				err = fmt.Errorf("capture %s: %w", name, err)
			}
			results[i] = Result{name, host, err}
		})
	}
	group.Wait()
	return results
}

// captureInSlot connects to a host, waits for a slot and captures the host.
func captureInSlot(ctx context.Context, slots chan struct{}, target Target, o Options) (*inventory.Host, error) {
	if c, ok := target.Host.(remote.Connector); ok {
		if err := c.Connect(ctx); err != nil {
			return nil, err
		}
	}
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	release := sync.OnceFunc(func() { <-slots })
	defer release()
	timer := time.AfterFunc(slotTimeout, release)
	defer timer.Stop()
	return captureHost(ctx, target, o)
}

func captureHost(ctx context.Context, target Target, o Options) (*inventory.Host, error) {
	if o.Redactor == nil {
		return nil, errors.New("no redactor")
	}
	if err := redact.Ready(); err != nil {
		return nil, fmt.Errorf("load the scanner for secrets: %w", err)
	}
	target = target.withDefaults()
	script, err := target.script()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, captureTimeout)
	defer cancel()
	var text limitedBuffer
	begin := time.Now()
	if target.Host, err = runScript(ctx, target.Host, script, &text); err != nil {
		return nil, err
	}
	a, err := parseFrames(text.Bytes())
	if err != nil {
		name := target.Host.Name()
		err = fmt.Errorf("read answer: %w", err)
		return nil, report.WithHint(err, "check that a login on %s runs plain commands: ssh %s true", name, name)
	}
	p := newParser(target, a, o.Redactor)
	p.answeredAt, p.duration = time.Now().UTC(), time.Since(begin)
	if _, ok := target.Host.(loginHost); ok {
		p.addMissing(inventory.Missing{What: inventory.NotRoot, Reason: inventory.Denied, Detail: "sudo -n does not work here: what only root may see is missing"})
	}
	p.parseSections()
	if err := p.fetch(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		p.addMissing(contentsMissing(err))
	}
	if err := p.parseContents(o.Objects); err != nil {
		return nil, err
	}
	p.host.CapturedAt = p.answeredAt.Truncate(time.Second)
	return p.host, nil
}

// runScript runs the script as root, or as the login itself if that cannot become
// root. It returns the host to use for further commands.
func runScript(ctx context.Context, host remote.Host, script string, answer io.Writer) (remote.Host, error) {
	err := host.Run(ctx, script, nil, answer)
	if login, ok := host.(remote.Login); ok && errors.Is(err, remote.ErrSudo) {
		plain := loginHost{host, login}
		return plain, plain.Run(ctx, script, nil, answer)
	}
	return host, err
}

// loginHost is a host whose login cannot become root. Commands run as the login.
type loginHost struct {
	remote.Host
	login remote.Login
}

// Run implements remote.Host.
func (a loginHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return a.login.RunAsLogin(ctx, script, stdin, stdout)
}

// contentsMissing returns why the contents of files could not be read.
func contentsMissing(err error) inventory.Missing {
	var exit *remote.ExitError
	if errors.As(err, &exit) {
		return *section{status: exit.Status, err: []byte(exit.Stderr)}.missing("contents")
	}
	return inventory.Missing{What: "contents", Reason: inventory.Failed, Detail: lastLine(err.Error())}
}

// withDefaults returns the target with the default socket and user of MySQL.
func (t Target) withDefaults() Target {
	m := MySQLTarget{}
	if t.MySQL != nil {
		m = *t.MySQL
	}
	if m.Socket == "" {
		m.Socket = "/run/mysqld/mysqld.sock"
	}
	if m.User == "" {
		m.User = "root"
	}
	t.mysqlExpected = t.MySQL != nil
	t.MySQL = &m
	return t
}

// limitedBuffer is a buffer that refuses more than maxAnswer bytes.
type limitedBuffer struct{ bytes.Buffer }

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxAnswer {
		return 0, errors.New("the host's answer is too large; name fewer files")
	}
	return b.Buffer.Write(p)
}
