package cfsim

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/miekg/dns"
)

// part says how a part of a record's data is written in its content.
type part int

const (
	number part = iota + 1
	word
	quoted
	host
	rest   // all that is left of the line
	metres // a number that ends in m
)

// dataField is one part of the data of a record.
type dataField struct {
	name string
	part part
}

// dataFields lists, in the order of RFC presentation, the parts of every type
// whose content the API builds from data.
var dataFields = map[string][]dataField{
	"CAA":    {{"flags", number}, {"tag", word}, {"value", quoted}},
	"CERT":   {{"type", number}, {"key_tag", number}, {"algorithm", number}, {"certificate", rest}},
	"DNSKEY": {{"flags", number}, {"protocol", number}, {"algorithm", number}, {"public_key", rest}},
	"DS":     {{"key_tag", number}, {"algorithm", number}, {"digest_type", number}, {"digest", rest}},
	"HTTPS":  {{"priority", number}, {"target", host}, {"value", rest}},
	"LOC": {
		{"lat_degrees", number},
		{"lat_minutes", number},
		{"lat_seconds", number},
		{"lat_direction", word},
		{"long_degrees", number},
		{"long_minutes", number},
		{"long_seconds", number},
		{"long_direction", word},
		{"altitude", metres},
		{"size", metres},
		{"precision_horz", metres},
		{"precision_vert", metres},
	},
	"NAPTR":  {{"order", number}, {"preference", number}, {"flags", quoted}, {"service", quoted}, {"regex", quoted}, {"replacement", host}},
	"SMIMEA": {{"usage", number}, {"selector", number}, {"matching_type", number}, {"certificate", rest}},
	"SRV":    {{"priority", number}, {"weight", number}, {"port", number}, {"target", host}},
	"SSHFP":  {{"algorithm", number}, {"type", number}, {"fingerprint", rest}},
	"SVCB":   {{"priority", number}, {"target", host}, {"value", rest}},
	"TLSA":   {{"usage", number}, {"selector", number}, {"matching_type", number}, {"certificate", rest}},
	"URI":    {{"priority", number}, {"weight", number}, {"target", quoted}},
}

// setData builds the content from the data, or the data from the content, and
// lets the dns package judge it.
func (r *Record) setData(in recordInput, fields []dataField, zone string) error {
	bad := func() error {
		return invalid(codeContentOther, "Content for %s record is invalid.", r.Type)
	}
	rdata := r.Content
	switch {
	case in.Data != nil:
		data := cloneMap(in.Data)
		if _, ok := data["priority"]; !ok && hasPriority(r.Type) {
			data["priority"] = float64(r.Priority)
		}
		written, ok := writeData(data, fields, zone)
		if !ok {
			return bad()
		}
		rdata = written
	case in.Content != nil:
		rdata = *in.Content
	}
	for range 2 { // the first pass reads what came, the second what that means
		var ok bool
		if rdata, ok = canonical(r.Type, rdata); !ok {
			return bad()
		}
		data, ok := readData(rdata, fields)
		if !ok {
			return bad()
		}
		if in.Priority != nil && r.Type == "URI" { // the field of its own wins
			data["priority"] = float64(r.Priority)
		}
		if p, ok := data["priority"].(float64); ok && hasPriority(r.Type) {
			r.Priority = int(p)
		}
		r.Content, r.Data = rdata, data
		if rdata, ok = writeData(data, fields, zone); !ok {
			return bad()
		}
	}
	return nil
}

// canonical is rdata in the form the dns package prints it, less the dot after
// a target, or false when it does not parse.
func canonical(kind, rdata string) (string, bool) {
	for i := range len(rdata) {
		if rdata[i] < ' ' || rdata[i] == 0x7f {
			return "", false
		}
	}
	rr, err := dns.NewRR(". 1 IN " + kind + " " + rdata)
	if err != nil || rr == nil || rr.Header().Rrtype != dns.StringToType[kind] {
		return "", false
	}
	if _, err := dns.PackRR(rr, make([]byte, dns.MaxMsgSize), 0, nil, false); err != nil {
		return "", false
	}
	out := strings.TrimSpace(strings.TrimPrefix(rr.String(), rr.Header().String()))
	if kind == "SRV" || kind == "NAPTR" {
		if cut := strings.TrimSuffix(out, "."); !strings.HasSuffix(cut, " ") {
			out = cut
		}
	}
	return out, out != ""
}

// writeData writes data as rdata in presentation form. Numbers that are not
// named are 0; words have no default.
func writeData(data map[string]any, fields []dataField, zone string) (string, bool) {
	words := make([]string, 0, len(fields))
	for _, f := range fields {
		value, named := data[f.name]
		var text string
		var ok bool
		if f.part == number || f.part == metres {
			text, ok = writeNumber(value, f.part)
		} else {
			text, ok = writeText(value, f.part, zone)
		}
		if named && !ok || text == "" && f.part != rest {
			return "", false
		}
		words = append(words, text)
	}
	return strings.TrimSpace(strings.Join(words, " ")), true
}

func writeNumber(value any, p part) (string, bool) {
	n, ok := value.(float64)
	if i, isInt := value.(int); isInt { // of a Record in Go
		n, ok = float64(i), true
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return "", false
	}
	if p == metres {
		return strconv.FormatFloat(n, 'f', 2, 64) + "m", ok
	}
	return strconv.FormatFloat(n, 'f', -1, 64), ok
}

func writeText(value any, p part, zone string) (string, bool) {
	s, ok := value.(string)
	switch {
	case p == quoted:
		return `"` + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`) + `"`, ok
	case p == host && s != "" && s != ".":
		target, good := hostname(s, zone)
		if !good {
			return "", false
		}
		return target + ".", ok
	default:
		return s, ok
	}
}

// readData reads canonical rdata back into data.
func readData(rdata string, fields []dataField) (map[string]any, bool) {
	data := make(map[string]any, len(fields))
	for _, f := range fields {
		if f.part == rest {
			data[f.name] = rdata
			rdata = ""
			continue
		}
		var text string
		var ok bool
		if text, rdata, ok = nextWord(rdata, f.part == quoted); !ok {
			return nil, false
		}
		switch f.part {
		case number, metres:
			n, err := strconv.ParseFloat(strings.TrimSuffix(text, "m"), 64)
			if err != nil {
				return nil, false
			}
			data[f.name] = n
		case host:
			if text != "." {
				text = strings.TrimSuffix(text, ".")
			}
			data[f.name] = text
		default:
			data[f.name] = text
		}
	}
	return data, rdata == ""
}

// nextWord cuts the first word off, unquoting a quoted one.
func nextWord(s string, isQuoted bool) (text, left string, ok bool) {
	s = strings.TrimLeft(s, " ")
	if s == "" {
		return "", "", false
	}
	if !isQuoted || s[0] != '"' {
		text, left, _ = strings.Cut(s, " ")
		return text, strings.TrimLeft(left, " "), true
	}
	var out strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '9': // \DDD
			code, err := strconv.ParseUint(s[i+1:i+4], 10, 8)
			if err != nil {
				return "", "", false
			}
			out.WriteByte(byte(code))
			i += 3
		case s[i] == '\\' && i+1 < len(s):
			i++
			out.WriteByte(s[i])
		case s[i] == '"':
			text = out.String()
			return text, strings.TrimLeft(s[i+1:], " "), utf8.ValidString(text)
		default:
			out.WriteByte(s[i])
		}
	}
	return "", "", false
}
