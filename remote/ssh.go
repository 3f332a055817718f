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
	// maxCommands is how many commands run on a host at once: sshd allows 10
	// sessions (MaxSessions); one stops commands and one is spare.
	maxCommands = 8
	// stopTimeout bounds the extra session that stops a command behind sudo.
	stopTimeout = 5 * time.Second
	// sessionRetryTimeout bounds how long a session that sshd refuses is retried.
	sessionRetryTimeout  = 10 * time.Second
	sessionRetryInterval = 50 * time.Millisecond
)

// SSHConfig says how to reach a host. Zero durations and a zero port have defaults.
type SSHConfig struct {
	Name string // in migration.yaml
	// Address returns the host's IP address or DNS name. It is called at every
	// connect, because the address of a new host is known late.
	Address func(context.Context) (string, error)
	Port    int    // default 22
	User    string // default root; another user needs sudo -n
	// IdentityFile is the path of the private key; empty means the agent's keys only.
	IdentityFile string
	// AgentSocket is the path of an ssh-agent (SSH_AUTH_SOCK), or empty.
	AgentSocket string
	// KnownHosts are files in OpenSSH's format, read again at each connect. A file
	// that does not exist counts as empty. A host that is in none is refused.
	KnownHosts []string
	// HostKey, if set, checks the host's key instead of KnownHosts.
	HostKey ssh.HostKeyCallback
	// ConnectTimeout bounds one connect, handshake and login included; default 10s.
	ConnectTimeout time.Duration
	// KeepAlive is how often a connection is probed. A connection that does not
	// answer within the same time again is closed. Default 10s.
	KeepAlive time.Duration
}

// SSH is a Host reached over SSH. All commands and dialed connections share one SSH
// connection. It is made when it is first needed, and again after it has ended.
type SSH struct {
	cfg          SSHConfig
	sessionSlots chan struct{} // one for each running command
	stopSlot     chan struct{} // the slot for stopping a command
	connectSlot  chan struct{} // held while connecting

	mu   sync.Mutex
	conn *connection
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
		cfg:          cfg,
		sessionSlots: make(chan struct{}, maxCommands),
		stopSlot:     make(chan struct{}, 1),
		connectSlot:  make(chan struct{}, 1),
	}
}

// Name returns the host's name in migration.yaml.
func (s *SSH) Name() string { return s.cfg.Name }

// Connect connects to the host, so that a caller can wait for the connection and the
// first command separately.
func (s *SSH) Connect(ctx context.Context) error {
	_, err := s.connection(ctx)
	return err
}

// Run runs script on the host; see Host. If connecting fails, the script has not
// run. ErrLost means that it may have run.
func (s *SSH) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return s.run(ctx, true, script, stdin, stdout)
}

// RunAsLogin is Run without becoming root: the login needs no sudo.
func (s *SSH) RunAsLogin(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return s.run(ctx, false, script, stdin, stdout)
}

func (s *SSH) run(ctx context.Context, asRoot bool, script string, stdin io.Reader, stdout io.Writer) error {
	release, err := acquire(ctx, s.sessionSlots)
	if err != nil {
		return fmt.Errorf("run command on %s: %w", s.cfg.Name, err)
	}
	running, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	out, stderr := &output{w: stdout, fail: fail}, newStderrTail()
	line := "sh -c '" + bootstrap(len(script)+len(scriptEnd)) + "'"
	cmd, err := withConnection(ctx, s, func(c *connection) (*command, error) {
		return startCommand(ctx, c, s.loginShellLine(asRoot, line), out, stderr)
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
	return s.commandError(err, stderr, asRoot)
}

func (s *SSH) isRoot() bool { return s.cfg.User == "root" }

// loginShellLine returns the command line that the login shell gets.
func (s *SSH) loginShellLine(asRoot bool, line string) string {
	if s.isRoot() || !asRoot {
		return "exec " + line
	}
	return "exec sudo -n -H -- " + line
}

// command is a session whose bootstrap has been started.
type command struct {
	asRoot  bool
	conn    *connection
	session *ssh.Session
	stdin   io.WriteCloser
}

// openSession opens a session. A refusal is retried for sessionRetryTimeout: sshd
// counts a session until it notices that its command has ended, and may notice that
// later than this program.
func openSession(ctx context.Context, conn *connection) (*ssh.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, sessionRetryTimeout)
	defer cancel()
	ticker := time.NewTicker(sessionRetryInterval)
	defer ticker.Stop()
	for {
		session, err := conn.client.NewSession()
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) {
			return session, err
		}
		select {
		case <-ctx.Done():
			return nil, report.WithHint(err, "sshd must allow %d sessions of a connection (MaxSessions)", maxCommands+2)
		case <-ticker.C:
		}
	}
}

func startCommand(ctx context.Context, conn *connection, line string, out *output, stderr *stderrTail) (*command, error) {
	session, err := openSession(ctx, conn)
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
	return &command{conn: conn, session: session, stdin: stdin}, nil
}

func (c *command) Close() error { return c.session.Close() }

// stop sends SIGTERM to the command's process group, closes its session and releases
// its slot, all in the background. The signal needs a session of its own: sshd
// refuses the protocol's signal request if root is logged in (session_signal_req of
// OpenSSH), and it may not signal what sudo started.
func (s *SSH) stop(cmd *command, stderr *stderrTail, release func()) {
	end := func() {
		_ = cmd.Close()
		release()
	}
	if !cmd.conn.start(func() { defer end(); s.terminate(cmd, stderr) }) {
		end()
	}
}

// terminate sends SIGTERM to the process group of the shell that announced itself on
// stderr.
func (s *SSH) terminate(cmd *command, stderr *stderrTail) {
	ctx, cancel := context.WithTimeout(cmd.conn.ctx, stopTimeout)
	defer cancel()
	select {
	case <-stderr.announced:
	case <-ctx.Done():
		return
	}
	release, err := acquire(ctx, s.stopSlot)
	if err != nil {
		return
	}
	defer release()
	// Field 5 of stat is the process group; the command's name, "(sh)", has no blank.
	line := `sh -c 'set -- $(cat /proc/` + strconv.Itoa(stderr.pid) + `/stat); kill -s TERM -- -"$5"'`
	killer, err := await(ctx, func() (*command, error) {
		return startCommand(ctx, cmd.conn, s.loginShellLine(cmd.asRoot, line), &output{}, newStderrTail())
	})
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = killer.Close() })
	defer stop()
	_ = killer.session.Wait()
	_ = killer.Close()
}

func (s *SSH) commandError(err error, stderr *stderrTail, asRoot bool) error {
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
	conn, err := withConnection(ctx, s, func(c *connection) (net.Conn, error) {
		far, err := c.client.Dial(network, address)
		var refused *ssh.OpenChannelError
		if errors.As(err, &refused) {
			return nil, s.refusedError(refused)
		}
		if err != nil {
			return nil, err
		}
		return c.pipe(far)
	})
	if err != nil {
		return nil, fmt.Errorf("dial %s from %s: %w", address, s.cfg.Name, err)
	}
	return conn, nil
}

// Close ends the connection and waits for what ran through it.
func (s *SSH) Close() error {
	s.mu.Lock()
	conn := s.conn
	s.conn = nil
	s.mu.Unlock()
	if conn != nil {
		conn.close()
	}
	return nil
}

// withConnection opens a channel over the shared connection. If the connection turns
// out to be dead, it tries once more with a new one: nothing has run until then.
func withConnection[T io.Closer](ctx context.Context, s *SSH, open func(*connection) (T, error)) (T, error) {
	for retried := false; ; retried = true {
		var none T
		conn, err := s.connection(ctx)
		if err != nil {
			return none, err
		}
		opened, err := await(ctx, func() (T, error) { return open(conn) })
		var refused *ssh.OpenChannelError
		switch {
		case err == nil || ctx.Err() != nil:
			return opened, err
		case errors.As(err, &refused):
			return opened, err
		case retried:
			return opened, report.Transient(fmt.Errorf("%w: %w", ErrLost, err), 0)
		}
		conn.close()
	}
}

func (s *SSH) refusedError(err *ssh.OpenChannelError) error {
	switch err.Reason {
	case ssh.Prohibited:
		return report.WithHint(err, "sshd on %s must allow forwarding (AllowTcpForwarding, AllowStreamLocalForwarding)", s.cfg.Name)
	case ssh.ConnectionFailed:
		return report.WithHint(err, "check that the address is right and that its service runs on %s", s.cfg.Name)
	default:
		return err
	}
}

// connection returns the shared connection. It makes a new one if none is alive.
func (s *SSH) connection(ctx context.Context) (*connection, error) {
	release, err := acquire(ctx, s.connectSlot)
	if err != nil {
		return nil, err
	}
	defer release()
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn != nil && conn.ctx.Err() == nil {
		return conn, nil
	}
	if conn != nil {
		conn.close()
	}
	client, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	conn = newConnection(client, s.cfg.KeepAlive)
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	return conn, nil
}

// acquire takes a slot and returns the function that releases it.
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

// await returns the result of f, or the cause of ctx's end as soon as ctx ends. A
// result that comes later is closed.
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
