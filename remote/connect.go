package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/dcmigrate/migrate/report"
)

// connect dials the host and logs in.
func (s *SSH) connect(ctx context.Context) (*ssh.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ConnectTimeout)
	defer cancel()
	host, err := s.cfg.Address(ctx)
	if err != nil {
		return nil, fmt.Errorf("find address: %w", err)
	}
	address := net.JoinHostPort(host, strconv.Itoa(s.cfg.Port))
	keys, err := s.openKeys(ctx)
	if err != nil {
		return nil, err
	}
	defer keys.close()
	verify, algorithms, err := s.hostKeys(address)
	if err != nil {
		return nil, err
	}
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, s.unreachableError(address, err)
	}
	client, err := handshake(ctx, raw, address, &ssh.ClientConfig{
		User:              s.cfg.User,
		Auth:              []ssh.AuthMethod{ssh.PublicKeysCallback(keys.signers)},
		HostKeyCallback:   verify,
		HostKeyAlgorithms: algorithms,
	})
	if err != nil {
		return nil, s.handshakeError(address, err)
	}
	return client, nil
}

// handshake logs in over raw, which it closes on an error or when ctx ends.
func handshake(ctx context.Context, raw net.Conn, address string, cfg *ssh.ClientConfig) (*ssh.Client, error) {
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	c, channels, requests, err := ssh.NewClientConn(raw, address, cfg)
	if !stop() && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

func (s *SSH) unreachableError(address string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	err = fmt.Errorf("connect to %s (%s): %w: %w", s.cfg.Name, address, ErrUnreachable, reason(err))
	err = report.WithHint(err, "check that %s is up, that its address and ssh port are right, and that a firewall lets this machine in: ssh -p %d %s",
		s.cfg.Name, s.cfg.Port, s.login(address))
	return report.Transient(err, 0)
}

// reason returns why a connection failed in the system's own words, without the
// chain of calls that led to it.
func reason(err error) error {
	var errno syscall.Errno
	var dnsErr *net.DNSError
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.As(err, &dnsErr):
		return fmt.Errorf("the name %s has no address: %s", dnsErr.Name, dnsErr.Err)
	}
	return err
}

// login returns user@host for a hint.
func (s *SSH) login(address string) string {
	return s.cfg.User + "@" + hostOf(address)
}

// handshakeError names what failed in the handshake and adds a hint that says what
// to do.
func (s *SSH) handshakeError(address string, err error) error {
	var unknown *UnknownHostError
	var changed *HostKeyError
	var netErr net.Error
	switch {
	case errors.As(err, &unknown):
		return report.WithHint(unknown, "compare the fingerprint with the host's own, then add it: ssh-keyscan -p %d %s >>%s",
			s.cfg.Port, hostOf(address), append(unknown.Files, "~/.ssh/known_hosts")[0])
	case errors.As(err, &changed):
		return report.WithHint(changed, "find out why; if the new key is right, remove line %d of %s and add the new key", changed.Line, changed.File)
	case strings.Contains(err.Error(), "unable to authenticate"):
		err = fmt.Errorf("log in to %s (%s) as %s with %s: %w", s.cfg.Name, address, s.cfg.User, s.keyNames(), ErrAuth)
		return report.WithHint(err, "add the public key to authorized_keys of %s on %s", s.cfg.User, s.cfg.Name)
	case errors.As(err, &netErr) || errors.Is(err, context.DeadlineExceeded):
		return s.unreachableError(address, err)
	default:
		err = fmt.Errorf("speak SSH with %s (%s): %w", s.cfg.Name, address, err)
		return report.WithHint(err, "check that port %d of %s is sshd's", s.cfg.Port, s.cfg.Name)
	}
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// loginKeys are the private keys to log in with: the identity file's first, then
// the agent's.
type loginKeys struct {
	identity  ssh.Signer
	agentConn net.Conn
}

func (s *SSH) keyNames() string {
	var names []string
	if s.cfg.IdentityFile != "" {
		names = append(names, "key "+s.cfg.IdentityFile)
	}
	if s.cfg.AgentSocket != "" {
		names = append(names, "the keys of the ssh-agent")
	}
	return strings.Join(names, " and ")
}

func (s *SSH) openKeys(ctx context.Context) (*loginKeys, error) {
	k := &loginKeys{}
	var err error
	if s.cfg.IdentityFile != "" {
		if k.identity, err = s.readIdentity(); err != nil {
			return nil, err
		}
	}
	if s.cfg.AgentSocket != "" {
		if k.agentConn, err = new(net.Dialer).DialContext(ctx, "unix", s.cfg.AgentSocket); err != nil && k.identity == nil {
			return nil, report.WithHint(fmt.Errorf("ask ssh-agent: %w", err), "start ssh-agent and ssh-add the key, or set ssh.identity_file")
		}
	}
	if k.identity == nil && k.agentConn == nil {
		return nil, report.WithHint(fmt.Errorf("log in to %s: no private key is configured", s.cfg.Name), "set ssh.identity_file")
	}
	return k, nil
}

// readIdentity reads the private key of the identity file. It returns nil without an
// error if the key has a passphrase and an agent is configured, because the agent
// may hold the same key.
func (s *SSH) readIdentity() (ssh.Signer, error) {
	pem, err := os.ReadFile(s.cfg.IdentityFile)
	if err != nil {
		return nil, report.WithHint(fmt.Errorf("read private key: %w", err), "set ssh.identity_file to the key that opens %s", s.cfg.Name)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	var locked *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return signer, nil
	case errors.As(err, &locked) && s.cfg.AgentSocket != "":
		return nil, nil
	case errors.As(err, &locked):
		err = fmt.Errorf("private key %s has a passphrase", s.cfg.IdentityFile)
		return nil, report.WithHint(err, "start ssh-agent and run ssh-add %s", s.cfg.IdentityFile)
	default:
		err = fmt.Errorf("parse private key %s: %w", s.cfg.IdentityFile, err)
		return nil, report.WithHint(err, "set ssh.identity_file to a private key in OpenSSH or PEM format")
	}
}

func (k *loginKeys) signers() ([]ssh.Signer, error) {
	var all []ssh.Signer
	if k.identity != nil {
		all = append(all, k.identity)
	}
	if k.agentConn != nil {
		_ = k.agentConn.SetDeadline(time.Now().Add(10 * time.Second))
		more, err := agent.NewClient(k.agentConn).Signers()
		if err != nil && k.identity == nil {
			return nil, fmt.Errorf("list keys of ssh-agent: %w", err)
		}
		all = append(all, more...)
	}
	return all, nil
}

func (k *loginKeys) close() {
	if k.agentConn != nil {
		_ = k.agentConn.Close()
	}
}
