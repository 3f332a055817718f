package provision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/report"
)

// firstBootBudget limits the wait for the installation of the packages.
const firstBootBudget = 20 * time.Minute

// firstBootOp is the gate that waits until cloud-init has installed the packages and
// enabled the units. Its error says why cloud-init could not.
type firstBootOp struct {
	plan.ReadOnly
	host HostSpec
	deps Deps
}

// newFirstBoot returns the gate of a host's first boot.
func newFirstBoot(host HostSpec, d Deps) plan.Step {
	return plan.Step{
		Name:    host.Name,
		Summary: fmt.Sprintf("first boot of %s is finished: %d packages installed, %d services enabled", host.Name, len(host.Facts.Packages), len(host.Facts.Services)),
		Gate:    true,
		Takes:   time.Minute,
		Op:      &firstBootOp{host: host, deps: d},
	}
}

func firstBootSteps(site Site, d Deps) []plan.Step {
	steps := make([]plan.Step, len(site.Hosts))
	for i, h := range site.Hosts {
		steps[i] = newFirstBoot(h, d)
	}
	return steps
}

// statusScript prints cloud-init's status, then the errors of its log if it failed,
// then its exit status. %s is --wait or empty.
const statusScript = `out=$(cloud-init status %s --long 2>&1 </dev/null) && rc=0 || rc=$?
printf '%%s\n' "$out" | tail -n 20
if [ "$rc" -ne 0 ]; then grep -hE '^E: |ERROR|Failed|Unable to locate|cannot enable' /var/log/cloud-init-output.log 2>/dev/null | tail -n 5; fi
echo "exit $rc"
`

// bootStatus is the answer of `cloud-init status`.
type bootStatus struct {
	Status   string // done, running, error, not run, …
	Detail   string // the errors, in one line
	ExitCode string
}

func (op *firstBootOp) status(ctx context.Context, wait string) (bootStatus, error) {
	var out bytes.Buffer
	if err := op.deps.Hosts.Target(op.host.Name).Run(ctx, fmt.Sprintf(statusScript, wait), nil, &out); err != nil {
		return bootStatus{}, fmt.Errorf("ask cloud-init: %w", err)
	}
	return parseStatus(out.String()), nil
}

func parseStatus(out string) bootStatus {
	var s bootStatus
	var rest []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(strings.TrimLeft(line, "."))
		key, value, _ := strings.Cut(line, ":")
		switch {
		case key == "status":
			s.Status = strings.TrimSpace(value)
		case strings.HasPrefix(line, "exit "):
			s.ExitCode = strings.TrimPrefix(line, "exit ")
		case line != "" && key != "boot_status_code" && key != "extended_status" && key != "last_update" && key != "time":
			rest = append(rest, line)
		}
	}
	s.Detail = strings.Join(rest, "; ")
	return s
}

func (op *firstBootOp) Check(ctx context.Context) (plan.State, error) {
	state := plan.State{Want: "first boot finished"}
	if _, err := op.deps.Directory.Lookup(op.host.Name); errors.Is(err, ErrNotProvisioned) {
		state.Unknown, state.Now = true, "stage "+StageDroplets+" makes the droplet"
		return state, nil
	}
	s, err := op.status(ctx, "")
	if err != nil {
		return plan.State{}, err
	}
	state.Now = "cloud-init: " + s.Status
	state.Done = s.Status == "done"
	return state, nil
}

// Apply waits until cloud-init has finished.
func (op *firstBootOp) Apply(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, firstBootBudget)
	defer cancel()
	s, err := op.status(ctx, "--wait")
	if err != nil {
		return fmt.Errorf("first boot of %s: %w", op.host.Name, err)
	}
	return op.requireFinished(ctx, s)
}

// requireFinished returns an error unless cloud-init is done. Exit status 2 means done
// with recoverable errors, which become a note. https://cloudinit.readthedocs.io/en/latest/reference/cli.html#status
func (op *firstBootOp) requireFinished(ctx context.Context, s bootStatus) error {
	if strings.HasPrefix(s.Status, "done") || strings.HasPrefix(s.Status, "degraded") {
		if s.ExitCode == "2" {
			report.Note(ctx, "first boot of %s ended with recoverable errors: %s", op.host.Name, s.Detail)
		}
		return nil
	}
	return report.WithHint(fmt.Errorf("first boot of %s: cloud-init says %q: %s", op.host.Name, s.Status, s.Detail),
		"see /var/log/cloud-init-output.log on the droplet; migrate rollback --all, then apply, makes it again")
}

// Verify also asks dpkg for every package, because cloud-init may report success
// without all of them.
func (op *firstBootOp) Verify(ctx context.Context) error {
	s, err := op.status(ctx, "")
	if err != nil {
		return err
	}
	if err := op.requireFinished(ctx, s); err != nil {
		return err
	}
	packages := op.host.Facts.Packages
	if len(packages) == 0 {
		return nil
	}
	var out bytes.Buffer
	script := "dpkg-query -W -f='${db:Status-Status} ${Package} ${binary:Package} ${Package}:${Architecture}\\n' -- " + remote.QuoteAll(packages) + " 2>/dev/null || true\n"
	if err := op.deps.Hosts.Target(op.host.Name).Run(ctx, script, nil, &out); err != nil {
		return fmt.Errorf("list packages of %s: %w", op.host.Name, err)
	}
	installed := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "installed" {
			for _, name := range f[1:] {
				installed[name] = true
			}
		}
	}
	missing := slices.DeleteFunc(slices.Clone(packages), func(p string) bool { return installed[p] })
	if len(missing) > 0 {
		return report.WithHint(fmt.Errorf("packages are not installed on %s: %s", op.host.Name, strings.Join(missing, ", ")),
			"the image may not offer them: see /var/log/cloud-init-output.log on the droplet")
	}
	return nil
}
