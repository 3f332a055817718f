package provision

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/report"
)

// trustAtOnce is how many droplets are connected to side by side.
const trustAtOnce = 8

// newKeyScript makes the droplet's own host key, once, and prints its public half.
const newKeyScript = `set -eu
umask 077
d=/var/lib/migrate/hostkey
mkdir -p "$d"
if [ ! -s "$d/key" ] || [ ! -s "$d/key.pub" ]; then
  rm -f "$d/key" "$d/key.pub"
  ssh-keygen -q -t ed25519 -N '' -C '' -f "$d/key" </dev/null
fi
cat "$d/key.pub"
`

// installKeyScript puts the new key in force. Connections that are open stay. The
// first boot may be restarting sshd just then, whose run folder is away meanwhile.
const installKeyScript = `set -eu
umask 077
d=/var/lib/migrate/hostkey
k=/etc/ssh/ssh_host_ed25519_key
cp "$d/key" "$k.migrate"
cp "$d/key.pub" "$k.pub.migrate"
chmod 644 "$k.pub.migrate"
mv "$k.pub.migrate" "$k.pub"
mv "$k.migrate" "$k"
sync "$k" "$k.pub"
n=0
until /usr/sbin/sshd -t && { systemctl reload ssh 2>/dev/null || systemctl reload sshd; }; do
  n=$((n + 1))
  [ $n -lt 40 ] || exit 1
  sleep 0.5
done
`

// trustAll gives every machine in the directory a host key that only it has.
func (op *dropletsOp) trustAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(trustAtOnce)
	for _, m := range op.directory.Machines() {
		if _, ours := op.site.host(m.Name); !ours {
			continue
		}
		g.Go(func() error {
			if err := op.trust(ctx, m); err != nil {
				return fmt.Errorf("trust %s (%s): %w", m.Name, m.Public, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return dropBootstrap(op.directory.folder)
}

// trust replaces a bootstrap host key. Every step can be the last before a
// crash: the key on the droplet is made once and kept; both keys are acceptable
// from before the change until a connection has proven the new one.
func (op *dropletsOp) trust(ctx context.Context, m Machine) error {
	host := op.hosts.Target(m.Name)
	if err := op.answers(ctx, host); err != nil {
		return err
	}
	if !m.Bootstrap {
		return nil
	}
	var out bytes.Buffer
	if err := host.Run(ctx, newKeyScript, nil, &out); err != nil {
		return fmt.Errorf("make host key: %w", err)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(out.Bytes())
	if err != nil {
		return fmt.Errorf("read new host key: %w", err)
	}
	next := marshalKey(public)
	m.NextKey = next
	if err := op.directory.Record(m); err != nil {
		return err
	}
	if err := host.Run(ctx, installKeyScript, nil, nil); err != nil {
		return fmt.Errorf("install host key: %w", err)
	}
	// sshd has the new key a moment after the reload; a connection proves it.
	if err := op.proves(ctx, host, m, next); err != nil {
		return err
	}
	m.HostKey, m.NextKey, m.Bootstrap = next, "", false
	return op.directory.Record(m)
}

// proves connects anew until sshd shows the key, which is then the only one
// that the host asks its own sshd for.
func (op *dropletsOp) proves(ctx context.Context, host remote.Host, m Machine, key string) error {
	script := fmt.Sprintf("ssh-keyscan -T 5 -t ed25519 -p %d %s %s 127.0.0.1 2>/dev/null || true", op.site.sshPort(), m.Public, m.Private)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := Poll(ctx, op.interval, func(ctx context.Context) (bool, error) {
		var out bytes.Buffer
		if err := host.Close(); err != nil {
			return false, fmt.Errorf("close connection: %w", err)
		}
		if err := host.Run(ctx, script, nil, &out); err != nil {
			return false, nil //nolint:nilerr // sshd is reloading: asked again until the time is up
		}
		return strings.Contains(out.String(), key), nil
	})
	if err != nil {
		return fmt.Errorf("wait for sshd to show its new key: %w", err)
	}
	return nil
}

// answers waits until the host runs a command over a fresh connection that
// passed the strict check of its host key.
func (op *dropletsOp) answers(ctx context.Context, host remote.Host) error {
	ctx, cancel := context.WithTimeout(ctx, op.bootBudget)
	defer cancel()
	var last error
	err := Poll(ctx, op.interval, func(ctx context.Context) (bool, error) {
		try, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		if last = host.Close(); last == nil {
			last = host.Run(try, "true", nil, nil)
		}
		return last == nil, nil
	})
	if err != nil && last != nil {
		return report.WithHint(fmt.Errorf("no answer over SSH within %s: %w", op.bootBudget, last),
			"look at the droplet's console in the control panel; migrate rollback --all deletes it, and apply makes it again")
	}
	return err
}
