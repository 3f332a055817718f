package export_test

import (
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/export"
	"github.com/dcmigrate/migrate/inventory/roles"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

// sls is a file of states, by ID.
type sls map[string]any

// readSLS reads a file of states as Salt does with the yaml renderer.
func readSLS(t *testing.T, r *export.Result, name string) sls {
	t.Helper()
	text, ok := r.Files[name]
	require.True(t, ok, "%s is named and not there", name)
	require.True(t, strings.HasPrefix(text, "#!yaml\n"), name)
	parsed := sls{}
	require.NoError(t, yaml.Unmarshal([]byte(text), &parsed), name)
	return parsed
}

// highstate joins the states that a minion gets, included ones too. Salt refuses an ID that
// two files have.
func highstate(t *testing.T, r *export.Result, names []any) map[string]map[string][]any {
	t.Helper()
	states := map[string]map[string][]any{}
	done := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if done[name] {
			return
		}
		done[name] = true
		file := readSLS(t, r, "salt/"+name+"/init.sls")
		included, _ := file["include"].([]any)
		delete(file, "include")
		for _, n := range included {
			add(text(t, n))
		}
		for id, body := range file {
			require.NotContains(t, states, id, "in %s and another", name)
			states[id] = map[string][]any{}
			functions, ok := body.(sls)
			require.True(t, ok, "%s: %T", id, body)
			require.Len(t, functions, 1, id)
			for function, args := range functions {
				states[id][function], ok = args.([]any)
				require.True(t, ok, id)
			}
		}
	}
	for _, n := range names {
		add(text(t, n))
	}
	return states
}

func text(t *testing.T, value any) string {
	t.Helper()
	s, ok := value.(string)
	require.True(t, ok, "%v", value)
	return s
}

// requisites are the arguments that refer to other states.
var requisites = map[string]bool{"require": true, "watch": true, "onchanges": true}

// checkStates requires that the states and files of every requisite and source exist.
func checkStates(t *testing.T, r *export.Result, states map[string]map[string][]any) {
	t.Helper()
	for id, functions := range states {
		for function, args := range functions {
			module, _, ok := strings.Cut(function, ".")
			require.True(t, ok, function)
			require.Contains(t, []string{"file", "pkg", "user", "group", "service", "timezone", "host", "cmd"}, module)
			for _, arg := range args {
				pair, ok := arg.(sls)
				require.True(t, ok, "%s: %v", id, arg)
				for key, value := range pair {
					if key == "source" {
						require.Contains(t, r.Files, "salt/"+strings.TrimPrefix(text(t, value), "salt://"), id)
					}
					if requisites[key] {
						checkRequisites(t, states, id, value)
					}
				}
			}
		}
	}
}

func checkRequisites(t *testing.T, states map[string]map[string][]any, id string, value any) {
	t.Helper()
	all, ok := value.([]any)
	require.True(t, ok, "%s: %v", id, value)
	for _, one := range all {
		pair, ok := one.(sls)
		require.True(t, ok, "%s: %v", id, one)
		for module, name := range pair {
			require.Contains(t, states, text(t, name), "required by %s", id)
			for function := range states[text(t, name)] {
				require.Equal(t, module, strings.Split(function, ".")[0], "%s requires %v", id, name)
			}
			require.NotEqual(t, id, name, "it requires itself")
		}
	}
}

// Every state file is YAML; what it includes, requires and copies exists, and so do the
// states of top.sls.
func TestSaltStatesResolve(t *testing.T) {
	m := newSite(t)
	hosts := m.hosts()
	hosts[0].Configuration = append(hosts[0].Configuration, m.hostile()...)
	r := m.export(export.Salt, hosts...)
	top, ok := readSLS(t, r, "salt/top.sls")["base"].(sls)
	require.True(t, ok)
	require.Len(t, top, 3)
	for minion, names := range top {
		list, ok := names.([]any)
		require.True(t, ok, minion)
		states := highstate(t, r, list)
		require.Greater(t, len(states), 10)
		checkStates(t, r, states)
		require.Equal(t, minion != "db1", states["nginx.service"] != nil, minion)
	}
	for name := range r.Files {
		if path.Ext(name) == ".sls" && !strings.HasPrefix(name, "pillar/secrets/") {
			readSLS(t, r, name)
		}
	}
	pillar := readSLS(t, r, "pillar/secrets/web.example.sls")
	require.Contains(t, pillar, "secrets")
	require.Nil(t, pillar["secrets"], "what is not filled in is missing, not wrong")
}

// Similar names do not collide: a template and a file with its name, a role and a host's own
// states, two roles.
func TestSaltKeepsNamesApart(t *testing.T) {
	m := newSite(t)
	web, other, alike := m.web("web1"), m.host("web2", "host-web1"), m.host("web3", "host.web1")
	web.Configuration = append(web.Configuration, m.file("/etc/app.conf", "password "+dbToken+"\n"), m.file("/etc/app.conf.jinja", "{{ x }}\n"))
	other.Configuration = append(other.Configuration, m.file("/etc/other", "x\n"))
	alike.Configuration = append(alike.Configuration, m.file("/etc/alike", "x\n"))
	all := []roles.Role{
		{Name: "web", Hosts: []*inventory.Host{web, m.web("web4")}}, {Name: "host-web1", Hosts: []*inventory.Host{other}}, {Name: "host.web1", Hosts: []*inventory.Host{alike}},
	}
	for _, format := range export.Formats {
		_, err := export.Export(all, export.Options{Format: format, Objects: m.objects})
		require.NoError(t, err)
	}
	r, err := export.Export(all, export.Options{Format: export.Salt, Objects: m.objects})
	require.NoError(t, err)
	top, ok := readSLS(t, r, "salt/top.sls")["base"].(sls)
	require.True(t, ok)
	require.Equal(t, []any{"common", "host_web1"}, top["web2"])
	require.Equal(t, []any{"common", "host_web1_2"}, top["web3"])
	require.Equal(t, []any{"common", "web", "host_web1_3"}, top["web1"])
	require.Equal(t, "{{ x }}\n", r.Files["salt/host_web1_3/files/etc/app.conf.jinja"])
	require.Contains(t, r.Files["salt/host_web1_3/templates/etc/app.conf.jinja"], "pillar[")
}

// A host sees the secrets of its own layers, and no others.
func TestSaltPillarIsOfEachHost(t *testing.T) {
	m := newSite(t)
	hosts := m.hosts()
	const token = "migrate-secret-00000000000000cc"
	hosts[0].Configuration = append(hosts[0].Configuration, m.file("/etc/only.conf", "password "+token+"\n"))
	r := m.export(export.Salt, hosts...)
	top, ok := readSLS(t, r, "pillar/top.sls")["base"].(sls)
	require.True(t, ok)
	require.Equal(t, sls{"web1": []any{"secrets.web", "secrets.host_web1"}, "web2": []any{"secrets.web"}}, top, "db1 needs none")
	require.Contains(t, r.Files["pillar/secrets/host_web1.example.sls"], "# only_secret:")
	require.NotContains(t, r.Files["pillar/secrets/host_web1.example.sls"], "redis")
	require.NotContains(t, r.Files["pillar/secrets/web.example.sls"], "only_secret")
	require.Contains(t, r.Files["pillar/secrets/web.example.sls"], "# redis_requirepass:")
}

// A service comes after its files, a file after its owner.
func TestSaltOrder(t *testing.T) {
	m := newSite(t)
	r := m.export(export.Salt, m.hosts()...)
	web := r.Files["salt/web/init.sls"]
	for _, want := range []string{
		"redis-server.service:\n  service.running:\n    - enable: true\n    - require:\n        - pkg: web_packages\n        - pkg: hold_redis-server\n    - watch:\n        - file: /etc/redis/redis.conf\n",
		"    - template: jinja\n    - show_changes: false\n    - require:\n        - group: group_blog\n",
		"include:\n  - common\n",
	} {
		require.Contains(t, web, want)
	}
	require.Contains(t, r.Files["salt/common/init.sls"], "common_restart_systemd-sysctl.service:\n  cmd.run:\n    - name: \"systemctl restart 'systemd-sysctl.service'\"\n    - onchanges:\n        - file: /etc/sysctl.d/60-site.conf\n")
}

// Salt itself accepts the states, if it is installed: Debian has no package of it.
func TestSaltAcceptsStates(t *testing.T) {
	salt, err := exec.LookPath("salt-call")
	if err != nil {
		t.Log("salt-call is not installed: the states were checked without it")
		return
	}
	m := newSite(t)
	dir := write(t, m.export(export.Salt, m.hosts()...))
	cmd := exec.CommandContext(t.Context(), salt, "--local", "--id=web1", "--config-dir="+t.TempDir(), "--file-root="+dir+"/salt", "--retcode-passthrough", "state.show_highstate")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "nginx.service")
}

// render renders a template with Jinja, as Salt does.
func render(t *testing.T, template, secret string) string {
	t.Helper()
	const script = `import sys, jinja2
secret = sys.argv[1].encode("utf-8", "surrogateescape").decode("utf-8")
class All(dict):
    def __missing__(self, key): return secret
env = jinja2.Environment(keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
sys.stdout.buffer.write(env.from_string(sys.stdin.buffer.read().decode()).render(pillar={"secrets": All()}).encode())`
	err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import jinja2").Run()
	remotetest.Need(t, err == nil, "Python's jinja2, which the Debian package ansible-core brings")
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", script, secret)
	cmd.Stdin = strings.NewReader(template)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// Templates render every byte except the secrets as it was, whatever the text is.
func TestTemplatesKeepJinjaSyntax(t *testing.T) {
	m := newSite(t)
	hosts := m.hosts()[:1]
	const secret = `p"w'{{ x }}{% y %}`
	for i, text := range troublingTexts {
		f := m.file("/etc/trouble/"+string(rune('a'+i)), strings.ReplaceAll(text, "@", redisToken))
		hosts[0].Configuration = append(hosts[0].Configuration, f)
	}
	r := m.export(export.Salt, hosts...)
	for i, text := range troublingTexts {
		got, ok := r.Files["salt/web/templates/etc/trouble/"+string(rune('a'+i))+".jinja"]
		require.True(t, ok, text)
		require.Equal(t, strings.ReplaceAll(text, "@", secret), render(t, got, secret), "%q", got)
	}
}
