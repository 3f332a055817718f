package dialect

import (
	"fmt"
	"time"
)

// HashFunction is the SQL for the hash of an expression, in hex. From MySQL 9.6 on, SHA1()
// and MD5() need a component, so MySQL's hash is SHA2.
func (d *Dialect) HashFunction(expression string) string {
	if d.isMariaDB() {
		return "SHA1(" + expression + ")"
	}
	return "SHA2(" + expression + ",256)"
}

// XorsNumbers reports whether BIT_XOR takes 64 bits only (MariaDB). MySQL's takes binary
// strings, and so a whole hash.
func (d *Dialect) XorsNumbers() bool { return d.isMariaDB() }

// HasCRC32C reports whether the server has the function CRC32C().
func (d *Dialect) HasCRC32C() bool { return d.isMariaDB() && d.atLeast(10, 8, 0) }

// ReadLimit is the statement that bounds the duration of a session's reading statements.
func (d *Dialect) ReadLimit(limit time.Duration) string {
	if d.isMariaDB() {
		return fmt.Sprintf("SET SESSION max_statement_time = %g", limit.Seconds())
	}
	return fmt.Sprintf("SET SESSION max_execution_time = %d", limit.Milliseconds())
}
