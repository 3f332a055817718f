package traits

import (
	"encoding/json"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
)

// eachField calls each with the place of every field of a type that holds a value.
func eachField(t reflect.Type, at string, each func(at string)) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[inventory.Cause]() {
		each(at)
		return
	}
	if _, ok := Excluded[at]; ok {
		each(at)
		return
	}
	for i := range t.NumField() {
		if tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); tag != "-" {
			eachField(t.Field(i).Type, strings.TrimPrefix(at+"."+tag, "."), each)
		}
	}
}

// Each field of the model is part of a trait or excluded with a reason. Whoever adds
// a field to the model decides here.
func TestEveryFieldIsDecided(t *testing.T) {
	inShape := map[string]bool{}
	for _, s := range shapes {
		inShape[s.at] = s.key == "" && s.fields == ""
		for _, f := range strings.Fields(s.key + " " + s.fields) {
			inShape[strings.TrimPrefix(s.at+"."+f, ".")] = true
		}
	}
	known := map[string]bool{}
	eachField(reflect.TypeFor[inventory.Host](), "", func(at string) {
		known[at] = true
		require.True(t, inShape[at] != (Excluded[at] != ""), "%s: in a shape, or in Excluded with the reason", at)
	})
	for at := range Excluded {
		require.True(t, known[at], "%s is no field", at)
	}
}

// It is known what each section of the capture fills in.
func TestEverySectionIsDecided(t *testing.T) {
	entries, err := os.ReadDir("../capture/sections")
	require.NoError(t, err)
	require.Greater(t, len(entries), 30)
	for _, e := range entries {
		require.NotEmpty(t, sectionFields[strings.TrimSuffix(e.Name(), ".sh")], e.Name())
	}
	for name, places := range sectionFields {
		for _, at := range places {
			ok := slices.ContainsFunc(shapes, func(s shape) bool {
				field, isField := strings.CutPrefix(at, s.at+".")
				return s.at == at || isField && slices.Contains(append(strings.Fields(s.fields+" "+s.key), Contents), field)
			})
			require.True(t, ok, "%s: %s", name, at)
		}
	}
}

func capturedHost(t *testing.T) *inventory.Host {
	t.Helper()
	text, err := os.ReadFile("../../testdata/hosts/db1.json")
	require.NoError(t, err)
	h := &inventory.Host{}
	require.NoError(t, json.Unmarshal(text, h))
	return h
}

func TestTraitsOfACapturedHost(t *testing.T) {
	h := capturedHost(t)
	kinds := map[string]int{}
	for _, trait := range traitsOf(h) {
		kinds[trait.At]++
		require.NotEmpty(t, trait.Kind)
	}
	require.Equal(t, len(h.Packages), kinds["packages"])
	require.Equal(t, len(h.MySQL.Variables), kinds["mysql.variables"])
	require.Equal(t, len(h.MySQL.Schemas), kinds["mysql.schemas"])
	require.Equal(t, 1, kinds["os"])
	ids, exact := map[string]bool{}, map[string]bool{}
	for _, i := range (&Source{Host: h, Names: OwnNames(h)}).items() {
		require.False(t, ids[i.ID] || exact[i.exact], i.ID)
		ids[i.ID], exact[i.exact] = true, true
	}
}

func TestTraitsOfServersInAServer(t *testing.T) {
	h := &inventory.Host{Redis: []inventory.Redis{
		{Address: "127.0.0.1:6379", Settings: []inventory.Setting{{Name: "maxmemory", Value: "1"}}},
		{Address: "127.0.0.1:6380", Settings: []inventory.Setting{{Name: "maxmemory", Value: "2"}}},
	}}
	var names []string
	for _, trait := range traitsOf(h) {
		if trait.At == "redis.settings" {
			names = append(names, trait.String()+" "+trait.Get("value"))
		}
	}
	require.Equal(t, []string{"redis setting 127.0.0.1:6379 maxmemory 1", "redis setting 127.0.0.1:6380 maxmemory 2"}, names)
}

func TestNamesAreReplacedWhole(t *testing.T) {
	h := &inventory.Host{Name: "db1", Network: inventory.Network{
		Hostname: "db1", FQDN: "db1.example.com",
		Interfaces: []inventory.Interface{{Addresses: []string{"10.0.0.1/24", "fd00::1/64", "fe80::1/64", "127.0.0.1/8"}}},
	}}
	names := OwnNames(h).With(map[string][]netip.Addr{"web1": {netip.MustParseAddr("10.0.0.9")}})
	for text, want := range map[string]string{
		"10.0.0.1":                       "{own address}",
		"bind 10.0.0.1:3306;":            "bind {own address}:3306;",
		"10.0.0.12 110.0.0.1 10.0.0.1.5": "10.0.0.12 110.0.0.1 10.0.0.1.5",
		"[fd00::1]:80 fd00::1a":          "[{own address}]:80 fd00::1a",
		"db1 db1. db1.example.com.":      "{own name} {own name}. {own name}.",
		"db1.example.org db12 my-db1":    "db1.example.org db12 my-db1",
		"mysql:db1:3306":                 "mysql:{own name}:3306",
		"/etc/x/db1.conf db1.confuse":    "/etc/x/{own name}.conf db1.confuse",
		"allow 10.0.0.9;":                "allow {web1};",
		"127.0.0.1 fe80::1":              "127.0.0.1 fe80::1",
	} {
		require.Equal(t, want, Readable(names.Replace(text)), text)
	}
	require.Equal(t, "as it was", Names{}.Replace("as it was"))
	bridge, alone := netip.MustParseAddr("172.17.0.1"), netip.MustParseAddr("10.0.0.8")
	names = names.With(map[string][]netip.Addr{"a": {bridge, alone}, "b": {bridge}})
	require.Equal(t, "172.17.0.1 {a}", Readable(names.Replace("172.17.0.1 10.0.0.8")))
}

func TestUsualItems(t *testing.T) {
	objects := inventory.NewObjects(t.TempDir())
	host := func(name, address, version, contents string) *Source {
		object, err := objects.Put([]byte(contents))
		require.NoError(t, err)
		h := &inventory.Host{
			Name: name, Network: inventory.Network{Interfaces: []inventory.Interface{{Name: "eth0", Addresses: []string{address + "/24"}}}},
			Packages:      []inventory.Package{{Name: "nginx", Version: version}},
			Configuration: []inventory.File{{Path: "/etc/x", SHA256: name, Content: object}},
		}
		return &Source{Host: h, Names: OwnNames(h), Objects: objects}
	}
	a, b, c := host("web1", "10.0.0.1", "1.22", "listen 10.0.0.1\n"), host("web2", "10.0.0.2", "1.22", "listen 10.0.0.2\n"), host("web3", "10.0.0.3", "1.24", "listen *\n")
	c.Host.Packages = append(c.Host.Packages, inventory.Package{Name: "vim"})
	for _, order := range [][]*Source{{a, b, c}, {c, b, a}} {
		found := map[string]Item{}
		for _, i := range Usual(order) {
			found[i.String()] = i
		}
		require.Equal(t, "1.22", found["package nginx"].Get("version"))
		require.NotContains(t, found, "package vim")
		require.Equal(t, "web1", found["configuration /etc/x"].Source.Host.Name)
	}
}

func TestUnknownIsNotAbsent(t *testing.T) {
	u := UnknownOf(&inventory.Host{Missing: []inventory.Missing{
		{What: "listeners", Reason: inventory.TimedOut},
		{What: "passwords", Reason: inventory.Denied},
		{What: "/etc/ssl/private", Reason: inventory.Denied},
		{What: "tree", Reason: inventory.Denied, Detail: "find: '/etc/polkit': Permission denied"},
		{What: "tree-sums", Reason: inventory.Denied, Detail: "sha256sum: /etc/secret.conf: Permission denied"},
		{What: "redis 127.0.0.1:6379", Reason: inventory.Denied},
		{What: "a newer section", Reason: inventory.Failed},
	}})
	for _, c := range []struct {
		at, name, field string
		unknown         bool
	}{
		{"listeners", "tcp * 80", "", true},
		{"services", "nginx.service", "", false},
		{"users", "root", "", false},
		{"users", "root", "password", true},
		{"users", "root", "shell", false},
		{"configuration", "/etc/ssl/private/a b", "", true},
		{"configuration", "/etc/ssl/privateer", "", false},
		{"configuration", "/etc/polkit/rules", "", true},
		{"configuration", "/etc/nginx/nginx.conf", "", false},
		{"configuration", "/etc/secret.conf", "", true},
		{"cron_jobs", "/etc/ssl/private/cron root @daily x", "", true},
		{"redis.settings", "127.0.0.1:6379 maxmemory", "", true},
		{"redis.settings", "127.0.0.1:6380 maxmemory", "", false},
	} {
		trait := Trait{At: c.at, Name: c.name}
		_, unknown := u.Trait(trait)
		if c.field != "" {
			_, unknown = u.Field(trait, c.field)
		}
		require.Equal(t, c.unknown, unknown, c)
	}
}

// What a login other than root may not see is unknown; what every login sees is
// known.
func TestPlainLoginKnowsLess(t *testing.T) {
	u := UnknownOf(&inventory.Host{Missing: []inventory.Missing{{What: "root", Reason: inventory.Denied}}})
	for _, at := range []string{"redis", "authorized_keys", "releases", "certificates", "sudo_rules"} {
		_, unknown := u.Trait(Trait{At: at, Name: "x"})
		require.True(t, unknown, at)
	}
	_, unknown := u.Field(Trait{At: "listeners", Name: "tcp * 80"}, "process")
	require.True(t, unknown)
	for _, at := range []string{"listeners", "packages", "services", "users"} {
		_, unknown := u.Trait(Trait{At: at, Name: "x"})
		require.False(t, unknown, at)
	}
}

// A host may have the same name as a user: a trait that the other host has by the
// same name is not the host's own.
func TestHostNamedLikeUser(t *testing.T) {
	host := func(name string) *Source {
		h := &inventory.Host{
			Name: name, Users: []inventory.Account{{Name: "backup"}},
			Configuration: []inventory.File{{Path: "/etc/backup/x"}, {Path: inventory.Text("/etc/conf.d/" + name + ".conf")}},
		}
		return &Source{Host: h, Names: OwnNames(h)}
	}
	a, b, c := host("backup"), host("files"), host("other")
	for _, m := range Pair(a.items(), b.items()) {
		require.NotNil(t, m.Old, m.present())
		require.NotNil(t, m.New, m.present())
	}
	require.Len(t, Usual([]*Source{a, b, c}), len(a.items()))
}

// Parts of longer names stay, and nothing is found in a mark.
func FuzzReplace(f *testing.F) {
	f.Add("db1", "bind db1:3306 # db1.example.com, db1.conf db12")
	f.Add("fd00::1", "[fd00::1]:80 fd00::1a")
	f.Add("a.b", "\xff a.b. a.b\x00")
	f.Fuzz(func(t *testing.T, name, text string) {
		if !utf8.ValidString(name) || strings.Contains(name+text, ownName) {
			return // not a host's name, or a text that already has a mark
		}
		names := OwnNames(&inventory.Host{Name: name})
		once := names.Replace(text)
		require.Equal(t, once, names.Replace(once))
		if !strings.Contains(text, name) {
			require.Equal(t, text, once)
		}
		require.Equal(t, text, strings.ReplaceAll(once, ownName, name))
	})
}
