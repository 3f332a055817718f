package dialect

import (
	"fmt"
	"time"
)

// HashFunction is the server's hash of an expression, in hex. MySQL has SHA1() and
// MD5() only with a component from 9.6 on, so its hash is SHA2.
func (d *Dialect) HashFunction(expression string) string {
	if d.isMariaDB() {
		return "SHA1(" + expression + ")"
	}
	return "SHA2(" + expression + ",256)"
}

// XorsNumbers reports whether BIT_XOR takes 64 bits only (MariaDB). MySQL's takes
// binary strings, and with them a whole hash.
func (d *Dialect) XorsNumbers() bool { return d.isMariaDB() }

// HasCRC32C reports whether the server has that function.
func (d *Dialect) HasCRC32C() bool { return d.isMariaDB() && d.atLeast(10, 8, 0) }

// ReadLimit bounds the statements of a session that read.
func (d *Dialect) ReadLimit(limit time.Duration) string {
	if d.isMariaDB() {
		return fmt.Sprintf("SET SESSION max_statement_time = %g", limit.Seconds())
	}
	return fmt.Sprintf("SET SESSION max_execution_time = %d", limit.Milliseconds())
}
