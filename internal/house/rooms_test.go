package house

import "strings"

// rooms says which packages of the module a package may import: docs/adr/0013.
// A word that begins with "/" is a room of the same house, "/" its root. A
// package that is missing here is an error, so that a new one is placed on
// purpose; an arrow that no code needs any more is one, too.
//
// Arrows point up the page: a room imports only rooms that stand above it.
var rooms = []struct{ room, imports string }{
	{"secret", ""},
	{"wait", ""},
	{"phrase", ""},
	{"report", ""},
	{"address", ""},
	{"httpretry", "report wait"},
	{"remote", "report"},
	{"remote/remotetest", "/"},
	{"plan", "report wait"},
	{"plan/plantest", "/"},
	{"config", "secret"},

	{"inventory/redact", ""},
	{"inventory", "/redact report"},
	{"inventory/findings", "address phrase /"},
	{"inventory/candidates", "httpretry phrase report / /findings"},
	{"inventory/capture", "remote report / /redact"},
	{"inventory/show", "phrase / /findings"},
	{"inventory/traits", "/"},
	{"inventory/diff", "phrase / /show /traits"},
	{"inventory/roles", "phrase / /diff /show /traits"},
	{"inventory/export", "address remote report / /roles"},
	{"inventory/internal/planted", ""},
	{"inventory/page", "phrase / /findings /roles /show /traits"},

	{"provision", "plan remote report secret wait"},
	{"provision/digitalocean", "httpretry report secret /"},
	{"provision/parity", "address phrase plan remote report /"},
	{"lab/dosim", "secret wait"},
	{"lab/spec", ""},
	{"provision/provisiontest", "lab/dosim lab/spec plan remote report secret / /digitalocean"},

	{"replication/query", ""},
	{"replication/dialect", "/query"},
	{"replication", "phrase plan remote /dialect /query report secret wait"},
	{"replication/setting", "plan remote report / /dialect /query"},
	{"replication/wire", "report wait / /query"},
	{"replication/account", "phrase report secret wait / /dialect /query /setting /wire"},
	{"replication/table", "/query"},
	{"replication/statement", ""},
	{"replication/binlog", "report secret wait / /account /dialect /query /statement /table"},
	{"replication/fence", "plan report wait / /account /dialect /query /setting"},
	{"replication/schema", "plan report / /account /dialect /query /table /wire"},
	{"replication/link", "phrase plan remote report wait / /account /binlog /dialect /fence /query /schema /setting"},
	{"replication/conflict", "plan report / /binlog /link /schema /statement"},
	{"replication/lead", "report / /account /dialect /fence /query"},
	{"replication/guard", "plan remote report secret wait / /account /dialect /fence /link /setting"},
	{"replication/preflight", "phrase plan remote report wait / /account /dialect /fence /query /schema /setting /wire"},
	{"replication/servertest", "remote/remotetest"},
	{"replication/replicationtest", "plan remote report secret wait / /query /servertest"},
	{"replication/throttle", "phrase report / /query"},
	{"replication/used", "phrase report / /binlog /dialect /query /schema /statement"},
	{"replication/seed/control", "report wait / /dialect /query /schema /table /throttle"},
	{"replication/seed/disk", "phrase remote report / /query"},
	{"replication/seed", "phrase plan report wait / /account /binlog /dialect /query /schema /seed/control /seed/disk /setting /statement /table /throttle /used /wire"},
	{"replication/seed/physical", "phrase plan remote report wait / /account /binlog /dialect /query /schema /seed /seed/control /setting /table /throttle /used"},
	{"replication/seed/worker", "plan remote report secret wait / /account /seed /seed/control"},
	{"replication/status", "plan report wait / /account /fence /guard /link /query"},
	{"replication/enemy", ""},
	{"replication/verify", "phrase plan report wait / /account /dialect /fence /query /schema /setting /table /wire"},

	{"dns", "phrase plan report wait"},
	{"dns/cloudflare", "httpretry phrase report secret /"},

	{"move/verb", "dns plan report"},
	{"move/pairs", "plan replication"},
	{"move/state", "plan replication replication/conflict replication/lead replication/verify /verb"},
	{"move/wiring", "config dns/cloudflare httpretry provision provision/digitalocean remote replication report /pairs /state"},
	{"move/inventories", "config inventory inventory/candidates inventory/capture inventory/diff inventory/export inventory/findings inventory/page inventory/redact inventory/roles inventory/show provision remote report /verb /wiring"},
	{"move/records", "dns dns/cloudflare phrase plan provision replication report /state /verb /wiring"},
	{"move/way", "config plan replication replication/conflict replication/fence replication/guard replication/link replication/preflight replication/schema /pairs /verb"},
	{"move/plans", "config plan provision provision/parity replication replication/link replication/preflight replication/seed replication/seed/physical replication/seed/worker replication/setting replication/status replication/used replication/verify report /inventories /pairs /records /state /verb /way /wiring"},
	{"move", "config /inventories /pairs /plans /records /state /verb /way /wiring plan provision replication replication/conflict replication/lead replication/seed/control replication/status replication/verify report"},
	{"lab/cfsim", "wait"},
	{"move/movetest", "config lab/cfsim plan replication secret /wiring"},

	{"cmd/migrate", "config dns inventory/candidates inventory/export move move/plans move/verb move/way move/wiring phrase plan remote replication/guard replication/lead replication/seed/control replication/seed/worker replication/status replication/verify report"},

	{"lab/traffic", "wait"},
	{"lab/check", "/traffic"},
	{"lab/machine", "report"},
	{"lab", "/cfsim /check /dosim /machine /traffic plan report secret"},
	{"lab/blog", ""},
	{"lab/endtoend", ""},

	{"cmd/lab", "config lab lab/check lab/machine lab/traffic move/way phrase plan remote report"},

	{"internal/house", ""},
	{"internal/house/testreport", ""},
}

// allowed lists the packages that a room may import, as paths in the module.
func allowed(room string) (list []string, known bool) {
	house, _, _ := strings.Cut(room, "/")
	for _, r := range rooms {
		if r.room != room {
			continue
		}
		for _, word := range strings.Fields(r.imports) {
			if strings.HasPrefix(word, "/") {
				word = strings.TrimSuffix(house+word, "/")
			}
			list = append(list, word)
		}
		return list, true
	}
	return nil, false
}

// vendors says which rooms alone may use a library, with the rooms below them;
// what is in no list is for all.
var vendors = map[string][]string{
	"github.com/digitalocean/godo":           {"provision/digitalocean"},
	"github.com/cloudflare/cloudflare-go/v7": {"dns/cloudflare"},
	"github.com/spf13/cobra":                 {"cmd/migrate", "cmd/lab"},
	"github.com/spf13/viper":                 {"config", "inventory/redact"}, // redact: the rules of a scanner that come in its format
	"github.com/go-mysql-org/go-mysql":       {"replication"},
	"github.com/go-sql-driver/mysql":         {"replication", "lab"},
	"github.com/pkg/sftp":                    {"remote"},
	"github.com/getkin/kin-openapi":          {"lab/spec"},
	"github.com/rogpeppe/go-internal":        {"inventory/diff"}, // its unified diffs; testscript is for tests
	"pgregory.net/rapid":                     {"replication/replicationtest"},
	"github.com/stretchr/testify":            {"plan/plantest", "remote/remotetest", "replication/servertest", "replication/replicationtest", "move/movetest", "provision/provisiontest"},
}
