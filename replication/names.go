package replication

import (
	"time"
)

// RestoreTimeout bounds what has to be put back although a context has ended.
const RestoreTimeout = 15 * time.Second

// AnyHost lets an account log in from everywhere.
const AnyHost = "%"

// OwnSchema holds what migrate itself keeps on servers: the seed's marker, the heartbeat.
const OwnSchema = "migrate"

// Every session of migrate's own login holds a lock that is named after it, so
// that every process of migrate can tell them from an application's that logs in
// with the same account. The lock ends with its session.
const (
	SessionLock = "migrate.session."
	SessionMark = "@migrate_session" // the variable that takes what GET_LOCK says
	// SessionMarkValue takes the lock.
	SessionMarkValue = "GET_LOCK(CONCAT('" + SessionLock + "', CONNECTION_ID()), 0)"
)

// OwnUserPrefix begins the names of the accounts that migrate makes for its links.
const OwnUserPrefix = "migrate_"

// SystemUsers belong to the server's installation; root only where it is local.
var SystemUsers = []string{
	"mysql", "mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema", "debian-sys-maint", "PUBLIC",
}
