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

// Fenced asks whether the server refuses application writes.
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

// IsOn reads a boolean variable. MariaDB 11.8 and newer spell read_only
// NO_LOCK, NO_LOCK_NO_ADMIN: everything but OFF and 0 is on.
func IsOn(value string) bool {
	return value != "" && value != "0" && !strings.EqualFold(value, "OFF")
}

// FenceVariables are what a fence sets, the one that decides first.
func (d *Dialect) FenceVariables() []string {
	if d.isMariaDB() {
		return []string{"read_only"}
	}
	return []string{"super_read_only", "read_only"}
}

// UnfencePrivilege lets an account change the fence's variables, and nothing else of its own.
func (d *Dialect) UnfencePrivilege() string {
	if d.isMariaDB() {
		return "READ_ONLY ADMIN"
	}
	return "SYSTEM_VARIABLES_ADMIN"
}

// FenceBypass lists the global privileges that pass a fence: READ_ONLY ADMIN on
// MariaDB, and SUPER before 10.11. Nothing passes MySQL's super_read_only.
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

// ForgetFenceFirst reports whether an unfence removes the kept value before it
// changes the running one. On MySQL the kept value goes first, because it says
// that super_read_only belongs back (see asAdmin); on MariaDB the running one,
// because that is what the service waits for.
func (d *Dialect) ForgetFenceFirst() bool { return !d.isMariaDB() }

// LiftFence is a script for the command line client that lifts a fence, kept
// values included where the server keeps them itself.
func (d *Dialect) LiftFence() string {
	var b strings.Builder
	if d.PersistsVariables() {
		for _, name := range d.FenceVariables() {
			b.WriteString("RESET PERSIST IF EXISTS " + query.Quote(name) + ";\n")
		}
	}
	for _, statement := range d.UnfenceStatements() {
		b.WriteString(statement + ";\n")
	}
	return b.String()
}

// ClientPrograms are the command line clients to look for, the best first.
func (d *Dialect) ClientPrograms() string {
	if d.isMariaDB() {
		return "mariadb mysql"
	}
	return "mysql mariadb"
}

// ClientTLS are the lines of a command line client's option file that turn TLS
// on. MySQL's caching_sha2_password needs TLS, by a certificate that the server
// made itself.
func (d *Dialect) ClientTLS() string {
	if d.isMariaDB() {
		return ""
	}
	return "loose-ssl\n"
}
