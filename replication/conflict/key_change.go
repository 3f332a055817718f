package conflict

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/replication/binlog"
)

// keyChange is one write of one key.
type keyChange struct {
	by    binlog.Transaction
	op    string
	table *binlog.Table
	key   string
	parts []binlog.KeyPart
	row   [16]byte // the hash of its row, so that a unique key of the same row is not reported again
	// nth is the transaction's number among those of its server. seen is the number of
	// the other server's transactions that its server had executed before it.
	nth, seen uint64
}

// uniqueName is the name of the unique key, or "" for the primary key.
func (k keyChange) uniqueName() string {
	if k.key == "PRIMARY" {
		return ""
	}
	return k.key
}

// describe is the key as SQL literals, or a hash of the row if it has no primary key.
func (k keyChange) describe() string {
	if k.key == "" {
		hash := k.hash()
		return fmt.Sprintf("(no primary key) row %x", hash[:8])
	}
	texts := make([]string, len(k.parts))
	for i, p := range k.parts {
		texts[i] = p.String()
	}
	return strings.Join(texts, ", ")
}

// hash identifies the key on both sides.
func (k keyChange) hash() [16]byte {
	return hashParts(k.table.Title+"\x00"+k.key, k.parts, true)
}

// hashParts hashes the parts of a key after a head: their collation weights if weighed is
// set and they have any, else their bytes.
func hashParts(head string, parts []binlog.KeyPart, weighed bool) [16]byte {
	text := []byte(head)
	for _, p := range parts {
		value := p.Raw
		if weighed && p.Weight != nil {
			value = p.Weight
		}
		text = fmt.Appendf(text, "\x00%t %d:", p.Null, len(value))
		text = append(text, value...)
	}
	sum := sha256.Sum256(text) // evenly spread over the shares, and collisions cannot be made on purpose
	return [16]byte(sum[:16])
}
