package roles

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// purposes are servers and what hosts are called that run them, the first that
// fits.
var purposes = []struct {
	name string
	runs *regexp.Regexp
}{
	{"db", regexp.MustCompile(`^(server (mysql|postgresql)|service (mysqld?|mariadb|postgresql|mongod|cassandra|clickhouse-server|influxdb))$`)},
	{"search", regexp.MustCompile(`^service (elasticsearch|opensearch|solr|sphinxsearch|meilisearch)$`)},
	{"queue", regexp.MustCompile(`^service (rabbitmq-server|kafka|activemq|nats(-server)?|beanstalkd|gearman.*)$`)},
	{"mail", regexp.MustCompile(`^service (dovecot|cyrus.*|opendkim|rspamd|amavis.*)$`)},
	{"dns", regexp.MustCompile(`^service (named|bind|unbound|pdns.*|knotd?|nsd|dnsmasq)$`)},
	{"monitoring", regexp.MustCompile(`^service (prometheus|zabbix-server|nagios|icinga|grafana-server|munin)$`)},
	{"files", regexp.MustCompile(`^service (nfs-server|nfs-kernel-server|smbd|minio|vsftpd|proftpd|glusterd)$`)},
	{"balancer", regexp.MustCompile(`^(server haproxy|service (haproxy|keepalived|traefik|envoy))$`)},
	{"app", regexp.MustCompile(`^service (php-fpm|uwsgi|gunicorn.*|puma.*|unicorn.*|tomcat.*|node|pm|passenger.*)$`)},
	{"web", regexp.MustCompile(`^(server (nginx|apache|caddy)|service (nginx|apache|httpd|caddy|lighttpd|varnish))$`)},
	{"cache", regexp.MustCompile(`^(server redis|service (redis(-server)?|valkey(-server)?|memcached))$`)},
}

// nameAll names clusters: by what the config calls them where it does, else by
// what they are for, else by the service that tells most. No two names are alike.
func nameAll(found []cluster) []string {
	order := make([]int, len(found))
	for i := range order {
		order[i] = i
	}
	// who is called something by the config gets that name; then the larger one
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(rank(found[a]), rank(found[b])), cmp.Compare(len(found[b].hosts), len(found[a].hosts)), cmp.Compare(found[a].hosts[0].Name, found[b].hosts[0].Name))
	})
	everywhere := runEverywhere(found)
	names, taken := make([]string, len(found)), map[string]bool{}
	for _, i := range order {
		name := nameOf(found[i], everywhere)
		if taken[name] {
			name = another(found[i], name, taken)
		}
		names[i], taken[name] = name, true
	}
	return names
}

func rank(c cluster) int {
	if c.called != "" {
		return 0
	}
	return 1
}

// runEverywhere is what most hosts of every cluster run: it names none of several.
func runEverywhere(found []cluster) map[string]bool {
	count := map[string]int{}
	for _, c := range found {
		for _, feature := range mostRun(c.hosts) {
			count[feature]++
		}
	}
	everywhere := map[string]bool{}
	for feature, n := range count {
		everywhere[feature] = len(found) > 1 && n == len(found)
	}
	return everywhere
}

func nameOf(c cluster, everywhere map[string]bool) string {
	if c.called != "" {
		return plain(c.called)
	}
	usual := mostRun(c.hosts)
	if name := purposeOf(usual); name != "" {
		return name
	}
	if called := calledOf(c.hosts[0]); called != "" {
		return plain(called)
	}
	for _, feature := range usual {
		if !everywhere[feature] {
			_, name, _ := strings.Cut(feature, " ")
			return plain(name)
		}
	}
	return "other"
}

// purposeOf is what hosts are for that run these. An application with a web
// server in front of it is web: that is what others reach. One with its database
// beside it is both.
func purposeOf(usual []string) string {
	var fits []string
	for _, p := range purposes {
		if slices.ContainsFunc(usual, p.runs.MatchString) {
			fits = append(fits, p.name)
		}
	}
	if len(fits) == 0 {
		return ""
	}
	web := slices.Contains(fits, "web")
	switch {
	case fits[0] == "db" && web:
		return "web-db"
	case fits[0] == "app" && web:
		return "web"
	}
	return fits[0]
}

// another makes a name different from those taken, by what the hosts run or
// else by a number.
func another(c cluster, name string, taken map[string]bool) string {
	for _, feature := range mostRun(c.hosts) {
		fields := strings.Fields(feature)
		longer := plain(name + "-" + fields[len(fields)-1])
		if !taken[longer] && plain(fields[len(fields)-1]) != name {
			return longer
		}
	}
	for i := 2; ; i++ {
		if longer := fmt.Sprintf("%s-%d", name, i); !taken[longer] {
			return longer
		}
	}
}

// mostRun is what more than half of the hosts run, weightiest first.
func mostRun(hosts []*inventory.Host) []string {
	count, weight := map[string]int{}, features{}
	for _, h := range hosts {
		for name, w := range featuresOf(h) {
			if isServer(name) && w >= ofListener {
				count[name]++
				weight[name] = w
			}
		}
	}
	usual := weight.names()
	usual = slices.DeleteFunc(usual, func(name string) bool { return 2*count[name] <= len(hosts) })
	slices.SortStableFunc(usual, func(a, b string) int { return cmp.Compare(weight[b], weight[a]) })
	return usual
}

var notPlain = regexp.MustCompile(`[^a-z0-9]+`)

// longestName keeps names fit for files and groups.
const longestName = 40

// plain makes a name of lower-case letters, digits and hyphens.
func plain(name string) string {
	name = strings.Trim(notPlain.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if len(name) > longestName {
		name = strings.Trim(name[:longestName], "-")
	}
	return cmp.Or(name, "other")
}
