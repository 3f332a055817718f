package replication

import (
	"context"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/report"
)

// identity tells servers apart, also one from another that was put in its
// place: by the server's own identity, machine, port and data directory. Nothing
// is written for it.
func identity(ctx context.Context, server *Server) (string, error) {
	db, dialect, err := server.Open(ctx)
	if err != nil {
		return "", err
	}
	statement, variable := dialect.IdentityQuery()
	r, _, err := queryRecord(ctx, db, statement)
	if err != nil {
		return "", server.wrap("ask who it is", err)
	}
	text := fmt.Sprintf("%s %s, at %s:%s in %s", variable, r["id"], r["host"], r["port"], r["dir"])
	if r["installed"] != "" {
		text += ", installed " + r["installed"]
	}
	return text, nil
}

// sameServer reports whether an identity that was noted is a server's. A note
// may be of a version of migrate that noted the id only.
func sameServer(noted, now string) bool {
	return noted == now || !strings.Contains(noted, ", ") && strings.HasPrefix(now, noted+", ")
}

// sameTarget refuses a target that is not the one that an earlier try has
// written to: a copy of its data directory, or one that was put in its place.
func (r *seedRun) sameTarget(ctx context.Context, noted string) error {
	now, err := identity(ctx, r.pair.Target)
	if err != nil || noted == "" || sameServer(noted, now) {
		return err
	}
	return report.WithHint(fmt.Errorf("%s is not the server that the seed began on (it is %s, and was %s): its data directory was replaced or restored",
		r.pair.Target.Name(), now, noted),
		"run migrate rollback --all to take the seed back, and migrate apply to begin a new one")
}
