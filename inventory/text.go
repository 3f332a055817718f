package inventory

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Printable replaces characters that are not printable by their escapes, so that
// a name from a host can neither control a terminal nor reverse the text beside it.
func Printable(s string) string {
	q := strconv.Quote(s)
	q = q[1 : len(q)-1]
	return plainQuotes.Replace(q)
}

// plainQuotes undoes the escapes that strconv.Quote adds for a Go literal only.
var plainQuotes = strings.NewReplacer(`\"`, `"`, `\\`, `\`)

// Text is a name of any bytes. In JSON it is a string where it is UTF-8, else
// {"base64": "…"}, because JSON strings cannot hold other bytes.
type Text string

type binaryText struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON implements json.Marshaler.
func (t Text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(binaryText{[]byte(t)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = Text(s)
		return nil
	}
	var b binaryText
	if err := json.Unmarshal(data, &b); err != nil {
		return fmt.Errorf("read name: %w", err)
	}
	*t = Text(b.Base64)
	return nil
}
