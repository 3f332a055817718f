package replication

import (
	"context"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// Identity describes a server by its own id, its host, port and data directory. It
// differs from that of another server, also of one that was put in its place. Identity
// writes nothing on the server.
func Identity(ctx context.Context, server *Server) (string, error) {
	db, dialect, err := server.Open(ctx)
	if err != nil {
		return "", err
	}
	statement, variable := dialect.IdentityQuery()
	r, _, err := query.One(ctx, db, statement)
	if err != nil {
		return "", server.Wrap("ask who it is", err)
	}
	text := fmt.Sprintf("%s %s, at %s:%s in %s", variable, r["id"], r["host"], r["port"], r["dir"])
	if r["installed"] != "" {
		text += ", installed " + r["installed"]
	}
	return text, nil
}

// SameServer reports whether a recorded identity is a server's present one. An older
// version of migrate recorded the id only.
func SameServer(recorded, now string) bool {
	return recorded == now || !strings.Contains(recorded, ", ") && strings.HasPrefix(now, recorded+", ")
}
