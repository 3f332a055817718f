package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/seed/control"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// Exit statuses of a worker that only checks its logins, and of the script that starts a worker.
const (
	exitTarget      = 15
	exitSource      = 16
	exitNoSystemd   = 20
	exitAlreadyRuns = 21
)

// architectures maps what uname -m prints to GOARCH.
var architectures = map[string]string{"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "s390x": "s390x", "ppc64le": "ppc64le", "riscv64": "riscv64"}

// run runs a script on the target's host and returns what it prints, trimmed.
func (s *op) run(ctx context.Context, script string, stdin io.Reader) (string, error) {
	host, err := s.host()
	if err != nil {
		return "", err
	}
	prelude := "set -u\nrun=" + remote.Quote(s.runDir()) + "\nlib=" + remote.Quote(s.libDir()) + "\nunit=" + remote.Quote(s.unit()) + `
active() {
	case $(systemctl show -p ActiveState "$unit" 2>/dev/null) in
	*=active | *=activating | *=deactivating | *=reloading) return 0 ;;
	esac
	return 1
}
`
	var out bytes.Buffer
	err = host.Run(ctx, prelude+script+"\n", stdin, &out)
	return strings.TrimSpace(out.String()), err
}

// start copies the program to the host and starts it there as a unit.
//
// The logins go from this session's input into a named pipe below /run: they are in
// no argument list, no environment, no file and no unit. systemd-run --pipe would tie
// the worker to this session; a credential of systemd would be a file. The worker
// holds the pipe open for reading and writing, so that neither side waits for a dead
// one: what is written stays in memory until it is read, and a worker that gets no job
// ends after jobTimeout.
func (s *op) start(ctx context.Context) error {
	if err := s.requireFittingHost(ctx); err != nil {
		return err
	}
	if err := s.install(ctx); err != nil {
		return err
	}
	job, err := s.admit(ctx)
	if err != nil {
		return err
	}
	_, err = s.run(ctx, fmt.Sprintf(`
if active; then exit %d; fi
systemctl reset-failed "$unit" 2>/dev/null
umask 077
rm -rf "$run" && mkdir -p "$run" && mkfifo -m 600 "$run/job" && : >"$run/events" || exit 1
systemd-run --quiet --collect --unit="$unit" --description="migrate: the seed of a database" \
	-p Type=exec -p UMask=0077 -p LimitCORE=0 -p TimeoutStopSec=30 -p WorkingDirectory=/ \
	-p StandardInput=null -p StandardOutput=null -p StandardError="append:$run/stderr" \
	"$lib/migrate" %s "$run" || exit 1
timeout 30 sh -c 'cat >"$1"' sh "$run/job"`, exitAlreadyRuns, remote.QuoteAll(s.config.Command)), bytes.NewReader(job))
	switch {
	case remote.ExitStatus(err) == exitAlreadyRuns:
		return report.Transient(fmt.Errorf("start the worker %s: one runs already", s.unit()), control.Interval)
	case err != nil:
		return fmt.Errorf("start the worker %s: %w", s.unit(), err)
	}
	report.Note(ctx, "the seed runs on the target's host as %s; it goes on when this controller ends, and migrate apply follows it again", s.unit())
	return nil
}

// requireFittingHost refuses a host that cannot run this program or has no systemd.
func (s *op) requireFittingHost(ctx context.Context) error {
	const instead = "run migrate on a Linux machine like the target's host, or set databases[].run_on: controller"
	out, err := s.run(ctx, fmt.Sprintf(`uname -m; [ -d /run/systemd/system ] && command -v systemd-run >/dev/null || exit %d`, exitNoSystemd), nil)
	switch {
	case err != nil && remote.ExitStatus(err) != exitNoSystemd:
		return fmt.Errorf("look at the host of %s: %w", s.Pair.Target.Name(), err)
	case runtime.GOOS != "linux":
		return report.WithHint(fmt.Errorf("run the seed of %s on its target: this program is built for %s, the host runs linux", s.Pair.Name, runtime.GOOS), instead)
	case architectures[out] != runtime.GOARCH:
		return report.WithHint(fmt.Errorf("run the seed of %s on its target: this program is built for %s, the host is %s", s.Pair.Name, runtime.GOARCH, out), instead)
	case err != nil:
		return report.WithHint(fmt.Errorf("run the seed of %s on its target: that host does not run systemd", s.Pair.Name), "set databases[].run_on: controller")
	}
	return nil
}

// install copies the program to the host, unless it is there.
func (s *op) install(ctx context.Context) error {
	program, err := os.Open(s.config.Program)
	if err != nil {
		return fmt.Errorf("copy the program to the target's host: %w", err)
	}
	defer program.Close() //nolint:errcheck // only read
	hash := sha256.New()
	if _, err := io.Copy(hash, program); err != nil {
		return fmt.Errorf("copy the program to the target's host: %w", err)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	there, err := s.run(ctx, `sha256sum "$lib/migrate" 2>/dev/null | cut -d ' ' -f 1`, nil)
	if err != nil {
		return fmt.Errorf("look for the program on the target's host: %w", err)
	}
	if there == sum {
		return nil
	}
	if _, err := program.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("copy the program to the target's host: %w", err)
	}
	_, err = s.run(ctx, `
umask 077
mkdir -p "$lib" && cat >"$lib/new" && chmod 700 "$lib/new" &&
	[ "$(sha256sum "$lib/new" | cut -d ' ' -f 1)" = `+sum+` ] && mv -f "$lib/new" "$lib/migrate"`, program)
	if err != nil {
		return report.WithHint(fmt.Errorf("copy the program to the target's host: %w", err), "it needs 100 MiB at %s there", s.libDir())
	}
	return nil
}

// admit makes the worker's account on the source and returns the worker's job. The
// account is for the narrowest client host from which the login works. Both logins are
// tried on the host first, because no one would see the errors of a unit that cannot log in.
func (s *op) admit(ctx context.Context) ([]byte, error) {
	user, err := s.account(ctx)
	if err != nil {
		return nil, err
	}
	hosts := account.ClientHosts(ctx, s.Pair.Target)
	for i, host := range hosts {
		password := account.NewPassword()
		if err := user.Create(ctx, host, password); err != nil {
			return nil, err
		}
		job, err := s.writeJob(ctx, user.Name, password)
		if err != nil {
			return nil, err
		}
		_, err = s.run(ctx, `exec "$lib/migrate" `+remote.QuoteAll(s.config.Command)+" --check", bytes.NewReader(job))
		if remote.ExitStatus(err) == exitSource && i < len(hosts)-1 {
			report.Note(ctx, "the worker is not let in to %s by its address: the user %s may log in from any host", s.Pair.Source.Name(), user.Name)
			continue
		}
		return job, s.explain(ctx, err)
	}
	return nil, nil
}

func (s *op) explain(ctx context.Context, err error) error {
	switch remote.ExitStatus(err) {
	case exitTarget:
		return report.WithHint(fmt.Errorf("the worker cannot log in to %s: %w", s.Pair.Target.Name(), err), "databases[].target says how it does")
	case exitSource:
		endpoint, endpointErr := s.Pair.Source.Endpoint(ctx)
		if endpointErr != nil {
			return endpointErr
		}
		return report.WithHint(fmt.Errorf("the worker cannot log in to %s at %s: %w", s.Pair.Source.Name(), endpoint, err),
			"let the target's host reach that port: the forward link needs it, too")
	}
	if err != nil {
		return report.WithHint(fmt.Errorf("try the program on the target's host: %w", err), "set databases[].run_on: controller if it cannot run there")
	}
	return nil
}

// writeJob encodes the worker's job.
func (s *op) writeJob(ctx context.Context, user string, password secret.Value) ([]byte, error) {
	origin, err := s.Pair.Source.Endpoint(ctx)
	if err != nil {
		return nil, err
	}
	source, target := s.Pair.Source, s.Pair.Target
	network, address := target.Address()
	j := job{
		Pair: s.Pair.Name, Schemas: s.Pair.Schemas, Options: s.Options,
		Source: jobServer{Name: source.Name(), Network: "tcp", Address: origin.String(), User: user, Password: password.Open()},
		Target: jobServer{Name: target.Name(), Network: network, Address: address, User: target.User(), Password: target.Password().Open()},
	}
	if !source.Password().IsZero() { // the source's replicas do not have the worker's account
		j.Source.ReplicaUser, j.Source.ReplicaPassword = source.User(), source.Password().Open()
	}
	data, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("write the worker's job: %w", err)
	}
	return append(data, '\n'), nil
}
