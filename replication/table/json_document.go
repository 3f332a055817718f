package table

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// jsonNode is a value of a JSON document.
type jsonNode struct {
	parent   *jsonNode
	leg      string // of a path, that leads to it from its parent
	raw      []byte // of a scalar: its text
	children []*jsonNode
	isObject bool
}

// document is a JSON document with its values in the order in which JSON_TABLE lists them.
type document struct {
	root              *jsonNode
	members, elements []*jsonNode
}

// at returns the value at a place of JSONTypes, or nil.
func (d *document) at(place int) *jsonNode {
	switch {
	case place == 0:
		return d.root
	case place > 0 && place <= len(d.members):
		return d.members[place-1]
	case place < 0 && -place <= len(d.elements):
		return d.elements[-place-1]
	}
	return nil
}

// number puts the values below a value in JSON_TABLE's order: its own children before
// theirs.
func (d *document) number(n *jsonNode) {
	if n.isObject {
		d.members = append(d.members, n.children...)
	} else {
		d.elements = append(d.elements, n.children...)
	}
	for _, child := range n.children {
		d.number(child)
	}
}

// path is the path to the value.
func (n *jsonNode) path() []byte {
	var legs []string
	for ; n.parent != nil; n = n.parent {
		legs = append(legs, n.leg)
	}
	slices.Reverse(legs)
	return []byte("$" + strings.Join(legs, ""))
}

// typedValue is an expression for a value of one of jsonTypes. If a column is named, only
// a column of that type gives the value its type.
type typedValue struct{ expression, column string }

// shapes are how MySQL prints values within JSON.
var shapes = map[string]*regexp.Regexp{
	"UNSIGNED INTEGER": regexp.MustCompile(`^\d+$`),
	jsonInteger:        regexp.MustCompile(`^\d+$`),
	"DECIMAL":          regexp.MustCompile(`^-?\d+(\.\d+)?$`),
	"DATE":             regexp.MustCompile(`^"\d{4}-\d\d-\d\d"$`),
	"DATETIME":         regexp.MustCompile(`^"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}"$`),
	"TIMESTAMP":        regexp.MustCompile(`^"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}"$`),
	"TIME":             regexp.MustCompile(`^"-?\d+:\d\d:\d\d\.\d{6}"$`),
	"BLOB":             regexp.MustCompile(`^"base64:type\d+:[A-Za-z0-9+/=\\n]*"$`),
	"BIT":              regexp.MustCompile(`^"base64:type16:[A-Za-z0-9+/=]+"$`),
}

// typed returns the expression for the scalar as a value of a type.
func (n *jsonNode) typed(kind string) (typedValue, error) {
	if !shapes[kind].Match(n.raw) {
		return typedValue{}, fmt.Errorf("read a JSON document: the server has a %s where its text is %.50s", kind, n.raw)
	}
	text := strings.Trim(string(n.raw), `"`)
	switch kind {
	case "UNSIGNED INTEGER":
		return typedValue{expression: "CAST(" + text + " AS UNSIGNED)"}, nil
	case jsonInteger:
		return typedValue{expression: "CAST(" + text + " AS SIGNED)"}, nil
	case "DECIMAL":
		whole, fraction, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
		digits := len(strings.TrimLeft(whole, "0")) + len(fraction)
		return typedValue{expression: fmt.Sprintf("CAST('%s' AS DECIMAL(%d,%d))", text, max(digits, 1), len(fraction))}, nil
	case "DATE":
		return typedValue{expression: "CAST('" + text + "' AS DATE)"}, nil
	case "DATETIME", "TIME":
		return typedValue{expression: "CAST('" + text + "' AS " + kind + "(6))"}, nil
	case "TIMESTAMP":
		return typedValue{"_utf8mb4'" + text + "'", "TIMESTAMP(6)"}, nil
	}
	number, data, _ := strings.Cut(strings.TrimPrefix(text, "base64:type"), ":")
	value, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(data, `\n`, ""))
	if err != nil {
		return typedValue{}, fmt.Errorf("read a binary value in a JSON document: %w", err)
	}
	return binaryValue(number, value)
}

// typeOfExpressions is the number that MySQL 8 gives to binary values of expressions, such as
// UUID_TO_BIN(…). MySQL 9 gives them that of VARBINARY, and cannot make this one.
const typeOfExpressions = "253"

// binaryValue is the expression for a binary value that MySQL prints with a number of its
// type.
func binaryValue(number string, value []byte) (typedValue, error) {
	literal, column := fmt.Sprintf("x'%x'", value), blobTypes[number]
	switch column {
	case "":
		if number != typeOfExpressions {
			return typedValue{}, fmt.Errorf("a JSON document holds a binary value of type %s, which this server does not make any more; write the document anew on the source", number)
		}
		return typedValue{expression: literal}, nil
	case "BINARY", "VARBINARY":
		column += "(" + strconv.Itoa(max(len(value), 1)) + ")"
	case "BIT":
		if len(value) > 8 {
			return typedValue{}, fmt.Errorf("read bits in a JSON document: %d bytes", len(value))
		}
		var n uint64
		for _, b := range value {
			n = n<<8 | uint64(b)
		}
		return typedValue{strconv.FormatUint(n, 10), "BIT(" + strconv.Itoa(8*len(value)) + ")"}, nil
	}
	return typedValue{literal, column}, nil
}

var errJSON = errors.New("read a JSON document: its text is not as MySQL prints it")

// parseJSON reads a document as MySQL prints it. It keeps the texts of keys and scalars.
func parseJSON(text []byte) (*document, error) {
	p := jsonParser{text}
	d := &document{}
	var err error
	if d.root, err = p.value(nil, "", 0); err != nil {
		return nil, err
	}
	if len(p.rest) > 0 {
		return nil, errJSON
	}
	d.number(d.root)
	return d, nil
}

// jsonParser reads values from the front of what is left of a text.
type jsonParser struct{ rest []byte }

// maxJSONDepth is more than the servers allow (100).
const maxJSONDepth = 1000

// bareCharacters are those of numbers and of true, false and null.
const bareCharacters = "0123456789+-.eEtrufalsn"

func (p *jsonParser) value(parent *jsonNode, leg string, depth int) (*jsonNode, error) {
	if len(p.rest) == 0 || depth > maxJSONDepth {
		return nil, errJSON
	}
	n := &jsonNode{parent: parent, leg: leg}
	switch p.rest[0] {
	case '{', '[':
		return n, p.container(n, depth)
	case '"':
		raw, err := p.quoted()
		n.raw = raw
		return n, err
	}
	end := 0
	for end < len(p.rest) && strings.IndexByte(bareCharacters, p.rest[end]) >= 0 {
		end++
	}
	if end == 0 {
		return nil, errJSON
	}
	n.raw, p.rest = p.rest[:end], p.rest[end:]
	return n, nil
}

// container reads an object or an array.
func (p *jsonParser) container(n *jsonNode, depth int) error {
	n.isObject, n.children = p.rest[0] == '{', []*jsonNode{}
	end := byte(']')
	if n.isObject {
		end = '}'
	}
	p.rest = p.rest[1:]
	if p.skip(end) {
		return nil
	}
	for {
		leg := "[" + strconv.Itoa(len(n.children)) + "]"
		if n.isObject {
			key, err := p.quoted()
			if err != nil || !p.skip(':') {
				return errJSON
			}
			leg = "." + string(key)
			p.skip(' ')
		}
		child, err := p.value(n, leg, depth+1)
		if err != nil {
			return err
		}
		n.children = append(n.children, child)
		if p.skip(end) {
			return nil
		}
		if !p.skip(',') {
			return errJSON
		}
		p.skip(' ')
	}
}

// skip skips a character if it comes next.
func (p *jsonParser) skip(c byte) bool {
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// quoted reads a string, with its quotes and escapes.
func (p *jsonParser) quoted() ([]byte, error) {
	if len(p.rest) == 0 || p.rest[0] != '"' {
		return nil, errJSON
	}
	for i := 1; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '\\':
			i++
		case '"':
			raw := p.rest[:i+1]
			p.rest = p.rest[i+1:]
			return raw, nil
		}
	}
	return nil, errJSON
}
