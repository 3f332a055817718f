package roles

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// purposes are names for hosts by the servers that they run; the first match
// counts.
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

// nameClusters names clusters by their config name, else by their purpose, else by
// the service with the most weight. All names are different.
func nameClusters(found []cluster) []string {
	order := make([]int, len(found))
	for i := range order {
		order[i] = i
	}
	// clusters with a config name choose first, then the larger ones
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(rank(found[a]), rank(found[b])), cmp.Compare(len(found[b].hosts), len(found[a].hosts)), cmp.Compare(found[a].hosts[0].Name, found[b].hosts[0].Name))
	})
	everywhere := commonFeatures(found)
	names, used := make([]string, len(found)), map[string]bool{}
	for _, i := range order {
		name := nameOf(found[i], everywhere)
		if used[name] {
			name = distinctName(found[i], name, used)
		}
		names[i], used[name] = name, true
	}
	return names
}

func rank(c cluster) int {
	if c.configName != "" {
		return 0
	}
	return 1
}

// commonFeatures returns what most hosts of every cluster run, which cannot name
// one of several clusters.
func commonFeatures(found []cluster) map[string]bool {
	count := map[string]int{}
	for _, c := range found {
		for _, feature := range usualFeatures(c.hosts) {
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
	if c.configName != "" {
		return slug(c.configName)
	}
	usual := usualFeatures(c.hosts)
	if name := purposeOf(usual); name != "" {
		return name
	}
	if configName := configNameOf(c.hosts[0]); configName != "" {
		return slug(configName)
	}
	for _, feature := range usual {
		if !everywhere[feature] {
			_, name, _ := strings.Cut(feature, " ")
			return slug(name)
		}
	}
	return "other"
}

// purposeOf returns the purpose of hosts with these features, or "". An application
// with a web server in front of it is web, as that is what others reach; a web
// server with a database beside it is both.
func purposeOf(usual []string) string {
	var matching []string
	for _, p := range purposes {
		if slices.ContainsFunc(usual, p.runs.MatchString) {
			matching = append(matching, p.name)
		}
	}
	if len(matching) == 0 {
		return ""
	}
	web := slices.Contains(matching, "web")
	switch {
	case matching[0] == "db" && web:
		return "web-db"
	case matching[0] == "app" && web:
		return "web"
	}
	return matching[0]
}

// distinctName returns a name that is not used yet: it appends what the hosts run,
// or else a number.
func distinctName(c cluster, name string, used map[string]bool) string {
	for _, feature := range usualFeatures(c.hosts) {
		fields := strings.Fields(feature)
		longer := slug(name + "-" + fields[len(fields)-1])
		if !used[longer] && slug(fields[len(fields)-1]) != name {
			return longer
		}
	}
	for i := 2; ; i++ {
		if longer := fmt.Sprintf("%s-%d", name, i); !used[longer] {
			return longer
		}
	}
}

// usualFeatures returns what more than half of the hosts run, by falling weight.
func usualFeatures(hosts []*inventory.Host) []string {
	count, weight := map[string]int{}, features{}
	for _, h := range hosts {
		for name, w := range featuresOf(h) {
			if isRunning(name) && w >= listenerWeight {
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

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

// maxNameLength keeps names short enough for files and groups.
const maxNameLength = 40

// slug makes a name of lower-case letters, digits and hyphens; "other" if nothing
// is left.
func slug(name string) string {
	name = strings.Trim(notSlug.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if len(name) > maxNameLength {
		name = strings.Trim(name[:maxNameLength], "-")
	}
	return cmp.Or(name, "other")
}
