package table

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// What is asked of a table's columns and keys.
const (
	LogColumnsOf = `SELECT COLUMN_NAME AS name, LOWER(DATA_TYPE) AS kind, COLUMN_TYPE AS type, COALESCE(CHARACTER_SET_NAME, '') AS charset,
		COALESCE(COLLATION_NAME, '') AS collation, UPPER(EXTRA) AS extra, COALESCE(GENERATION_EXPRESSION, '') AS expression
		FROM information_schema.COLUMNS`
	LogKeysOf = `SELECT INDEX_NAME AS name, COALESCE(COLUMN_NAME, '') AS col, COALESCE(SUB_PART, 0) AS prefix,
		SUB_PART IS NOT NULL OR COALESCE(NULLABLE, '') = 'YES' OR INDEX_TYPE <> 'BTREE' AS unfit
		FROM information_schema.STATISTICS`
)

// Integer is a number's bits.
func Integer(value any) (int64, bool) {
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

// plainLiteral quotes what is plain ASCII, and spells the rest in hex, which
// no character set can misread.
func plainLiteral(value []byte) string {
	for _, b := range value {
		if b < ' ' || b > '~' || b == '\'' || b == '\\' {
			return fmt.Sprintf(" 0x%X", value)
		}
	}
	return "'" + string(value) + "'"
}

// integerBits is how many bits the log has of a number.
var integerBits = map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64, "bit": 64, "set": 64}

// LogLiterals are the literals that a value of the binlog may stand for; more
// than one where its bytes can be read in two ways. None: it cannot be read.
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

func padded(v []byte, width int) []byte {
	if len(v) >= width {
		return v
	}
	return append(slices.Clone(v), make([]byte, width-len(v))...)
}
