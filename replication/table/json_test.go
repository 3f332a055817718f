package table

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJSONIsWrittenWithItsTypes(t *testing.T) {
	for _, c := range []struct{ name, read, want string }{
		{"plain", "0\n{\"a\": 1}", `_utf8mb4'{"a": 1}'`},
		{"a scalar", "1:0.3\n\"2020-01-02\"", `JSON_SET(CAST(_utf8mb4'"2020-01-02"' AS JSON),_utf8mb4'$',CAST('2020-01-02' AS DATE))`},
		{"members before their own", "2:1.1 3.2\n{\"a\": 5, \"b\": {\"c\": 1.50}}", `JSON_SET(CAST(_utf8mb4'{"a": 5, "b": {"c": 1.50}}' AS JSON),_utf8mb4'$."a"',CAST(5 AS UNSIGNED),_utf8mb4'$."b"."c"',CAST('1.50' AS DECIMAL(3,2)))`},
		{"elements", "2:-2.2 -5.9\n[[], 0.05, [1, 5000000000]]", `JSON_SET(CAST(_utf8mb4'[[], 0.05, [1, 5000000000]]' AS JSON),_utf8mb4'$[1]',CAST('0.05' AS DECIMAL(2,2)),_utf8mb4'$[2][1]',CAST(5000000000 AS SIGNED))`},
		{"columns", "3:-1.7 -2.6 -3.8\n[\"base64:type249:AP8=\", \"2020-01-02 03:04:05.000000\", \"base64:type16:AVU=\"]", `(SELECT JSON_SET(CAST(_utf8mb4'["base64:type249:AP8=", "2020-01-02 03:04:05.000000", "base64:type16:AVU="]' AS JSON),_utf8mb4'$[0]',c0,_utf8mb4'$[1]',c1,_utf8mb4'$[2]',c2)` +
			` FROM JSON_TABLE(JSON_ARRAY(x'00ff',_utf8mb4'2020-01-02 03:04:05.000000',341),_utf8mb4'$' COLUMNS (c0 TINYBLOB PATH _utf8mb4'$[0]' ERROR ON ERROR,c1 TIMESTAMP(6) PATH _utf8mb4'$[1]' ERROR ON ERROR,c2 BIT(16) PATH _utf8mb4'$[2]' ERROR ON ERROR)) migrate_values)`},
		{"of an expression", "1:0.7\n\"base64:type253:AP8=\"", `JSON_SET(CAST(IF(JSON_UNQUOTE(JSON_EXTRACT(JSON_ARRAY(x'00'),_utf8mb4'$[0]')) LIKE 'base64:type253:%',_utf8mb4'"base64:type253:AP8="',_utf8mb4'this server makes no binary values of type 253') AS JSON),_utf8mb4'$',x'00ff')`},
		{"quotes in keys", "1:1.5\n{\"a\\\"'b\": \"-10:00:00.000000\"}", `JSON_SET(CAST(_utf8mb4'{"a\\"\'b": "-10:00:00.000000"}' AS JSON),_utf8mb4'$."a\\"\'b"',CAST('-10:00:00.000000' AS TIME(6)))`},
	} {
		got, err := Column{Type: "json"}.AppendValue(nil, []byte(c.read))
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, string(got), c.name)
	}
}

func TestJSONThatCannotBeWrittenIsRefused(t *testing.T) {
	for _, c := range []struct{ name, read, want string }{
		{"too long", tooLong, "max_allowed_packet"},
		{"a list that was cut", "3:1.3 2.3\n{\"a\": \"2020-01-02\", \"b\": \"2020-01-02\"}", "2 of 3"},
		{"a list that was cut within", "1:1.\n{\"a\": 1}", "1."},
		{"an unknown type", "1:0.0\n\"2020\"", "an older server"},
		{"an unknown binary type", "1:0.7\n\"base64:type247:AA==\"", "type 247"},
		{"a place that is not there", "1:2.3\n{\"a\": \"2020-01-02\"}", "no scalar at 2"},
		{"an object at the place", "1:0.3\n{}", "no scalar at 0"},
		{"another scalar at the place", "1:1.3\n{\"a\": \"text\"}", "DATE where its text is"},
		{"no JSON", "1:0.3\n[1", "not as MySQL prints it"},
		{"more than a document", "1:0.3\n1 2", "not as MySQL prints it"},
	} {
		_, err := Column{Type: "json"}.AppendValue(nil, []byte(c.read))
		require.ErrorContains(t, err, c.want, c.name)
	}
}

// FuzzParseJSON holds the parser to encoding/json: what is valid and has no space in other
// places than MySQL's is read, and each scalar stands where its path leads.
func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{`{"a": [1, {"b": null}], "c": "x\"y"}`, `[]`, `{}`, `"a"`, `[[[]]]`, `{"": {"": ""}}`, `-1.5e3`, `[1`, `{"a" 1}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseJSON([]byte(text))
		if err != nil {
			return
		}
		for _, n := range append(append([]*jsonNode{d.root}, d.members...), d.elements...) {
			if n.children == nil {
				require.Contains(t, text, string(n.raw))
			}
			require.True(t, strings.HasPrefix(string(n.path()), "$"))
		}
		if !json.Valid([]byte(text)) {
			return
		}
		var list []any
		if json.Unmarshal([]byte(text), &list) == nil && list != nil {
			require.Len(t, d.root.children, len(list))
		}
	})
}
