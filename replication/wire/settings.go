package wire

import (
	"context"
)

// ReadCommitted makes each read of a session see what is committed then, and hold no old rows.
const ReadCommitted = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

// rowSession is what a session that reads or writes rows runs in: bytes as
// they are stored, no conversion.
const rowSession = "SET NAMES binary"

// Quiet reports errBusy while a statement runs that the lock would wait for:
// new writes would wait behind the lock meanwhile.
func (w *Conn) Quiet(ctx context.Context) error {
	rows, err := w.Texts(ctx, `SELECT COUNT(*) FROM information_schema.PROCESSLIST
		WHERE COMMAND IN ('Query', 'Execute') AND TIME >= 1 AND ID <> CONNECTION_ID()`)
	if err == nil && (len(rows) == 0 || rows[0][0] != "0") {
		err = ErrBusy
	}
	return err
}
