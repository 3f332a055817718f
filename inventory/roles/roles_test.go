package roles

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/inventory"
)

// Twenty hosts, some of them odd, form four roles whether the config has roles for
// them or not.
func TestTwentyHostsFormFourRoles(t *testing.T) {
	for _, called := range []bool{true, false} {
		found := hostsByRole(Of(twentyHosts(called)))
		require.Len(t, found, 4, "%v", found)
		require.Len(t, found["web"], 9)
		require.Equal(t, []string{"db1", "db2", "db3", "db4", "db5"}, found["db"])
		require.Equal(t, []string{"cache1", "cache2", "cache3"}, found["cache"])
		require.Equal(t, []string{"queue1", "queue2", "queue3"}, found["queue"])
	}
}

func TestConfigRolesDoNotDecide(t *testing.T) {
	m := &siteBuilder{}
	hosts := []*inventory.Host{m.web("web1", "web"), m.web("web2", "web"), m.web("web3", "web"), m.db("web4", "web"), m.db("db1", "db"), m.db("db2", "db")}
	addServer(hosts[2], "mariadb-server", "mariadbd", 3306) // a database beside the web server
	hosts[2].MySQL = &inventory.MySQL{Version: "10.11.6"}
	roles := Of(hosts)
	require.Equal(t, map[string][]string{"web": {"web1", "web2", "web3"}, "db": {"db1", "db2", "web4"}}, hostsByRole(roles))
	db, web := portray(roles[0], nil), portray(roles[1], nil)
	require.Contains(t, db.Odd, Odd{Host: "web4", How: oddDiffers, What: "host: roles", Usual: "db", Here: "web", Why: "the config calls it something else"})
	var what []string
	for _, o := range web.Odd {
		require.Equal(t, "web3", o.Host)
		require.Equal(t, oddHas, o.How)
		what = append(what, o.What)
	}
	require.Subset(t, what, []string{"mysql", "package mariadb-server", "service mariadb-server.service", "listener tcp 0.0.0.0 3306"})
}

// A host that is unlike the others of its config name is reported as odd.
func TestMisnamedHostIsOdd(t *testing.T) {
	m := &siteBuilder{}
	hosts := []*inventory.Host{m.web("web1", "web"), m.web("web2", "web"), m.queue("web3", "web"), m.db("db1", "db")}
	s := SurveyOf(hosts, nil)
	require.Len(t, s.Roles, 3)
	require.Equal(t, "queue", s.Roles[1].Name)
	require.Equal(t, []string{"web"}, s.Roles[1].ConfigNames)
	require.Equal(t, []Odd{{Host: "web3", How: oddDiffers, What: "host: roles", Usual: "queue", Here: "web", Why: "the config calls it as it calls hosts that it is unlike"}}, s.Roles[1].Odd)
	require.Empty(t, s.Roles[2].Odd)
}

// Hosts with different config names stay apart although they run the same.
func TestConfigRolesStayApart(t *testing.T) {
	m := &siteBuilder{}
	found := hostsByRole(Of([]*inventory.Host{m.web("a1", "web", "app"), m.web("a2", "app", "web"), m.web("b1", "static"), m.web("b2", "static")}))
	require.Equal(t, map[string][]string{"app-web": {"a1", "a2"}, "static": {"b1", "b2"}}, found)
}

func TestHostWithoutConfigRoleJoinsSimilarHosts(t *testing.T) {
	m := &siteBuilder{}
	found := hostsByRole(Of([]*inventory.Host{m.web("new"), m.web("web1", "front"), m.web("web2", "front"), m.db("data")}))
	require.Equal(t, map[string][]string{"front": {"new", "web1", "web2"}, "db": {"data"}}, found)
}

func TestSiteWithOneRole(t *testing.T) {
	m := &siteBuilder{}
	hosts := []*inventory.Host{m.web("a"), m.web("b"), m.web("c"), m.web("d")}
	for i, h := range hosts {
		h.Packages = append(h.Packages, inventory.Package{Name: fmt.Sprint("odd-", string(rune('a'+i))), Manual: true})
	}
	require.Equal(t, map[string][]string{"web": {"a", "b", "c", "d"}}, hostsByRole(Of(hosts)), "what all run is what they are for")
}

func TestNamesOfRoles(t *testing.T) {
	m := &siteBuilder{}
	service := func(name string) *inventory.Host {
		h := m.host(name)
		addServer(h, name, name, 7000)
		return h
	}
	lamp := m.web("lamp")
	addServer(lamp, "mariadb-server", "mariadbd", 3306)
	lamp.MySQL = &inventory.MySQL{}
	found := hostsByRole(Of([]*inventory.Host{
		lamp, m.db("d1"), m.cache("c1"), m.queue("q1"), m.monitor("m1"), service("billing"), service("../../etc/x y\n{{ z }}"), {Name: "bare"},
	}))
	require.Equal(t, map[string][]string{
		"web-db": {"lamp"}, "db": {"d1"}, "cache": {"c1"}, "queue": {"q1"}, "monitoring": {"m1"}, "billing": {"billing"},
		"etc-x-y-z": {"../../etc/x y\n{{ z }}"}, "other": {"bare"},
	}, found)
	require.Equal(t, "n-c-d", slug("Ünï cödé"))
	// two groups with the same purpose
	pg := m.host("p1")
	addServer(pg, "postgresql", "postgres", 5432)
	pg.PostgreSQL = []inventory.PostgreSQL{{Port: 5432}}
	found = hostsByRole(Of([]*inventory.Host{m.db("d1"), m.db("d2"), pg}))
	require.Equal(t, map[string][]string{"db": {"d1", "d2"}, "db-postgresql": {"p1"}}, found)
}

// anySite draws hosts of a few kinds with some extra servers; some have roles in
// the config.
func anySite(t *rapid.T) []*inventory.Host {
	m := &siteBuilder{}
	kinds := []func(string, ...string) *inventory.Host{m.web, m.db, m.cache, m.queue, m.monitor, m.host}
	var hosts []*inventory.Host
	for i := range rapid.IntRange(0, 12).Draw(t, "hosts") {
		var called []string
		if c := rapid.SampledFrom([]string{"", "", "web", "db", "x"}).Draw(t, "called"); c != "" {
			called = []string{c}
		}
		h := rapid.SampledFrom(kinds).Draw(t, "kind")(fmt.Sprintf("h%02d", i), called...)
		for _, extra := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"memcached", "varnish", "haproxy", "toy", "nginx"}), 0, 3, rapid.ID).Draw(t, "extra") {
			addServer(h, extra, extra, 8000+len(extra))
		}
		hosts = append(hosts, h)
	}
	return hosts
}

var safeName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func TestRolesKeepTheirPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := anySite(t)
		var of string // the host that has a twin, which does not differ from it
		if len(hosts) > 0 && rapid.Bool().Draw(t, "twin") {
			twin := *rapid.SampledFrom(hosts).Draw(t, "of")
			of, twin.Name = twin.Name, "twin"
			hosts = append(hosts, &twin)
		}
		roles := Of(hosts)
		seen := map[string]int{}
		used := map[string]bool{}
		for _, r := range roles {
			require.Regexp(t, safeName, r.Name)
			require.False(t, used[r.Name], r.Name)
			require.NotEmpty(t, r.Hosts)
			used[r.Name] = true
			var members []string
			for _, h := range r.Hosts {
				seen[h.Name]++
				members = append(members, h.Name)
			}
			require.True(t, of == "" || slices.Contains(members, of) == slices.Contains(members, "twin"), "twins are parted")
		}
		require.Len(t, seen, len(hosts))
		for name, n := range seen {
			require.Equal(t, 1, n, name)
		}
		mixed := rapid.Permutation(hosts).Draw(t, "order")
		require.Equal(t, hostsByRole(roles), hostsByRole(Of(mixed)), "the order of hosts does not matter")
		require.Equal(t, moveGroups(hosts), moveGroups(mixed))
	})
}

// Random packages and an additional service on some hosts do not split the four
// roles of the 20 hosts.
func TestNoiseDoesNotSplitRoles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := twentyHosts(rapid.Bool().Draw(t, "called"))
		for i, h := range hosts {
			for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 40), 0, 12, rapid.ID).Draw(t, "packages") {
				h.Packages = append(h.Packages, inventory.Package{Name: "lib-" + string(rune('a'+n%26)) + string(rune('a'+n/26)), Manual: true})
			}
			if drop := rapid.IntRange(0, 4).Draw(t, "dropped"); drop > 0 {
				h.Packages = h.Packages[drop:]
			}
			if i%4 == 0 && rapid.Bool().Draw(t, "service") {
				addServer(h, rapid.SampledFrom([]string{"memcached", "vsftpd", "tomcat9", "squid"}).Draw(t, "of"), "x", 9000)
			}
		}
		found := hostsByRole(Of(hosts))
		require.Len(t, found, 4, "%v", found)
		for name, members := range found {
			require.Len(t, members, map[string]int{"web": 9, "db": 5, "cache": 3, "queue": 3}[name], "%v", found)
		}
	})
}

func TestPortraits(t *testing.T) {
	hosts := twentyHosts(true)
	odd := map[string][]Odd{}
	for _, r := range Of(hosts) {
		p := portray(r, nil)
		for _, o := range p.Odd {
			odd[o.Host] = append(odd[o.Host], o)
		}
		common := map[string][]string{}
		for _, c := range p.Common {
			common[c.Kind] = c.Names
		}
		require.Contains(t, common["package"], "sudo")
		require.Contains(t, common["service"], "cron.service")
		require.Contains(t, common["listener"], "tcp {own address} 9999", "own addresses do not part hosts")
		if r.Name == "web" {
			require.Contains(t, common["package"], "nginx")
			require.NotContains(t, common["package"], "memcached")
			require.NotContains(t, common["service"], "php8.2-fpm.service", "one lacks it")
			require.Equal(t, []string{"nginx blog.example.com /etc/nginx/sites-enabled/blog"}, common["site"])
		}
	}
	find := func(host, how, what string) {
		t.Helper()
		require.True(t, slices.ContainsFunc(odd[host], func(o Odd) bool { return o.How == how && o.What == what }), "%s: %+v", host, odd[host])
	}
	find("web3", oddHas, "service memcached.service")
	find("web4", oddLacks, "service php8.2-fpm.service")
	find("web5", oddDiffers, "package chrony: version")
	find("db2", oddHas, "cron job /etc/cron.d/dump root @daily dump")
	find("db3", oddDiffers, "mysql variable sql_mode: value")
	find("cache2", oddDiffers, "configuration /etc/motd.local: contents")
	find("queue2", oddHas, "package emacs-nox")
	require.Empty(t, odd["web9"], "its tool came with something else")
}

// With the contents at hand, files that differ only by the host's own name and
// address are not odd, although their hashes differ.
func TestOwnNamesInContentsAreNotOdd(t *testing.T) {
	m, objects := &siteBuilder{}, inventory.NewObjects(t.TempDir())
	var hosts []*inventory.Host
	for _, name := range []string{"web1", "web2", "web3"} {
		h := m.web(name, "web")
		text := "listen " + addressOf(h) + ":80;\nserver_name " + name + ".example.com;\n"
		if name == "web2" {
			text += "gzip off;\n"
		}
		content, err := objects.Put([]byte(text))
		require.NoError(t, err)
		h.Configuration = append(h.Configuration, inventory.File{Path: "/etc/nginx/own.conf", Kind: "file", SHA256: name, Content: content})
		hosts = append(hosts, h)
	}
	p := portray(Of(hosts)[0], objects)
	require.Len(t, p.Odd, 1)
	require.Equal(t, "web2", p.Odd[0].Host)
	require.Equal(t, "configuration /etc/nginx/own.conf: contents", p.Odd[0].What)
}

func TestShow(t *testing.T) {
	m := &siteBuilder{next: 1000}
	hosts := append(twentyHosts(true), m.host("spare"), m.monitor("mon1", "monitoring"))
	at := byName(hosts)
	connectTo(at, "db1", 3306, "web1", "web2")
	for _, h := range hosts[:len(hosts)-1] {
		connectTo(at, h.Name, 9999, "mon1")
	}
	at["web1"].Packages = append(at["web1"].Packages, inventory.Package{Name: "evil\x1b[31m\nname", Manual: true})
	s := SurveyOf(hosts, nil)
	var out, again bytes.Buffer
	require.NoError(t, Show(&out, s))
	require.NotContains(t, out.String(), "\x1b")
	require.Contains(t, out.String(), "web1, web2 → db1:3306 (mysql)")
	require.Regexp(t, `(?m)^web +9 +web1, web2, `, out.String())
	require.Regexp(t, `(?m)^\(all roles\) +package +\d+ +cron, curl, `, out.String())
	require.Regexp(t, `(?m)^db +package +2 +chrony, mariadb-server$`, out.String())
	require.Regexp(t, `(?m)^mon1 → cache1:9999 \(house-agent\) +20 +mon1 talks to 21 of the 21 other hosts`, out.String())
	require.Regexp(t, `(?m)^\(each alone\) +cache1, `, out.String())
	require.Regexp(t, `(?m)^other +1 +spare `, out.String(), "what all run names no role")
	slices.Reverse(hosts)
	require.NoError(t, Show(&again, SurveyOf(hosts, nil)))
	require.Equal(t, out.String(), again.String())
	data, err := json.Marshal(s)
	require.NoError(t, err)
	require.Contains(t, string(data), `"links_left_out":[{"from":["mon1"],`)
}
