package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "migration.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// testWays are ways as the product has them: with a name and an explanation.
var testWays = Ways{
	{Name: "fence", Text: "one side takes writes at a time; writes fail on the old site from the fence until its clients follow DNS."},
	{Name: "dual", Text: "both sides take writes."},
}

func rendered(t *testing.T) string {
	t.Helper()
	data, err := Init{Site: "blog", ID: "blog-x7k2", Ways: testWays}.Render()
	require.NoError(t, err)
	return string(data)
}

func TestInitWritesAFileThatLoads(t *testing.T) {
	t.Setenv("DIGITALOCEAN_TOKEN", "do-secret")
	c, err := Load(write(t, rendered(t)), testWays)
	require.NoError(t, err)
	require.Equal(t, "web1", c.Hosts[0].Name)
	require.Equal(t, "192.0.2.10", c.Hosts[0].Address.String())
	require.Equal(t, 10*time.Second, c.Cutover.Budget)
	require.True(t, c.DNS.Purge)
	require.True(t, filepath.IsAbs(c.StateDir))
	require.Equal(t, "do-secret", c.Provision.DigitalOcean.Token.Open())
	require.NotContains(t, fmt.Sprintf("%+v", c), "do-secret", "I7")
}

func TestInitWithHostsAndZones(t *testing.T) {
	web, err := ParseHost("www=10.0.0.1:web,app")
	require.NoError(t, err)
	db, err := ParseHost("mysql=[2001:db8::1]:db")
	require.NoError(t, err)
	data, err := Init{Site: "shop", Hosts: []Host{web, db}, Zones: []string{"a.example", "b.example"}, Way: "dual", Ways: testWays}.Render()
	require.NoError(t, err)
	c, err := Load(write(t, string(data)), testWays)
	require.NoError(t, err)
	require.Equal(t, []string{"a.example", "b.example"}, c.DNS.Zones)
	require.Equal(t, "mysql", c.Databases[0].Host)
	require.Equal(t, []string{"www"}, c.Applications[0].Hosts)
	require.Equal(t, "dual", c.Cutover.Way)
	require.True(t, strings.HasPrefix(c.ID, "shop-"))
	for _, bad := range []string{"www", "www=10.0.0.1", "www=ten:web"} {
		_, err := ParseHost(bad)
		require.Error(t, err, bad)
	}
}

// TestDigest: the digest follows every setting and nothing else.
func TestDigest(t *testing.T) {
	text := rendered(t)
	path := write(t, text)
	first, err := Load(path, testWays)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("# a comment\n"+text), 0o600))
	again, err := Load(path, testWays)
	require.NoError(t, err)
	require.Equal(t, first.Digest, again.Digest)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(text, "max_lag: 1s", "max_lag: 2s", 1)), 0o600))
	other, err := Load(path, testWays)
	require.NoError(t, err)
	require.NotEqual(t, first.Digest, other.Digest)
}

func TestBadConfigurationIsOneLineWithFileLineAndHint(t *testing.T) {
	text := rendered(t)
	lineOf := func(part string) int {
		require.Contains(t, text, part)
		return 1 + strings.Count(text[:strings.Index(text, part)], "\n")
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown key":      {"  user: root #", "  usr: root #", "unknown setting usr"},
		"wrong type":       {"  port: 22", "  port: many", `text "many" where a whole number is expected`},
		"bad duration":     {"max_lag: 1s", "max_lag: soon", `text "soon" where a duration such as 10s is expected`},
		"bad address":      {"address: 192.0.2.10", "address: web.example", `"web.example" is not an IP address`},
		"bad prefix":       {"operators: [0.0.0.0/0", "operators: [everyone", `"everyone" is not a network such as 192.0.2.0/24`},
		"twice":            {"name: db1", "name: web1", "host web1 is listed twice"},
		"unknown role":     {"[db]", "[database]", `unknown role "database"`},
		"missing host":     {"host: db1", "host: db9", `no host is named "db9"`},
		"unknown way":      {"way: fence", "way: magic", `unknown way "magic"`},
		"bad zone":         {"- example.com", "- example", `zone "example" is not a domain`},
		"relative file":    {"- /etc/blog\n", "- etc/blog\n", `file "etc/blog": an absolute, clean path`},
		"endpoint":         {"endpoint: https://api.digitalocean.com/", "endpoint: https://api.digitalocean.com", "is not an http(s) URL that ends with /"},
		"health":           {"http://{address}/healthz", "http://web1/healthz", "an http(s) URL with {address}"},
		"unknown seed":     {"seed: auto", "seed: fast", `unknown seed "fast"`},
		"unknown place":    {"run_on: controller", "run_on: moon", `unknown place "moon" to run on`},
		"bad rate":         {"throttle: {workers: 4,", "throttle: {rate: soon,", `"soon" is not a number of bytes such as 50MB`},
		"too many workers": {"throttle: {workers: 4,", "throttle: {workers: 400,", "throttle.workers 400: 1 to 64"},
		"budget too short": {"budget: 10s", "budget: 1s", "is too short to drain in"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, text, c.old)
			path := write(t, strings.Replace(text, c.old, c.new, 1))
			_, err := Load(path, testWays)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Contains(t, err.Error(), c.want)
			require.NotContains(t, err.Error(), "\n")
			require.Equal(t, lineOf(c.old), e.Line, err.Error())
			require.True(t, strings.HasPrefix(err.Error(), path+":"))
		})
	}
}

func TestMissingFileNamesTheNextCommand(t *testing.T) {
	_, err := Load("nowhere.yaml", testWays)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "migrate init", e.Hint)
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "1000": 1000, "50MB": 50e6, "64 MiB": 64 << 20, "2GiB": 2 << 30, "3 kB": 3000, "7B": 7} {
		got, err := ParseBytes(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "MB", "-1", "1.5GB", "9223372036GiB", "5 minutes"} {
		_, err := ParseBytes(text)
		require.Error(t, err, text)
	}
}

func FuzzParse(f *testing.F) {
	data, err := Init{Site: "blog", ID: "blog-x7k2", Ways: testWays}.Render()
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte("hosts: [{address: 1}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parse("migration.yaml", data)
		if err == nil && c.defaults(testWays) == nil {
			_ = c.validate(testWays) // must not panic, whatever it finds
		}
	})
}

// The configuration learns from its caller which ways there are.
func TestWaysArePassedIn(t *testing.T) {
	text := rendered(t)
	require.Contains(t, text, `cutover:
  # fence: one side takes writes at a time; writes fail on the old site from the
  #        fence until its clients follow DNS.
  # dual:  both sides take writes.
  way: fence
`)
	other := strings.Replace(text, "way: fence", "way: hold", 1)
	_, err := Load(write(t, other), testWays)
	require.ErrorContains(t, err, `unknown way "hold"`)
	var wrong *Error
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "ways are fence and dual", wrong.Hint)

	more := append(Ways{{Name: "hold"}}, testWays...)
	c, err := Load(write(t, other), more)
	require.NoError(t, err)
	require.Equal(t, "hold", c.Cutover.Way)
	c, err = Load(write(t, strings.Replace(text, "way: fence", "", 1)), more)
	require.NoError(t, err)
	require.Equal(t, "hold", c.Cutover.Way, "the first is the default")
	_, err = Load(write(t, strings.Replace(text, "way: fence", "way: none", 1)), more)
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "ways are hold, fence and dual", wrong.Hint)
}
