package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/remote/remotetest"
	"github.com/dcmigrate/migrate/replication/servertest"
	"github.com/dcmigrate/migrate/secret"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"migrate": main})
}

// TestScripts runs the real main against the vendors' simulators: every verb's
// help and every refusal that needs no host. testdata/script holds the scripts.
func TestScripts(t *testing.T) {
	runScripts(t, "testdata/script", nil, nil)
}

// TestScriptsWithAHost does the same with a real sshd on this machine, which is
// then the old site's only host, and a real MariaDB on it.
func TestScriptsWithAHost(t *testing.T) {
	runScripts(t, "testdata/host", remotetest.StartSSHD(t), servertest.Start(t, servertest.MariaDB))
}

// Secrets of the scripts; none may ever be printed or stored (I7).
const (
	doToken = "dop_v1_5ecre7d09d" //nolint:gosec // of a simulator
	cfToken = "cf-5ecre7-c10ud"   //nolint:gosec // of a simulator
	wrong   = "wr0ng-5ecre7"      //nolint:gosec // of nobody
)

// simulators are what a script runs against: vendors and a database.
type simulators struct {
	do   *dosim.Sim
	cf   *cfsim.Sim
	zone string // id of blog.test
	db   *servertest.Instance
	gtid string // the server's position before the script: a move that writes nothing keeps it
}

type simulatorsKey struct{}

func runScripts(t *testing.T, dir string, sshd *remotetest.SSHD, db *servertest.Instance) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup:               func(env *testscript.Env) error { return setUp(env, sshd, db) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"capture":   madeUpInventory,
			"edit":      edit,
			"exits":     exits,
			"hold":      hold,
			"isjson":    isJSON,
			"journal":   journal,
			"record":    record,
			"serve":     serve,
			"tear":      tear,
			"untouched": untouched,
		},
	})
}

// setUp starts the simulators and writes site.yaml: the configuration of
// testdata/site.yaml with their addresses in it.
func setUp(env *testscript.Env, sshd *remotetest.SSHD, db *servertest.Instance) error {
	w := &simulators{
		do: dosim.New(dosim.Options{Token: secret.New(doToken)}),
		cf: cfsim.New(cfsim.Options{Token: cfToken}),
	}
	for zone, records := range map[string][]cfsim.Record{
		"blog.test": {
			{Type: "A", Name: "blog.test", Content: "127.0.0.1", TTL: 1, Proxied: true},
			{Type: "A", Name: "direct.blog.test", Content: "127.0.0.1", TTL: 3600},
			{Type: "CNAME", Name: "www.blog.test", Content: "blog.test", TTL: 1, Proxied: true},
		},
		"empty.test": {{Type: "A", Name: "empty.test", Content: "203.0.113.9", TTL: 300}},
	} {
		id, err := w.cf.AddZone(zone, records...)
		if err != nil {
			return err
		}
		if zone == "blog.test" {
			w.zone = id
		}
	}
	do, cf := httptest.NewServer(w.do), httptest.NewServer(w.cf)
	env.Defer(func() {
		do.Close()
		cf.Close()
		require.NoError(env.T().(testing.TB), w.do.Close())
	})
	env.Values[simulatorsKey{}] = w
	if db != nil {
		w.db, w.gtid = db, db.Value("SELECT @@gtid_binlog_pos")
		env.Vars = append(env.Vars, "SOCKET="+db.Socket, "DBPORT="+strconv.Itoa(db.Port))
	}
	key, known, port := filepath.Join(env.WorkDir, "id"), filepath.Join(env.WorkDir, "known_hosts"), "22"
	if sshd != nil {
		key, known, port = sshd.IdentityFile, sshd.KnownHosts, strconv.Itoa(sshd.Port)
	} else if err := os.WriteFile(known, nil, 0o600); err != nil {
		return err
	}
	if out, err := exec.Command("sh", "-c", `test -e "$1" || ssh-keygen -q -t ed25519 -N "" -f "$1"; ssh-keygen -y -f "$1" >"$1.pub"`, "sh", key).CombinedOutput(); err != nil {
		return fmt.Errorf("make a key: %w: %s", err, out)
	}
	site, err := os.ReadFile("testdata/site.yaml")
	if err != nil {
		return err
	}
	text := strings.NewReplacer("$DO", do.URL+"/", "$CF", cf.URL+"/client/v4/", "$KEY", key, "$KNOWN", known, "$PORT", port).Replace(string(site))
	env.Vars = append(env.Vars, "DIGITALOCEAN_TOKEN="+doToken, "CLOUDFLARE_API_TOKEN="+cfToken,
		"DO_TOKEN="+doToken, "CF_TOKEN="+cfToken, "DO="+do.URL+"/", "CF="+cf.URL+"/client/v4/",
		"WRONG="+wrong, "HOME="+env.WorkDir, "PORT="+port, "KEY="+key, "KNOWN="+known)
	return os.WriteFile(filepath.Join(env.WorkDir, "site.yaml"), []byte(text), 0o600)
}
