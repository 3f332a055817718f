package replication

import (
	"context"
	"strings"
)

// askAhead sends queries in one packet; query, given the same ones in the same
// order, then reads their results without waiting for the network again. Their
// results wait in the network meanwhile: for small ones only. After the first
// that fails, the others are sent by query itself.
func (w *wire) askAhead(ctx context.Context, queries []string) error {
	if err := w.restore(ctx); err != nil {
		return err
	}
	defer w.guard(ctx)()
	if err := w.takeSeveral(ctx); err != nil {
		return err
	}
	text := strings.Join(queries, "; ")
	if err := w.send(comQuery, append(make([]byte, statementGap, statementGap+len(text)), text...)); err != nil {
		return w.fail(ctx, err)
	}
	w.ahead = queries
	return nil
}

// asked reports whether the query was sent already. One that is out of order
// ends the connection: what would be read was another's.
func (w *wire) asked(query string) bool {
	if len(w.ahead) == 0 || w.ahead[0] != query {
		return false
	}
	w.ahead = w.ahead[1:]
	return true
}

// forgetAhead ends the connection if results wait that nobody will read.
func (w *wire) forgetAhead() {
	if len(w.ahead) > 0 {
		w.broken = true // before close, which would take leave in the middle of them
		w.close()
	}
	w.ahead = nil
}
