package replication

import (
	"context"
	"encoding/json"
	"fmt"
)

// markerTable is the table in migrate's own schema that says what a seed made
// on this server. It is written without the binlog, so it never travels.
const markerTable = "seed"

// marker is what a seed leaves on the target: written before the first change
// (so that a crash can be cleaned up), completed at the end.
type marker struct {
	Origin   string // the source's identity
	GTIDs    string // the snapshot's
	Finished bool
	Made     made
}

// made is what the seed creates, and so what its undo drops.
type made struct {
	Schemas  []string      `json:"schemas"`
	Accounts []madeAccount `json:"accounts"`
	// Target is the identity of the server that it was made on.
	Target string `json:"target,omitempty"`
	// Extend is what extendVariable was there, if the seed changed it.
	Extend string `json:"extend,omitempty"`
}

type madeAccount struct {
	User string `json:"user"`
	Host string `json:"host"`
	Role bool   `json:"role,omitempty"`
}

// readMarker reads the marker; ok is false when there is none.
func readMarker(ctx context.Context, q queryer) (marker, bool, error) {
	r, ok, err := queryRecord(ctx, q, "SELECT origin, gtids, finished, made FROM "+QuoteTable(ownSchema, markerTable)+" WHERE id = 1")
	if number := errorNumber(err); number == 1146 || number == 1049 { // no such table, no such schema
		return marker{}, false, nil
	}
	if err != nil || !ok {
		return marker{}, false, wrapErr("read the seed's marker", err)
	}
	m := marker{Origin: r["origin"], GTIDs: r["gtids"], Finished: r["finished"] == "1"}
	if err := json.Unmarshal([]byte(r["made"]), &m.Made); err != nil {
		return marker{}, false, fmt.Errorf("read the seed's marker: %w", err)
	}
	return m, true, nil
}

// writeMarker writes the marker, in a session that is kept out of the binlog.
func writeMarker(ctx context.Context, unlogged execer, m marker) error {
	text, err := json.Marshal(m.Made)
	if err != nil {
		return fmt.Errorf("write the seed's marker: %w", err)
	}
	for _, statement := range []string{
		"CREATE DATABASE IF NOT EXISTS " + Quote(ownSchema) + " CHARACTER SET utf8mb4",
		"CREATE TABLE IF NOT EXISTS " + QuoteTable(ownSchema, markerTable) + ` (
			id TINYINT NOT NULL PRIMARY KEY, origin TEXT NOT NULL, gtids LONGTEXT NOT NULL,
			finished TINYINT NOT NULL, made LONGTEXT NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
	} {
		if _, err := unlogged.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("write the seed's marker: %w", err)
		}
	}
	_, err = unlogged.ExecContext(ctx, "REPLACE INTO "+QuoteTable(ownSchema, markerTable)+
		" (id, origin, gtids, finished, made) VALUES (1, ?, ?, ?, ?)", m.Origin, m.GTIDs, m.Finished, string(text))
	return wrapErr("write the seed's marker", err)
}

// dropMarker forgets the seed, as the last act of its undo.
func dropMarker(ctx context.Context, unlogged execer) error {
	_, err := unlogged.ExecContext(ctx, "DROP DATABASE IF EXISTS "+Quote(ownSchema))
	return wrapErr("drop the seed's marker", err)
}

// wrapErr adds what was done to err; nil stays nil.
func wrapErr(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
