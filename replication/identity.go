package replication

import (
	"context"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/replication/query"
)

// Identity tells servers apart, also one from another that was put in its
// place: by the server's own identity, machine, port and data directory. Nothing
// is written for it.
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

// SameServer reports whether an identity that was noted is a server's. A note
// may be of a version of migrate that noted the id only.
func SameServer(noted, now string) bool {
	return noted == now || !strings.Contains(noted, ", ") && strings.HasPrefix(now, noted+", ")
}
