package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"syscall"
	"time"
)

// killAfter is how long a local command may take to end after SIGTERM.
const killAfter = 2 * time.Second

// Local is this machine as a Host: commands run as the current user.
type Local struct {
	name string
}

// NewLocal returns this machine under a name.
func NewLocal(name string) *Local { return &Local{name: name} }

// Name returns the name.
func (l *Local) Name() string { return l.name }

// Run runs script on this machine; see Host.
func (l *Local) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("run command on %s: %w", l.name, context.Cause(ctx))
	}
	running, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	out, stderr := &output{w: stdout, fail: fail}, newStderrTail()

	cmd := exec.Command("sh", "-c", bootstrap(len(script)+len(scriptEnd))) //nolint:noctx // terminate ends the whole process group, first with SIGTERM
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = out, stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("run command on %s: %w", l.name, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run command on %s: %w", l.name, err)
	}
	go func() {
		if err := feed(in, script, stdin); err != nil {
			fail(err)
		}
	}()
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()

	stopped := false
	select {
	case err = <-waited:
	case <-running.Done():
		stopped = true
		out.stop()
		l.terminate(cmd.Process.Pid, waited)
	}
	if cause := context.Cause(running); cause != nil && (stopped || ctx.Err() == nil) {
		return fmt.Errorf("run command on %s: %w", l.name, cause)
	}
	return l.commandError(err, stderr)
}

// terminate stops the process group of a command and waits for it.
func (l *Local) terminate(pid int, waited <-chan error) {
	_ = syscall.Kill(-pid, syscall.SIGTERM)
	timer := time.NewTimer(killAfter)
	defer timer.Stop()
	select {
	case <-waited: //nolint:errcheck // it was asked to end: its status does not matter
	case <-timer.C:
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		<-waited //nolint:errcheck // as above
	}
}

func (l *Local) commandError(err error, stderr *stderrTail) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		status := exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			status = 128 + int(ws.Signal())
		}
		return &ExitError{Host: l.name, Status: status, Stderr: stderr.String()}
	default:
		return fmt.Errorf("run command on %s: %w", l.name, err)
	}
}

// Dial connects to an address of this machine.
func (l *Local) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := checkNetwork(network); err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("dial from %s: %w", l.name, err)
	}
	return conn, nil
}

// Close does nothing: there is no connection.
func (l *Local) Close() error { return nil }

func checkNetwork(network string) error {
	if network != "tcp" && network != "unix" {
		return fmt.Errorf("dial: network %q is neither tcp nor unix", network)
	}
	return nil
}
