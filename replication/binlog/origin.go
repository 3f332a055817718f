package binlog

import (
	"context"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
)

// ReadOrigin reads a server's Origin.
func ReadOrigin(ctx context.Context, s *replication.Server) (Origin, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return Origin{}, err
	}
	if !dialect.Flavor.GTIDDomains() {
		uuid, err := query.Text(ctx, db, "SELECT @@GLOBAL.server_uuid")
		return Origin{uuid: uuid}, s.Wrap("read server_uuid", err)
	}
	domain, err := dialect.NativeDomain(ctx, db)
	if err != nil {
		return Origin{}, s.Wrap("read gtid_domain_id", err)
	}
	text, err := query.Text(ctx, db, "SELECT @@GLOBAL.server_id")
	if err != nil {
		return Origin{}, s.Wrap("read server_id", err)
	}
	id, err := strconv.ParseUint(text, 10, 32)
	return Origin{Server: uint32(id), Domain: domain}, s.Wrap("read server_id", err)
}

// Logged returns the transactions in a server's binlog: the executed ones or fewer.
func Logged(ctx context.Context, s *replication.Server) (replication.GTIDSet, error) {
	db, dialect, err := s.Open(ctx)
	if err != nil {
		return replication.GTIDSet{}, err
	}
	statement := dialect.LoggedGTIDs()
	if statement == "" {
		return replication.Executed(ctx, s)
	}
	text, err := query.Text(ctx, db, statement)
	if err != nil {
		return replication.GTIDSet{}, s.Wrap("read gtid_binlog_pos", err)
	}
	return replication.ParseGTIDSet(dialect.Flavor, text)
}

// Origin identifies the transactions that originated on a server.
type Origin struct {
	Server, Domain uint32 // MariaDB only
	uuid           string // MySQL only
}

// Wrote reports whether a transaction originated on the server.
func (o Origin) Wrote(g replication.GTID) bool {
	if g.UUID != "" {
		return strings.EqualFold(g.UUID, o.uuid)
	}
	return g.Server == o.Server
}
