package traits

import "strings"

// shape says how a part of the inventory is split into traits.
type shape struct {
	at     string // where it stands: "packages", "mysql.schemas"
	kind   string // what one of it is called
	key    string // fields that name one of it
	fields string // fields that say how it is
}

// Excluded are the fields of the model that are in no trait, with the reasons.
var Excluded = map[string]string{
	"version":                         "of the file, not of the host",
	"compatible":                      "of the file, not of the host",
	"memory.swap_bytes":               "the sum of the swaps",
	"coverage":                        "counts what is compared by itself",
	"missing":                         "what is not known: see Unknown",
	"connections.count":               "of the moment",
	"authorized_keys.kind":            "part of what the fingerprint is of",
	"authorized_keys.public":          "what the fingerprint is of, and says no more than that",
	"containers.id":                   "drawn by lot when a container is made",
	"configuration.uid":               "owner has its name, the users their numbers",
	"configuration.gid":               "group has its name, the groups their numbers",
	"configuration.size_bytes":        "follows from the contents",
	"files.uid":                       "owner has its name, the users their numbers",
	"files.gid":                       "group has its name, the groups their numbers",
	"files.size_bytes":                "follows from the contents",
	"redis.databases":                 "numbers of those that hold keys at the moment",
	"mysql.schemas.size_bytes":        "an estimate that moves by itself; migrate verify compares rows",
	"postgresql.databases.size_bytes": "it moves by itself",
}

// shapes are in the order in which traits are listed.
var shapes = []shape{
	{"", "host", "", "name roles captured_at captured_as"},
	{"os", "system", "", "id release codename name like kernel architecture init locale"},
	{"hardware", "hardware", "", "virtualization vendor product"},
	{"cpu", "processors", "", "count model"},
	{"memory", "memory", "", "total_bytes"},
	{"disks", "disk", "mount", "device fs size_bytes used_bytes"},
	{"block_devices", "block device", "name parent", "kind size_bytes fs model"},
	{"logical_volumes", "logical volume", "group name", "size_bytes"},
	{"raid_arrays", "array", "name", "level state members degraded"},
	{"swaps", "swap", "path", "kind size_bytes"},
	{"fstab", "fstab", "mount fs", "device options"},

	{"packages", "package", "name architecture", "version manual held origin"},
	{"repositories", "repository", "url file kind name", "suites components disabled signed_by unsigned"},
	{"language_packages", "language package", "manager name folder", "version"},

	{"services", "service", "unit", "enabled active package file overrides"},
	{"timers", "timer", "unit", "starts schedule enabled active cause"},
	{"listeners", "listener", "protocol address port", "process package unit cause"},
	{"programs", "program", "path script user unit", "cause"},
	{"connections", "connection", "direction protocol peer port process", ""},
	{"cron_jobs", "cron job", "file user schedule command", "line cause"},

	{"users", "user", "name", "uid gid home shell gecos groups password"},
	{"groups", "group", "name", "gid members"},
	{"sudo_rules", "sudo rule", "file text", "line"},
	{"authorized_keys", "authorized key", "user fingerprint file", "line comment options"},

	{"kernel.sysctl", "sysctl", "key", "value set file"},
	{"kernel.modules", "module", "", ""},
	{"kernel.modules_load", "module to load", "", ""},
	{"kernel.limits", "limit", "domain type item file", "value"},
	{"kernel.security", "security module", "", ""},
	{"network", "network", "", "hostname fqdn"},
	{"network.interfaces", "interface", "name", "kind mac mtu up addresses"},
	{"network.routes", "route", "", ""},
	{"network.resolver", "resolver", "", "servers search options"},
	{"network.hosts", "hosts line", "address", "line names"},
	{"firewall", "firewall", "tool", "rules"},
	{"time", "time", "", "zone synchronized ntp_servers clock_off_seconds"},

	{"certificates", "certificate", "file", "subject issuer names not_before not_after sha256 self_signed"},
	{"virtual_hosts", "site", "server names file", "line listen root proxies tls"},
	{"containers", "container", "engine name", "image image_id running restart ports mounts compose"},
	{"images", "image", "engine name", "id digest"},
	{"compose", "compose file", "file", "services images"},
	{"releases", "release", "path", "kind version remote previous"},

	{"mysql", "mysql", "", "socket version free_space_bytes"},
	{"mysql.variables", "mysql variable", "", ""},
	{"mysql.settings", "mysql setting", "name", "value source"},
	{"mysql.schemas", "mysql schema", "name", "tables engines"},
	{"mysql.users", "mysql user", "user host", ""},
	{"mysql.grants", "mysql grant", "account statement", ""},
	{"mysql.replicates_from", "mysql upstream", "name host port", "user running gtid"},
	{"mysql.replicas", "mysql replica", "", ""},
	{"redis", "redis", "address", "version role replicates_from replicas memory_bytes"},
	{"redis.settings", "redis setting", "name", "value source"},
	{"postgresql", "postgresql", "port", "version standby"},
	{"postgresql.settings", "postgresql setting", "name", "value source"},
	{"postgresql.databases", "postgresql database", "name", "owner encoding"},
	{"postgresql.roles", "postgresql role", "name", "rights member_of"},
	{"postgresql.replicas", "postgresql replica", "", ""},

	{"configuration", "configuration", "path", "kind mode owner group sha256 hmac target package content"},
	{"files", "file", "path", "kind mode owner group sha256 hmac target package content"},
	{"secrets", "secret", "path key kind", "line token"},
}

// modelOrder returns the position of a kind of traits in the order of the model.
func modelOrder(at string) int {
	for i, s := range shapes {
		if s.at == at {
			return i
		}
	}
	return len(shapes)
}

// Places returns all kinds of traits, and their fields after a dot.
func Places() []string {
	var all []string
	for _, s := range shapes {
		all = append(all, s.at)
		for _, f := range strings.Fields(s.fields + " value") { // elements of a map have a value
			all = append(all, strings.TrimPrefix(s.at+"."+f, "."))
		}
	}
	return all
}
