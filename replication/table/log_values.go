package table

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Integer returns the bits of a number of any integer type; ok is false for other
// values.
func Integer(value any) (bits int64, ok bool) {
	switch v := value.(type) {
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case int:
		return int64(v), true
	case uint8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case uint64:
		return int64(v), true
	}
	return 0, false
}

// integerBits is how many bits of a number the binlog has, by the column's type.
var integerBits = map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64, "bit": 64, "set": 64}

// LogLiterals are the literals that a value of the binlog may stand for: several if
// its bytes can be read in two ways, none if it cannot be read.
func (c Column) LogLiterals(value any) []string {
	switch v := value.(type) {
	case nil:
		return nil
	case float32:
		return []string{strconv.FormatFloat(float64(v), 'e', -1, 64)}
	case float64:
		return []string{strconv.FormatFloat(v, 'e', -1, 64)}
	case []byte:
		return c.logText(v)
	case string:
		return c.logText([]byte(v))
	}
	n, ok := Integer(value)
	if !ok {
		return nil
	}
	bits := integerBits[c.Type]
	if bits > 0 && (strings.Contains(c.FullType, "unsigned") || c.Type == "bit" || c.Type == "set") {
		return []string{strconv.FormatUint(uint64(n)&(^uint64(0)>>(64-bits)), 10)}
	}
	return []string{strconv.FormatInt(n, 10)}
}

// logText is the literal of a value that the binlog has as bytes, if it can be read.
func (c Column) logText(v []byte) []string {
	switch c.Type {
	case "decimal", "date", "time", "datetime", "timestamp", "char", "varchar", "varbinary":
		return []string{c.WireLiteral(v)}
	case "binary": // the log leaves out zeros at the end
		width, err := strconv.Atoi(strings.Trim(strings.TrimPrefix(c.FullType, "binary"), "()"))
		if err != nil {
			return nil
		}
		return []string{c.WireLiteral(padded(v, width))}
	case "inet4":
		return []string{" 0x" + fmt.Sprintf("%X", padded(v, 4))}
	case "inet6":
		return []string{" 0x" + fmt.Sprintf("%X", padded(v, 16))}
	case "uuid":
		p := padded(v, 16)
		return []string{fmt.Sprintf("_utf8mb4'%x-%x-%x-%x-%x'", p[0:4], p[4:6], p[6:8], p[8:10], p[10:16])}
	}
	return nil
}

// padded is v with zeros at its end, up to a width.
func padded(v []byte, width int) []byte {
	if len(v) >= width {
		return v
	}
	return append(slices.Clone(v), make([]byte, width-len(v))...)
}
