package dialect

import (
	"context"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// FenceStatements make the server refuse application writes.
func (d *Dialect) FenceStatements() []string {
	if d.isMariaDB() {
		return []string{"SET GLOBAL read_only = 1"}
	}
	return []string{"SET GLOBAL super_read_only = 1"} // sets read_only too
}

// UnfenceStatements let application writes in.
func (d *Dialect) UnfenceStatements() []string {
	if d.isMariaDB() {
		return []string{"SET GLOBAL read_only = 0"}
	}
	return []string{"SET GLOBAL super_read_only = 0", "SET GLOBAL read_only = 0"}
}

// Fenced reads whether the server refuses application writes.
func (d *Dialect) Fenced(ctx context.Context, q query.Queryer) (bool, error) {
	name := "super_read_only"
	if d.isMariaDB() {
		name = "read_only"
	}
	v, err := query.Variables(ctx, q, name)
	if err != nil {
		return false, err
	}
	return IsOn(v[name]), nil
}

// IsOn reads a boolean variable. Everything but OFF, 0 and "" is on: the values of
// read_only are also NO_LOCK and NO_LOCK_NO_ADMIN from MariaDB 11.8 on.
func IsOn(value string) bool {
	return value != "" && value != "0" && !strings.EqualFold(value, "OFF")
}

// FenceVariables are the variables that a fence sets. The first one decides.
func (d *Dialect) FenceVariables() []string {
	if d.isMariaDB() {
		return []string{"read_only"}
	}
	return []string{"super_read_only", "read_only"}
}

// UnfencePrivilege is the privilege to change the fence's variables. On MySQL it covers
// other global variables, too.
func (d *Dialect) UnfencePrivilege() string {
	if d.isMariaDB() {
		return "READ_ONLY ADMIN"
	}
	return "SYSTEM_VARIABLES_ADMIN"
}

// FenceBypass lists the global privileges whose holders can write in spite of a fence:
// READ_ONLY ADMIN on MariaDB, and SUPER before 10.11. There is none on MySQL, whose
// super_read_only stops every session.
func (d *Dialect) FenceBypass() []string {
	switch {
	case !d.isMariaDB():
		return nil
	case d.atLeast(10, 11, 0):
		return []string{"READ_ONLY ADMIN"}
	}
	return []string{"READ_ONLY ADMIN", "SUPER"}
}

// FenceStopsAdmins reports whether a fence stops every session, migrate's own
// included. MySQL's super_read_only does, so it is lifted for migrate's own
// writes while read_only stays; MariaDB's read_only lets privileged sessions pass.
func (d *Dialect) FenceStopsAdmins() bool { return !d.isMariaDB() }

// LogNothing is a statement that the server logs as a transaction of its own although it is
// fenced, and that changes no data here or where it is replicated: the optimizer reads its
// cost tables again. MySQL's super_read_only lets it through; MariaDB's read_only lets the
// rows of a privileged session through.
const LogNothing = "FLUSH OPTIMIZER_COSTS"

// ForgetFenceFirst reports whether an unfence removes the kept value before it
// changes the running one. On MySQL the kept value is removed first, because
// account.AsAdmin restores super_read_only by it. On MariaDB the running value is changed
// first, because the service waits for it.
func (d *Dialect) ForgetFenceFirst() bool { return !d.isMariaDB() }

// ConnectPrivilege is the privilege to log in although the server's connections are used
// up. Its holders do not run init_connect either.
func (d *Dialect) ConnectPrivilege() string {
	if d.isMariaDB() {
		return "CONNECTION ADMIN"
	}
	return "CONNECTION_ADMIN"
}

// LiftFence is a script for the command line client that lifts a fence, and then removes
// the kept values if the server keeps them itself. The statements do not need each other:
// one that fails must not stop those that follow.
func (d *Dialect) LiftFence() string {
	var b strings.Builder
	for _, statement := range d.UnfenceStatements() {
		b.WriteString(statement + ";\n")
	}
	if d.PersistsVariables() {
		for _, name := range d.FenceVariables() {
			b.WriteString("RESET PERSIST IF EXISTS " + query.Quote(name) + ";\n")
		}
	}
	return b.String()
}

// ClientPrograms are the names of the command line client, the preferred one first.
func (d *Dialect) ClientPrograms() string {
	if d.isMariaDB() {
		return "mariadb mysql"
	}
	return "mysql mariadb"
}

// ClientTLS are the lines of a command line client's option file that turn TLS on.
// MySQL's caching_sha2_password needs TLS; the server's own certificate suffices.
func (d *Dialect) ClientTLS() string {
	if d.isMariaDB() {
		return ""
	}
	return "loose-ssl\n"
}
