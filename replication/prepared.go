package replication

import (
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
)

// XID names a prepared transaction (XA). It is comparable.
type XID struct {
	Format         int64
	Global, Branch string // bytes
}

// plainXID is what an XID may hold to be printed as it is.
var plainXID = regexp.MustCompile(`^[0-9A-Za-z_.:@+-]+$`)

// String is the name as XA COMMIT and XA ROLLBACK take it. Bytes that are not plain text
// are printed in hex.
func (x XID) String() string {
	return xidPart(x.Global) + "," + xidPart(x.Branch) + "," + strconv.FormatInt(x.Format, 10)
}

func xidPart(bytes string) string {
	if plainXID.MatchString(bytes) {
		return "'" + bytes + "'"
	}
	return "X'" + hex.EncodeToString([]byte(bytes)) + "'"
}

// ListPrepared lists the transactions that are prepared on a server and neither committed
// nor rolled back: by a session that is open, by one that has ended, or by the link.
func ListPrepared(ctx context.Context, q query.Queryer, d *dialect.Dialect) ([]XID, error) {
	records, err := query.All(ctx, q, d.ListPrepared())
	if err != nil {
		return nil, fmt.Errorf("list the prepared transactions: %w", err)
	}
	var out []XID
	for _, r := range records {
		x, err := parseXID(r)
		if err != nil {
			return nil, fmt.Errorf("list the prepared transactions: %w", err)
		}
		out = append(out, x)
	}
	return out, nil
}

// parseXID reads a row of XA RECOVER. MySQL's data are hex digits.
func parseXID(r query.Record) (XID, error) {
	data := r["data"]
	if digits, ok := strings.CutPrefix(data, "0x"); ok {
		bytes, err := hex.DecodeString(digits)
		if err != nil {
			return XID{}, err
		}
		data = string(bytes)
	}
	format, err := strconv.ParseInt(r["formatID"], 10, 64)
	if err != nil {
		return XID{}, err
	}
	n, err := strconv.Atoi(r["gtrid_length"])
	if err != nil {
		return XID{}, err
	}
	if n > len(data) {
		return XID{}, fmt.Errorf("an id of %d bytes has only %d", n, len(data))
	}
	return XID{format, data[:n], data[n:]}, nil
}

// DescribeXIDs names the first five prepared transactions and counts the others.
func DescribeXIDs(list []XID) string {
	names := make([]string, len(list))
	for i, x := range list {
		names[i] = x.String()
	}
	return phrase.FirstOf(5, names)
}

// EndHint is how an operator ends a prepared transaction.
func (x XID) EndHint() string {
	return fmt.Sprintf("let their transaction manager end them; by hand, as it has decided: XA COMMIT %s or XA ROLLBACK %s", x, x)
}
