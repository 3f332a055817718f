package preflight

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/query"
)

// authentication is one method by which an account may log in.
type authentication struct {
	user, host, plugin string
	as                 string // PAM: the service; socket: the user of the host
}

// socketPlugins let in the users of the host.
var socketPlugins = []string{"unix_socket", "auth_socket"}

// authentications lists how the application's accounts log in. It reads no hash.
func (i *inspection) authentications(ctx context.Context) ([]authentication, error) {
	records, err := query.All(ctx, i.source.db, i.source.dialect.ListAuthentications())
	if err != nil {
		return nil, err
	}
	own, err := replication.ReadOwnAccounts(ctx, i.source.db)
	if err != nil {
		return nil, err
	}
	var all []authentication
	for _, r := range records {
		if account.IsSystemAccount(r["user"], r["host"]) || own.Has(r["user"], r["host"]) {
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

// checkPlugins looks for accounts that could not log in on the target (H26): their
// authentication plugin is missing there, or the user of the host or the PAM service that
// the plugin asks.
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
		if err := i.checkHostLogin(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// checkHostLogin checks that the target's host has the user or PAM service that an account
// needs.
func (i *inspection) checkHostLogin(ctx context.Context, a authentication) error {
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
		return i.addUnreadable(ctx, "H26", i.target, fmt.Sprintf("whether '%s'@'%s' can log in", a.user, a.host), err)
	}
	if strings.TrimSpace(out) != "" {
		i.add("H26", Warn, i.target, fix, "'%s'@'%s' %s", a.user, a.host, found)
	}
	return nil
}
