package guard

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/report"
)

// Guard protects one switch of the writers from one server of a pair to the other: a
// small process on the host of From makes one side writable again if the controller
// does not, whatever has happened to the controller (invariant I3). docs/protocols.md
// has its state machine.
type Guard struct {
	Pair     string // the pair's name, a part of the folder's
	From, To *replication.Server
	// Budget is the longest time that both sides may be fenced; 0 is 10 s.
	Budget time.Duration
	// Dir is the folder on the host that holds the guards' folders; "" is /run/migrate.
	Dir string
}

//go:embed guard.sh
var guardScript string

// token is the state of a guard. It is the name of a file, and a change of state is a
// rename of that file.
type token string

const (
	tokenNone      token = ""          // no guard
	tokenArmed     token = "armed"     // at the deadline `from` is released
	tokenReleased  token = "released"  // the guard unfences `from` again and again
	tokenHandover  token = "handover"  // at the deadline the guard unfences `to`
	tokenGuarding  token = "guarding"  // the guard unfences `to` again and again
	tokenReverting token = "reverting" // the controller takes `to` back; at the deadline the guard unfences it
	tokenReturning token = "returning" // `from` has all transactions of `to`; at the deadline it is released
	tokenDone      token = "done"      // the guard ends
)

// hostState is the state of the guard on its host.
type hostState struct {
	token     token
	alive     bool          // its process runs
	late      bool          // its deadline has passed
	remaining time.Duration // until the deadline; negative once it has passed
}

// Exit statuses of the scripts.
const (
	exitNoClient     = 14
	exitLocalLogin   = 15
	exitNetworkLogin = 16
	exitLost         = 17
	exitNotStarted   = 18
)

func (g Guard) budget() time.Duration {
	if g.Budget > 0 {
		return g.Budget
	}
	return 10 * time.Second
}

// folder is the guard's folder on the host. The guards of both directions may share a
// host.
func (g Guard) folder() string {
	dir := g.Dir
	if dir == "" {
		dir = "/run/migrate"
	}
	return dir + "/guard-" + g.Pair + "-" + string(g.From.Side())
}

// prelude defines the variables and functions that every script uses.
func (g Guard) prelude() string {
	return `set -u
dir=` + remote.Quote(g.folder()) + `
budget=` + strconv.FormatInt(g.budget().Milliseconds()/10, 10) + `
now() { read -r up _ </proc/uptime; echo "${up%.*}${up#*.}"; }
alive() {
	pid=$(cat "$dir/pid" 2>/dev/null) && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$dir/guard.sh"
}
extend() { echo $(($(now) + budget)) >"$dir/deadline.new" && mv -f "$dir/deadline.new" "$dir/deadline"; }
take() { mv "$dir/$1" "$dir/$2" 2>/dev/null; }
stopped() {
	n=0
	while alive; do
		if [ $n -ge "$1" ]; then return 1; fi
		n=$((n + 1)); sleep 0.05
	done
}
end() {
	if [ -s "$dir/unit" ]; then timeout 20 systemctl stop "$(cat "$dir/unit")" >/dev/null 2>&1; fi
	if alive; then kill -9 -- "-$pid" 2>/dev/null || kill -9 "$pid" 2>/dev/null; stopped 100; fi
	return 0
}
# A rename between two looks can hide the state: then it is looked for again.
state() {
	n=0
	while [ $n -lt 20 ] && [ -d "$dir" ]; do
		for t in armed returning handover reverting released guarding done; do
			if [ -e "$dir/$t" ]; then echo $t; return 0; fi
		done
		n=$((n + 1))
	done
}
`
}

// run runs the prelude and a script on the host of `from`, and returns its output.
func (g Guard) run(ctx context.Context, script string) (string, error) {
	host := g.From.Host()
	if host == nil {
		return "", report.WithHint(fmt.Errorf("guard of %s: its host cannot be reached", g.From.Name()),
			"the guard runs on the machine of the server: configure its host")
	}
	var out bytes.Buffer
	if err := host.Run(ctx, g.prelude()+script+"\n", nil, &out); err != nil {
		return out.String(), fmt.Errorf("guard of %s: %w", g.From.Name(), err)
	}
	return out.String(), nil
}

// read reads the guard's state. It changes nothing.
func (g Guard) read(ctx context.Context) (hostState, error) {
	out, err := g.run(ctx, `
token=$(state)
left=0
if [ -e "$dir/deadline" ]; then left=$(($(cat "$dir/deadline") - $(now))); fi
if alive; then echo "$left yes $token"; else echo "$left no $token"; fi`)
	if err != nil {
		return hostState{}, err
	}
	fields := strings.Fields(out)
	if len(fields) < 2 {
		return hostState{}, fmt.Errorf("guard of %s: unexpected state %q", g.From.Name(), out)
	}
	hundredths, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return hostState{}, fmt.Errorf("guard of %s: unexpected deadline %q", g.From.Name(), fields[0])
	}
	now := hostState{remaining: time.Duration(hundredths) * 10 * time.Millisecond, alive: fields[1] == "yes"}
	now.late = now.remaining <= 0
	if len(fields) > 2 {
		now.token = token(fields[2])
	}
	return now, nil
}

// errLost says that the guard has changed its state before the controller could.
var errLost = errors.New("the guard acted first")

// change changes the state from any of `from` to `to`. A guard that is in `to` already
// is no error, because the answer of an earlier attempt may have been lost. extend
// renews the deadline first. It returns errLost if the guard is in another state.
func (g Guard) change(ctx context.Context, to token, extend bool, from ...token) error {
	var b strings.Builder
	if extend {
		b.WriteString("extend || exit 1\n")
	}
	for _, t := range from {
		fmt.Fprintf(&b, "take %s %s || ", t, to)
	}
	fmt.Fprintf(&b, `[ -e "$dir/%s" ] || exit %d`, to, exitLost)
	_, err := g.run(ctx, b.String())
	if remote.ExitStatus(err) == exitLost {
		return fmt.Errorf("guard of %s: change to %q: %w", g.From.Name(), to, errLost)
	}
	return err
}

// remove ends the guard and removes its account and its folder. It removes the folder
// last, so that a run after an interrupted one still sees that something is left.
func (g Guard) remove(ctx context.Context) error {
	if err := g.dropLogin(ctx); err != nil {
		return err
	}
	// A guard that is just acting gets the time to end by itself.
	_, err := g.run(ctx, `
if [ -e "$dir/done" ]; then stopped 120; fi
end
rm -rf "$dir"`)
	return err
}

// start writes the guard's files and starts it in the state initial. It ends an older
// guard first. It also tries the guard's logins to both servers before: a guard that
// cannot act would be worse than none.
func (g Guard) start(ctx context.Context, initial token) error {
	user, err := g.login(ctx)
	if err != nil {
		return err
	}
	dialect, err := g.From.Dialect(ctx)
	if err != nil {
		return err
	}
	hosts := account.ClientHosts(ctx, g.From)
	for i, host := range hosts {
		password := account.NewPassword()
		if err := g.createLogin(ctx, user, host, password); err != nil {
			return err
		}
		files, err := g.files(ctx, user.Name, password)
		if err != nil {
			return err
		}
		out, err := g.run(ctx, startScript(files, dialect.ClientPrograms(), initial))
		if remote.ExitStatus(err) == exitNetworkLogin && i < len(hosts)-1 {
			report.Note(ctx, "the guard is not let in to %s by its address: the user %s may log in from any host", g.To.Name(), user.Name)
			continue
		}
		if err == nil && strings.Contains(out, "unheld") {
			report.Note(ctx, "the guard of %s does not hold a connection to both sides: it logs in when it acts", g.From.Name())
		}
		return g.explain(ctx, err)
	}
	return nil
}

// explain adds a hint to the error of a guard that cannot start.
func (g Guard) explain(ctx context.Context, err error) error {
	switch remote.ExitStatus(err) {
	case exitNoClient:
		return report.WithHint(fmt.Errorf("no mariadb or mysql client on the machine of %s: %w", g.From.Name(), err),
			"install the package mariadb-client or mysql-client there")
	case exitLocalLogin:
		return report.WithHint(fmt.Errorf("the guard cannot log in to %s: %w", g.From.Name(), err),
			"the client there must accept the login that migrate uses")
	case exitNetworkLogin:
		endpoint, endpointErr := g.To.Endpoint(ctx)
		if endpointErr != nil {
			return errors.Join(err, endpointErr)
		}
		return report.WithHint(fmt.Errorf("the guard cannot log in to %s at %s: %w", g.To.Name(), endpoint, err),
			"let the machine of %s reach that port", g.From.Name())
	}
	return err
}
