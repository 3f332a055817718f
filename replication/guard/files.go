package guard

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/secret"
)

// files are the contents of the guard's folder, by file name. They hold passwords: they
// travel in the input of a session, and the files have mode 0600.
func (g Guard) files(ctx context.Context, user string, password secret.Value) (map[string]string, error) {
	dialect, err := g.From.Dialect(ctx)
	if err != nil {
		return nil, err
	}
	endpoint, err := g.To.Endpoint(ctx)
	if err != nil {
		return nil, err
	}
	dropin := ""
	if !dialect.PersistsVariables() {
		if dropin, err = (setting.Persistence{Server: g.From, Topic: setting.FenceTopic}).Path(ctx); err != nil {
			return nil, err
		}
	}
	unfence := dialect.LiftFence()
	return map[string]string{
		"guard.sh": guardScript,
		"settings": "dropin=" + remote.Quote(dropin) + "\n", // startScript adds the client
		"from.cnf": localOptions(g.From),
		"from.sql": unfence,
		"to.cnf":   networkOptions(dialect, endpoint, user, password),
		"to.sql":   unfence,
		"mark.sql": replication.MarkSession + ";\n", // the fence of `from` refuses unknown sessions
	}, nil
}

// localOptions are the client's options for the server on the guard's host.
func localOptions(s *replication.Server) string {
	text := "[client]\nconnect-timeout=3\nuser=" + setting.QuoteOption(s.User()) + "\npassword=" + setting.QuoteOption(s.Password().Open()) + "\n"
	network, address := s.Address()
	if network == "unix" {
		return text + "protocol=socket\nsocket=" + setting.QuoteOption(address) + "\n"
	}
	host, port, _ := strings.Cut(address, ":")
	return text + "protocol=tcp\nhost=" + setting.QuoteOption(host) + "\nport=" + port + "\n"
}

// networkOptions are the client's options for the other server.
func networkOptions(d *dialect.Dialect, endpoint replication.Endpoint, user string, password secret.Value) string {
	return "[client]\nprotocol=tcp\nconnect-timeout=3\nhost=" + setting.QuoteOption(endpoint.Host) + "\nport=" + strconv.Itoa(endpoint.Port) +
		"\nuser=" + setting.QuoteOption(user) + "\npassword=" + setting.QuoteOption(password.Open()) + "\nloose-skip-ssl-verify-server-cert\n" + d.ClientTLS()
}

// startScript writes the files, tries both logins, and starts the guard in the state
// initial.
func startScript(files map[string]string, clients string, initial token) string {
	var b strings.Builder
	b.WriteString("umask 077\nend\nclients=" + remote.Quote(clients) + "\nrm -rf \"$dir\" && mkdir -p \"$dir\" || exit 1\n")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&b, "printf %%s %s >\"$dir/%s\" || exit 1\n", remote.Quote(files[name]), name)
	}
	fmt.Fprintf(&b, `
client=
for c in $clients; do
	if [ -z "$client" ]; then client=$(command -v "$c") || client=; fi
done
[ -n "$client" ] || exit %d
printf 'client=%%s\n' "$client" >>"$dir/settings"
echo 'SELECT 1' | timeout 10 "$client" --defaults-file="$dir/from.cnf" >/dev/null || exit %d
echo 'SELECT 1' | timeout 10 "$client" --defaults-file="$dir/to.cnf" >/dev/null || exit %d
extend && : >"$dir/%s" || exit 1
`, exitNoClient, exitLocalLogin, exitNetworkLogin, initial)
	b.WriteString(launchScript)
	fmt.Fprintf(&b, "started || exit %d\nheld\nextend\n", exitNotStarted)
	return b.String()
}

// launchScript starts the guard's process and waits until it has written its process
// id. The process is outside of the script's session, which may end before it: a unit
// of systemd if that runs, else a session of its own.
const launchScript = `
started() {
	n=0
	until alive; do
		if [ $n -ge 60 ]; then return 1; fi
		n=$((n + 1)); sleep 0.05
	done
}
# The guard holds a connection to both sides before the switch begins.
held() {
	n=0
	until [ -e "$dir/from.held" ] && [ -e "$dir/to.held" ]; do
		if [ $n -ge 100 ]; then echo unheld; return 0; fi
		n=$((n + 1)); sleep 0.05
	done
}
rm -f "$dir/pid"
if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
	# A guard that is killed is started again: its files say what it has promised.
	unit="migrate-guard-$$"
	printf %s "$unit.service" >"$dir/unit" || exit 1
	systemd-run --quiet --collect --unit="$unit" -p Restart=on-failure -p RestartSec=2500ms -p KillSignal=SIGKILL \
		sh "$dir/guard.sh" "$dir" >/dev/null 2>&1 || :
	if started; then held; extend; exit $?; fi # the wait is not at the switch's expense
	systemctl stop "$unit.service" >/dev/null 2>&1
	rm -f "$dir/unit"
fi
setsid sh "$dir/guard.sh" "$dir" </dev/null >/dev/null 2>&1 &
`
