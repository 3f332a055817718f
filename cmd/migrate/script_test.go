package main

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/secret"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"migrate": main})
}

// TestScripts runs the real main against the vendors' simulators: every verb's
// help and every refusal that needs no host. testdata/script holds the scripts.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			do := dosim.New(dosim.Options{Token: secret.New("do-token")})
			cf := cfsim.New(cfsim.Options{Token: "cf-token"})
			if _, err := cf.AddZone("blog.test", cfsim.Record{Type: "A", Name: "blog.test", Content: "127.0.0.1", TTL: 1, Proxied: true}); err != nil {
				return err
			}
			doServer, cfServer := httptest.NewServer(do), httptest.NewServer(cf)
			env.Defer(func() {
				doServer.Close()
				cfServer.Close()
				require.NoError(t, do.Close())
			})
			env.Vars = append(env.Vars, "DO="+doServer.URL+"/", "CF="+cfServer.URL+"/client/v4/",
				"DIGITALOCEAN_TOKEN=do-token", "CLOUDFLARE_API_TOKEN=cf-token", "HOME="+env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"expand": expand,
		},
	})
}

// expand replaces $NAME in files by the script's environment: expand FILE NAME...
func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: expand FILE NAME...")
	}
	text := ts.ReadFile(args[0])
	for _, name := range args[1:] {
		text = strings.ReplaceAll(text, "$"+name, ts.Getenv(name))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}
