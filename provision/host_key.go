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

// sshConcurrency is how many droplets a step connects to at the same time.
const sshConcurrency = 8

// newKeyScript makes the droplet's own host key if it is not made yet, and prints its
// public half.
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

// installKeyScript installs the new key and reloads sshd. Open connections stay open.
// It retries, because the first boot may be restarting sshd at that moment, and the
// run folder of sshd is missing while it restarts.
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

// trustAll gives every host in the directory a host key of its own.
func (op *dropletsOp) trustAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(sshConcurrency)
	for _, h := range op.directory.Hosts() {
		if _, ours := op.site.host(h.Name); !ours {
			continue
		}
		g.Go(func() error {
			if err := op.trust(ctx, h); err != nil {
				return fmt.Errorf("trust %s (%s): %w", h.Name, h.Public, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return dropBootstrap(op.directory.folder)
}

// trust replaces a bootstrap host key. It can resume after a crash at any point: the
// key on the droplet is made once and kept, and both keys are accepted from before the
// change until a connection has proven the new one.
func (op *dropletsOp) trust(ctx context.Context, h Host) error {
	conn := op.hosts.Target(h.Name)
	if err := op.waitForSSH(ctx, conn); err != nil {
		return err
	}
	if !h.Bootstrap {
		return nil
	}
	var out bytes.Buffer
	if err := conn.Run(ctx, newKeyScript, nil, &out); err != nil {
		return fmt.Errorf("make host key: %w", err)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(out.Bytes())
	if err != nil {
		return fmt.Errorf("read new host key: %w", err)
	}
	next := authorizedKey(public)
	h.NextKey = next
	if err := op.directory.Record(h); err != nil {
		return err
	}
	if err := conn.Run(ctx, installKeyScript, nil, nil); err != nil {
		return fmt.Errorf("install host key: %w", err)
	}
	// sshd shows the new key a moment after the reload.
	if err := op.waitForKey(ctx, conn, h, next); err != nil {
		return err
	}
	h.HostKey, h.NextKey, h.Bootstrap = next, "", false
	return op.directory.Record(h)
}

// waitForKey opens new connections until ssh-keyscan on the host sees the key on the
// host's own sshd.
func (op *dropletsOp) waitForKey(ctx context.Context, conn remote.Host, h Host, key string) error {
	script := fmt.Sprintf("ssh-keyscan -T 5 -t ed25519 -p %d %s %s 127.0.0.1 2>/dev/null || true", op.site.sshPort(), h.Public, h.Private)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := Poll(ctx, op.interval, func(ctx context.Context) (bool, error) {
		var out bytes.Buffer
		if err := conn.Close(); err != nil {
			return false, fmt.Errorf("close connection: %w", err)
		}
		if err := conn.Run(ctx, script, nil, &out); err != nil {
			return false, nil //nolint:nilerr // sshd is reloading: Poll tries again
		}
		return strings.Contains(out.String(), key), nil
	})
	if err != nil {
		return fmt.Errorf("wait for sshd to show its new key: %w", err)
	}
	return nil
}

// waitForSSH waits until the host runs a command over a new connection, whose host key
// was checked strictly.
func (op *dropletsOp) waitForSSH(ctx context.Context, conn remote.Host) error {
	ctx, cancel := context.WithTimeout(ctx, op.bootBudget)
	defer cancel()
	var last error
	err := Poll(ctx, op.interval, func(ctx context.Context) (bool, error) {
		try, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		if last = conn.Close(); last == nil {
			last = conn.Run(try, "true", nil, nil)
		}
		return last == nil, nil
	})
	if err != nil && last != nil {
		return report.WithHint(fmt.Errorf("no answer over SSH within %s: %w", op.bootBudget, last),
			"look at the droplet's console in the control panel; migrate rollback --all deletes it, and apply makes it again")
	}
	return err
}
