package replication

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dcmigrate/migrate/replication/query"
)

// MarkerTable is the table in migrate's own schema that says what a seed made
// on this server. It is written without the binlog, so it never travels.
const MarkerTable = "seed"

// Marker is what a seed leaves on the target: written before the first change
// (so that a crash can be cleaned up), completed at the end.
type Marker struct {
	Origin   string // the source's identity
	GTIDs    string // the snapshot's
	Finished bool
	Made     Made
}

// Made is what the seed creates, and so what its undo drops.
type Made struct {
	Schemas  []string      `json:"schemas"`
	Accounts []MadeAccount `json:"accounts"`
	// Target is the identity of the server that it was made on.
	Target string `json:"target,omitempty"`
	// Extend is what extendVariable was there, if the seed changed it.
	Extend string `json:"extend,omitempty"`
}

// MadeAccount is an account that a seed has created on the target.
type MadeAccount struct {
	User string `json:"user"`
	Host string `json:"host"`
	Role bool   `json:"role,omitempty"`
}

// ReadMarker reads the marker; ok is false when there is none.
func ReadMarker(ctx context.Context, q query.Queryer) (Marker, bool, error) {
	r, ok, err := query.One(ctx, q, "SELECT origin, gtids, finished, made FROM "+query.QuoteTable(OwnSchema, MarkerTable)+" WHERE id = 1")
	if number := query.ErrorNumber(err); number == 1146 || number == 1049 { // no such table, no such schema
		return Marker{}, false, nil
	}
	if err != nil || !ok {
		return Marker{}, false, WrapErr("read the seed's marker", err)
	}
	m := Marker{Origin: r["origin"], GTIDs: r["gtids"], Finished: r["finished"] == "1"}
	if err := json.Unmarshal([]byte(r["made"]), &m.Made); err != nil {
		return Marker{}, false, fmt.Errorf("read the seed's marker: %w", err)
	}
	return m, true, nil
}

// WriteMarker writes the marker, in a session that is kept out of the binlog.
func WriteMarker(ctx context.Context, unlogged query.Execer, m Marker) error {
	text, err := json.Marshal(m.Made)
	if err != nil {
		return fmt.Errorf("write the seed's marker: %w", err)
	}
	for _, statement := range []string{
		"CREATE DATABASE IF NOT EXISTS " + query.Quote(OwnSchema) + " CHARACTER SET utf8mb4",
		"CREATE TABLE IF NOT EXISTS " + query.QuoteTable(OwnSchema, MarkerTable) + ` (
			id TINYINT NOT NULL PRIMARY KEY, origin TEXT NOT NULL, gtids LONGTEXT NOT NULL,
			finished TINYINT NOT NULL, made LONGTEXT NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
	} {
		if _, err := unlogged.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("write the seed's marker: %w", err)
		}
	}
	_, err = unlogged.ExecContext(ctx, "REPLACE INTO "+query.QuoteTable(OwnSchema, MarkerTable)+
		" (id, origin, gtids, finished, made) VALUES (1, ?, ?, ?, ?)", m.Origin, m.GTIDs, m.Finished, string(text))
	return WrapErr("write the seed's marker", err)
}

// DropMarker forgets the seed, as the last act of its undo.
func DropMarker(ctx context.Context, unlogged query.Execer) error {
	_, err := unlogged.ExecContext(ctx, "DROP DATABASE IF EXISTS "+query.Quote(OwnSchema))
	return WrapErr("drop the seed's marker", err)
}
