package replication

import "time"

// RestoreTimeout bounds work that must be done although a context has ended: what was
// changed for a moment is restored.
const RestoreTimeout = 15 * time.Second

// AnyHost is the host part of an account that may log in from any host.
const AnyHost = "%"

// OwnSchema is the schema that migrate keeps on a server: the seed's marker, the heartbeat.
const OwnSchema = "migrate"

// SystemUsers are the accounts of the server's installation. Root is not among them: it
// belongs to the installation only where it is local.
var SystemUsers = []string{
	"mysql", "mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema", "debian-sys-maint", "PUBLIC",
}
