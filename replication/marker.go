package replication

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

// MarkerTable is the table in migrate's own schema that records what a seed changed on
// the server. It is written without the binlog, so it stays on this server.
const MarkerTable = "seed"

// Marker records a seed on its target. It is written before the seed's first change, so
// that a crash can be cleaned up, and completed at the end.
type Marker struct {
	Origin   string // the source's identity
	GTIDs    string // the transactions that the target has of the source
	Finished bool
	Effects  Effects
}

// Effects is what the seed changed on the target, and so what its undo reverts.
type Effects struct {
	Schemas  []string  `json:"schemas"`
	Accounts []Account `json:"accounts"`
	// Extras are the statements that drop what account.CreateExtras has made.
	Extras []string `json:"extras,omitempty"`
	// Target is the identity of the target.
	Target string `json:"target,omitempty"`
	// Extend is the value of dialect.ExtendVariable before the seed, if the seed changed it.
	Extend string `json:"extend,omitempty"`
}

// Account is an account that a seed has created on the target.
type Account struct {
	User string `json:"user"`
	Host string `json:"host"`
	Role bool   `json:"role,omitempty"`
}

// ReadMarker reads the marker; found is false if there is none. A table of its name that
// migrate did not make is an error that wraps ErrForeignSchema.
func ReadMarker(ctx context.Context, q query.Queryer) (m Marker, found bool, err error) {
	table, ok, err := query.One(ctx, q, "SELECT TABLE_COMMENT AS mark FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", OwnSchema, MarkerTable)
	if err != nil || !ok {
		return Marker{}, false, report.Wrap("look for the seed's marker", err)
	}
	if table["mark"] != ownMark {
		return Marker{}, false, RequireOwnSchema(ctx, q)
	}
	r, ok, err := query.One(ctx, q, "SELECT origin, gtids, finished, made FROM "+query.QuoteTable(OwnSchema, MarkerTable)+" WHERE id = 1")
	if number := query.ErrorNumber(err); number == 1146 || number == 1049 { // no such table, no such schema
		return Marker{}, false, nil
	}
	if err != nil || !ok {
		return Marker{}, false, report.Wrap("read the seed's marker", err)
	}
	m = Marker{Origin: r["origin"], GTIDs: r["gtids"], Finished: r["finished"] == "1"}
	if err := json.Unmarshal([]byte(r["made"]), &m.Effects); err != nil {
		return Marker{}, false, fmt.Errorf("read the seed's marker: %w", err)
	}
	return m, true, nil
}

// WriteMarker writes the marker in a session that is kept out of the binlog.
func WriteMarker(ctx context.Context, unlogged *Session, m Marker) error {
	text, err := json.Marshal(m.Effects)
	if err != nil {
		return fmt.Errorf("write the seed's marker: %w", err)
	}
	if err := MakeOwnTable(ctx, unlogged, MarkerTable, `id TINYINT NOT NULL PRIMARY KEY, origin TEXT NOT NULL, gtids LONGTEXT NOT NULL,
		finished TINYINT NOT NULL, made LONGTEXT NOT NULL`); err != nil {
		return fmt.Errorf("write the seed's marker: %w", err)
	}
	_, err = unlogged.ExecContext(ctx, "REPLACE INTO "+query.QuoteTable(OwnSchema, MarkerTable)+
		" (id, origin, gtids, finished, made) VALUES (1, ?, ?, ?, ?)", m.Origin, m.GTIDs, m.Finished, string(text))
	return report.Wrap("write the seed's marker", err)
}

// DropMarker drops migrate's tables with the marker, as the last act of a seed's undo.
func DropMarker(ctx context.Context, unlogged *Session) error {
	return report.Wrap("drop the seed's marker", DropOwnTables(ctx, unlogged))
}
