package wire

import (
	"context"
	"errors"
	"strings"
)

// AskAhead sends queries in one packet; query, given the same ones in the same
// order, then reads their results without waiting for the network again. Their
// results wait in the network meanwhile: for small ones only. After the first
// that fails, the others are sent by query itself; another query in between
// ends the connection, and what is left of them.
func (w *Conn) AskAhead(ctx context.Context, queries []string) error {
	w.ForgetAhead()
	if err := w.Restore(ctx); err != nil {
		return err
	}
	defer w.guard(ctx)()
	if err := w.setSeveral(ctx, true); err != nil {
		return err
	}
	text := strings.Join(queries, "; ")
	if err := w.send(ComQuery, append(make([]byte, StatementGap, StatementGap+len(text)), text...)); err != nil {
		return w.fail(ctx, err)
	}
	w.ahead = queries
	return nil
}

// ErrUnread says that results wait which nobody has read: what is read next would be another's.
var ErrUnread = errors.New("results wait that were asked for ahead")

// ForgetAhead ends the connection if results wait that nobody will read.
func (w *Conn) ForgetAhead() {
	if len(w.ahead) > 0 {
		w.Broken = true // before close, which would take leave in the middle of them
		w.Close()
	}
	w.ahead = nil
}
