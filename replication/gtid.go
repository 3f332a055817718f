package replication

import (
	"strconv"
	"strings"
)

// GTID identifies one transaction.
type GTID struct {
	Origin   string // "domain-server-", "uuid:" or "uuid:tag:"
	Sequence uint64
	Domain   uint32 // MariaDB only
	Server   uint32 // the server_id of the server that executed it first
	UUID     string // MySQL only: the server_uuid of that server
}

// String is the GTID in the server's notation.
func (g GTID) String() string { return g.Origin + strconv.FormatUint(g.Sequence, 10) }

// key is the origin as a GTIDSet of MySQL names it.
func (g GTID) key() string { return strings.TrimSuffix(g.Origin, ":") }
