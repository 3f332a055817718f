package preflight

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
)

// checkCollations looks for collations in use that the target lacks (H17).
func (i *inspection) checkCollations(ctx context.Context) error {
	used, err := i.find(ctx, "TABLE_SCHEMA", `SELECT DISTINCT COLLATION_NAME FROM information_schema.COLUMNS
		WHERE %s AND COLLATION_NAME IS NOT NULL`)
	if err != nil {
		return err
	}
	// MariaDB lists some collations without their character set.
	known, err := query.All(ctx, i.target.db, "SHOW COLLATION")
	if err != nil {
		return err
	}
	var missing []string
	for _, name := range used {
		if !slices.ContainsFunc(known, func(r query.Record) bool {
			return r["Collation"] == name || strings.HasSuffix(name, "_"+r["Collation"])
		}) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		i.add("H17", Refuse, i.target, "convert those columns on the source, or install a version that has them",
			"it lacks collations that columns use: %s", strings.Join(missing, ", "))
	}
	return nil
}

// plugins are the active plugins of a type, in lower case.
func plugins(ctx context.Context, q query.Queryer, kind string) ([]string, error) {
	return query.Strings(ctx, q, "SELECT LOWER(PLUGIN_NAME) FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = ? AND PLUGIN_STATUS = 'ACTIVE'", kind)
}

// parserOption is how an index names a full-text parser.
var parserOption = regexp.MustCompile("WITH PARSER `((?:[^`]|``)+)`")

// checkNeeds looks for what tables are made with and the target has not (H21):
// types of columns and full-text parsers that are plugins, and encryption.
func (i *inspection) checkNeeds(ctx context.Context) error {
	for _, check := range []func(context.Context) error{i.checkTypes, i.checkParsers, i.checkEncryption} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// checkTypes looks for types of columns that are plugins on the source.
func (i *inspection) checkTypes(ctx context.Context) error {
	made, err := plugins(ctx, i.source.db, "DATA TYPE")
	if err != nil || len(made) == 0 {
		return err
	}
	known, err := plugins(ctx, i.target.db, "DATA TYPE")
	if err != nil {
		return err
	}
	columns, err := i.find(ctx, "TABLE_SCHEMA", `SELECT CONCAT(LOWER(DATA_TYPE), ' ', TABLE_SCHEMA, '.', TABLE_NAME, '.', COLUMN_NAME)
		FROM information_schema.COLUMNS WHERE %s ORDER BY 1`)
	if err != nil {
		return err
	}
	var missing []string
	for _, c := range columns {
		kind, name, _ := strings.Cut(c, " ")
		if slices.Contains(made, kind) && !slices.Contains(known, kind) {
			missing = append(missing, name+" ("+kind+")")
		}
	}
	if len(missing) > 0 {
		i.add("H21", Refuse, i.target, "install the plugin of the type there (INSTALL SONAME), or a version that has it",
			"it does not know the types of these columns: %s", phrase.FirstOf(5, missing))
	}
	return nil
}

// checkParsers looks for full-text parsers, which only the definition of a table names.
func (i *inspection) checkParsers(ctx context.Context) error {
	tables, err := i.find(ctx, "TABLE_SCHEMA", `SELECT DISTINCT CONCAT(TABLE_SCHEMA, CHAR(0), TABLE_NAME) FROM information_schema.STATISTICS
		WHERE %s AND INDEX_TYPE = 'FULLTEXT'`)
	if err != nil || len(tables) == 0 {
		return err
	}
	known, err := plugins(ctx, i.target.db, "FTPARSER")
	if err != nil {
		return err
	}
	var missing []string
	for _, t := range tables {
		schemaName, name, _ := strings.Cut(t, "\x00")
		o, err := schema.ReadObject(ctx, i.source.db, schema.KindTable, schemaName, name)
		if err != nil {
			return err
		}
		for _, m := range parserOption.FindAllStringSubmatch(o.Create, -1) {
			if !slices.Contains(known, strings.ToLower(m[1])) {
				missing = append(missing, fmt.Sprintf("%s.%s (%s)", schemaName, name, m[1]))
			}
		}
	}
	if len(missing) > 0 {
		i.add("H21", Refuse, i.target, "install the parser's plugin there (INSTALL PLUGIN), or make the index without it",
			"it does not know the full-text parsers of these tables: %s", phrase.FirstOf(5, missing))
	}
	return nil
}

// checkEncryption looks for encrypted tables where the target has no keys.
func (i *inspection) checkEncryption(ctx context.Context) error {
	encrypted, err := i.find(ctx, "TABLE_SCHEMA", `SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES
		WHERE %s AND (CREATE_OPTIONS LIKE '%%ENCRYPTION=''Y''%%' OR CREATE_OPTIONS REGEXP 'encrypted[^=]*=[^a-zA-Z]*yes') ORDER BY 1`)
	if err != nil || len(encrypted) == 0 {
		return err
	}
	keys, err := query.Text(ctx, i.target.db, i.target.dialect.CountKeyManagement())
	if err != nil {
		return err
	}
	if keys == "0" {
		i.add("H21", Refuse, i.target, "install the source's key management there, with keys of the same numbers",
			"it has no key management, and these tables are encrypted: %s", phrase.FirstOf(5, encrypted))
	}
	return nil
}

// authentication is one way in which an account may log in.
type authentication struct {
	user, host, plugin string
	as                 string // PAM: the service; by socket: the machine's user
}

// socketPlugins let in who is somebody on the machine.
var socketPlugins = []string{"unix_socket", "auth_socket"}

// authentications lists how the application's accounts log in. No hash is read.
func (i *inspection) authentications(ctx context.Context) ([]authentication, error) {
	records, err := query.All(ctx, i.source.db, i.source.dialect.ListAuthentications())
	if err != nil {
		return nil, err
	}
	var all []authentication
	for _, r := range records {
		if account.IsSystemAccount(r["user"], r["host"]) {
			continue
		}
		var others []string
		if err := json.Unmarshal([]byte(r["others"]), &others); err != nil {
			return nil, fmt.Errorf("read the plugins of '%s'@'%s': %w", r["user"], r["host"], err)
		}
		if r["plugin"] != "" {
			all = append(all, authentication{r["user"], r["host"], r["plugin"], r["detail"]})
		}
		for _, plugin := range others {
			all = append(all, authentication{r["user"], r["host"], plugin, ""})
		}
	}
	return all, nil
}

// checkPlugins looks for accounts that could not log in on the target (H26):
// their authentication plugin is not there, or what it asks: a user of the
// machine, a PAM service.
func (i *inspection) checkPlugins(ctx context.Context) error {
	all, err := i.authentications(ctx)
	if err != nil {
		return err
	}
	known, err := plugins(ctx, i.target.db, "AUTHENTICATION")
	if err != nil {
		return err
	}
	for _, a := range all {
		if !slices.Contains(known, strings.ToLower(a.plugin)) {
			fix := "ALTER USER on the source to a plugin that both have, with a new password"
			if install := i.target.dialect.InstallPlugin(a.plugin); install != "" {
				fix = install + " on the target; or " + fix
			}
			i.add("H26", Refuse, i.target, fix, "it lacks the authentication plugin %s of '%s'@'%s'", a.plugin, a.user, a.host)
			continue
		}
		if err := i.checkMachine(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// checkMachine looks for what an account needs of the target's machine.
func (i *inspection) checkMachine(ctx context.Context, a authentication) error {
	if i.target.Host() == nil {
		return nil
	}
	var script, found, fix string
	switch {
	case slices.Contains(socketPlugins, a.plugin):
		name := a.as
		if name == "" {
			name = a.user
		}
		script = "getent passwd " + remote.Quote(name) + " >/dev/null || echo missing\n"
		found, fix = "logs in as the machine's user "+name+", which is not there", "useradd "+name+" on the target's machine"
	case strings.HasSuffix(a.plugin, "pam"):
		service := a.as
		if service == "" {
			service = "mysql"
		}
		script = "test -e /etc/pam.d/" + remote.Quote(service) + " || echo missing\n"
		found, fix = "logs in by the PAM service "+service+", which is not there", "copy /etc/pam.d/"+service+" to the target's machine"
	default:
		return nil
	}
	out, err := hostOutput(ctx, i.target, script)
	if err != nil {
		return i.unreadable(ctx, "H26", i.target, fmt.Sprintf("whether '%s'@'%s' can log in", a.user, a.host), err)
	}
	if strings.TrimSpace(out) != "" {
		i.add("H26", Warn, i.target, fix, "'%s'@'%s' %s", a.user, a.host, found)
	}
	return nil
}
