package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/report"
)

const (
	// maxSessions is how many commands run on a host at once: sshd allows 10
	// (MaxSessions), less one to stop commands and one to spare.
	maxSessions = 8
	// stopTimeout bounds the extra session that stops a command behind sudo.
	stopTimeout = 5 * time.Second
	// refusedFor bounds how long a session that sshd refuses is tried again.
	refusedFor   = 10 * time.Second
	refusedEvery = 50 * time.Millisecond
)

// SSHConfig is how a host is reached. Zero durations and ports have defaults.
type SSHConfig struct {
	Name string // in migration.yaml
	// Address returns the host's IP address or DNS name. It is asked at every
	// connect, because new hosts' addresses are known late.
	Address func(context.Context) (string, error)
	Port    int    // default 22
	User    string // default root; another user needs sudo -n
	// IdentityFile is the private key; empty: only the agent's keys.
	IdentityFile string
	// AgentSocket is the path of an ssh-agent (SSH_AUTH_SOCK), or empty.
	AgentSocket string
	// KnownHosts are files in OpenSSH's format, read again at each connect; a
	// file that does not exist counts as empty. Checking is strict.
	KnownHosts []string
	// HostKey, if set, decides instead of KnownHosts.
	HostKey ssh.HostKeyCallback
	// ConnectTimeout bounds one connect, handshake and login included; default 10s.
	ConnectTimeout time.Duration
	// KeepAlive is how often an idle connection is probed; without an answer for
	// as long again it ends. Default 10s.
	KeepAlive time.Duration
}

// SSH is a Host reached over SSH: one connection, shared by all commands and
// dialed connections, made when it is first needed and again after it ended.
type SSH struct {
	cfg      SSHConfig
	sessions chan struct{} // a slot for each running command
	stops    chan struct{} // the slot for stopping a command
	dialing  chan struct{} // held while connecting

	mu   sync.Mutex
	link *link
}

// NewSSH returns the host; it does not connect yet.
func NewSSH(cfg SSHConfig) *SSH {
	if cfg.Port == 0 {
		cfg.Port = 22
	}
	if cfg.User == "" {
		cfg.User = "root"
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	if cfg.KeepAlive == 0 {
		cfg.KeepAlive = 10 * time.Second
	}
	return &SSH{
		cfg:      cfg,
		sessions: make(chan struct{}, maxSessions),
		stops:    make(chan struct{}, 1),
		dialing:  make(chan struct{}, 1),
	}
}

// Name returns the host's name in migration.yaml.
func (s *SSH) Name() string { return s.cfg.Name }

// Connect connects to the host, for one who would wait for that apart from the
// first command.
func (s *SSH) Connect(ctx context.Context) error {
	_, err := s.connected(ctx)
	return err
}

// Run runs script on the host; see Host. An error before the script started is
// one of connecting; ErrLost means that it may have run.
func (s *SSH) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return s.run(ctx, true, script, stdin, stdout)
}

// RunAsLogin is Run as the login itself, which then need not be able to become
// root.
func (s *SSH) RunAsLogin(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return s.run(ctx, false, script, stdin, stdout)
}

func (s *SSH) run(ctx context.Context, asRoot bool, script string, stdin io.Reader, stdout io.Writer) error {
	release, err := acquire(ctx, s.sessions)
	if err != nil {
		return fmt.Errorf("run command on %s: %w", s.cfg.Name, err)
	}
	running, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	out, stderr := &output{w: stdout, fail: fail}, newTail()
	line := "sh -c '" + bootstrap(len(script)+len(scriptEnd)) + "'"
	cmd, err := viaLink(ctx, s, func(l *link) (*command, error) {
		return startCommand(ctx, l, s.commandLine(asRoot, line), out, stderr)
	})
	if err != nil {
		release()
		return fmt.Errorf("run command on %s: %w", s.cfg.Name, err)
	}
	cmd.asRoot = asRoot
	go func() {
		if err := feed(cmd.stdin, script, stdin); err != nil {
			fail(err)
		}
	}()
	waited := make(chan error, 1)
	go func() { waited <- cmd.session.Wait() }()

	stopped := false
	select {
	case err = <-waited:
		_ = cmd.Close()
		release()
	case <-running.Done():
		stopped = true
		out.stop()
		s.stop(cmd, stderr, release)
	}
	if cause := context.Cause(running); cause != nil && (stopped || ctx.Err() == nil) {
		return fmt.Errorf("run command on %s: %w", s.cfg.Name, cause)
	}
	return s.result(err, stderr, asRoot)
}

func (s *SSH) isRoot() bool { return s.cfg.User == "root" }

// commandLine makes a command line for the login shell.
func (s *SSH) commandLine(asRoot bool, line string) string {
	if s.isRoot() || !asRoot {
		return "exec " + line
	}
	return "exec sudo -n -H -- " + line
}

// command is a session whose bootstrap has been started.
type command struct {
	asRoot  bool
	link    *link
	session *ssh.Session
	stdin   io.WriteCloser
}

// openSession opens a session. sshd counts a session until it has noticed that
// its command ended, which may be after we have: so a refusal is tried again
// for a while.
func openSession(ctx context.Context, l *link) (*ssh.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, refusedFor)
	defer cancel()
	ticker := time.NewTicker(refusedEvery)
	defer ticker.Stop()
	for {
		session, err := l.client.NewSession()
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) {
			return session, err
		}
		select {
		case <-ctx.Done():
			return nil, report.WithHint(err, "sshd must allow %d sessions of a connection (MaxSessions)", maxSessions+2)
		case <-ticker.C:
		}
	}
}

func startCommand(ctx context.Context, l *link, line string, out *output, stderr *tail) (*command, error) {
	session, err := openSession(ctx, l)
	if err != nil {
		return nil, err
	}
	session.Stdout, session.Stderr = out, stderr
	stdin, err := session.StdinPipe()
	if err == nil {
		err = session.Start(line)
	}
	if err != nil {
		_ = session.Close()
		return nil, err
	}
	return &command{link: l, session: session, stdin: stdin}, nil
}

func (c *command) Close() error { return c.session.Close() }

// stop sends SIGTERM to the command's process group, closes its session and
// releases its slot, in the background. The signal takes a session of its own:
// sshd refuses the protocol's signal request when root is logged in
// (session_signal_req of OpenSSH) and may not signal what sudo started.
func (s *SSH) stop(cmd *command, stderr *tail, release func()) {
	end := func() {
		_ = cmd.Close()
		release()
	}
	if !cmd.link.start(func() { defer end(); s.terminate(cmd, stderr) }) {
		end()
	}
}

// terminate signals the process group of the shell whose standard error is given.
func (s *SSH) terminate(cmd *command, stderr *tail) {
	ctx, cancel := context.WithTimeout(cmd.link.ctx, stopTimeout)
	defer cancel()
	select {
	case <-stderr.announced:
	case <-ctx.Done():
		return
	}
	release, err := acquire(ctx, s.stops)
	if err != nil {
		return
	}
	defer release()
	// Field 5 of stat is the process group; the command's name, "(sh)", has no blank.
	line := `sh -c 'set -- $(cat /proc/` + strconv.Itoa(stderr.pid) + `/stat); kill -s TERM -- -"$5"'`
	killer, err := await(ctx, func() (*command, error) {
		return startCommand(ctx, cmd.link, s.commandLine(cmd.asRoot, line), &output{}, newTail())
	})
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = killer.Close() })
	defer stop()
	_ = killer.session.Wait()
	_ = killer.Close()
}

func (s *SSH) result(err error, stderr *tail, asRoot bool) error {
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		err = fmt.Errorf("run command on %s: %w: %w", s.cfg.Name, ErrLost, err)
		return report.Transient(report.WithHint(err, "check the network to %s, then run the same command again", s.cfg.Name), 0)
	case asRoot && !stderr.started() && !s.isRoot():
		err = fmt.Errorf("become root on %s as user %s: %w: %s", s.cfg.Name, s.cfg.User, ErrSudo, lastLine(stderr.String()))
		return report.WithHint(err, "log in as root, or let %s run sudo without a password on %s: %s ALL=(ALL) NOPASSWD: ALL",
			s.cfg.User, s.cfg.Name, s.cfg.User)
	}
	return &ExitError{Host: s.cfg.Name, Status: exit.ExitStatus(), Stderr: stderr.String()}
}

// Dial connects from the host to an address there; see Host.
func (s *SSH) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := checkNetwork(network); err != nil {
		return nil, err
	}
	conn, err := viaLink(ctx, s, func(l *link) (net.Conn, error) {
		far, err := l.client.Dial(network, address)
		var refused *ssh.OpenChannelError
		if errors.As(err, &refused) {
			return nil, s.explainRefused(refused)
		}
		if err != nil {
			return nil, err
		}
		return l.pipe(far)
	})
	if err != nil {
		return nil, fmt.Errorf("dial %s from %s: %w", address, s.cfg.Name, err)
	}
	return conn, nil
}

// Close ends the connection and waits for what ran through it.
func (s *SSH) Close() error {
	s.mu.Lock()
	l := s.link
	s.link = nil
	s.mu.Unlock()
	if l != nil {
		l.close()
	}
	return nil
}

// viaLink opens a channel over the shared connection. When the connection turns
// out to be dead it tries once more with a new one; nothing has run by then.
func viaLink[T io.Closer](ctx context.Context, s *SSH, open func(*link) (T, error)) (T, error) {
	for retried := false; ; retried = true {
		var none T
		l, err := s.connected(ctx)
		if err != nil {
			return none, err
		}
		v, err := await(ctx, func() (T, error) { return open(l) })
		var refused *ssh.OpenChannelError
		switch {
		case err == nil || ctx.Err() != nil:
			return v, err
		case errors.As(err, &refused):
			return v, err
		case retried:
			return v, report.Transient(fmt.Errorf("%w: %w", ErrLost, err), 0)
		}
		l.close()
	}
}

func (s *SSH) explainRefused(err *ssh.OpenChannelError) error {
	switch err.Reason {
	case ssh.Prohibited:
		return report.WithHint(err, "sshd on %s must allow forwarding (AllowTcpForwarding, AllowStreamLocalForwarding)", s.cfg.Name)
	case ssh.ConnectionFailed:
		return report.WithHint(err, "check that the address is right and that its service runs on %s", s.cfg.Name)
	default:
		return err
	}
}

// connected returns the shared connection, making it if there is none alive.
func (s *SSH) connected(ctx context.Context) (*link, error) {
	release, err := acquire(ctx, s.dialing)
	if err != nil {
		return nil, err
	}
	defer release()
	s.mu.Lock()
	l := s.link
	s.mu.Unlock()
	if l != nil && l.ctx.Err() == nil {
		return l, nil
	}
	if l != nil {
		l.close()
	}
	client, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	l = newLink(client, s.cfg.KeepAlive)
	s.mu.Lock()
	s.link = l
	s.mu.Unlock()
	return l, nil
}

// acquire takes a slot and returns what gives it back.
func acquire(ctx context.Context, slots chan struct{}) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// await returns what f returns, or the error of ctx as soon as that ends; what
// f returns after that is closed.
func await[T io.Closer](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	ch := make(chan result, 1)
	go func() {
		v, err := f()
		ch <- result{v, err}
	}()
	select {
	case r := <-ch:
		return r.v, r.err
	case <-ctx.Done():
		go func() {
			if r := <-ch; r.err == nil {
				_ = r.v.Close()
			}
		}()
		var none T
		return none, context.Cause(ctx)
	}
}
