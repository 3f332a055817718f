package cfsim

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/miekg/dns"
)

// fieldFormat is how a record's content represents a field of its data.
type fieldFormat int

const (
	number fieldFormat = iota + 1
	word
	quoted
	host
	remainder // the rest of the line
	metres    // a number that ends with m
)

// dataField is one field of a record's data.
type dataField struct {
	name   string
	format fieldFormat
}

// dataFields holds the fields of every type whose content the API builds from data, in
// the order of the RFCs' presentation format.
var dataFields = map[string][]dataField{
	"CAA":    {{"flags", number}, {"tag", word}, {"value", quoted}},
	"CERT":   {{"type", number}, {"key_tag", number}, {"algorithm", number}, {"certificate", remainder}},
	"DNSKEY": {{"flags", number}, {"protocol", number}, {"algorithm", number}, {"public_key", remainder}},
	"DS":     {{"key_tag", number}, {"algorithm", number}, {"digest_type", number}, {"digest", remainder}},
	"HTTPS":  {{"priority", number}, {"target", host}, {"value", remainder}},
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
	"SMIMEA": {{"usage", number}, {"selector", number}, {"matching_type", number}, {"certificate", remainder}},
	"SRV":    {{"priority", number}, {"weight", number}, {"port", number}, {"target", host}},
	"SSHFP":  {{"algorithm", number}, {"type", number}, {"fingerprint", remainder}},
	"SVCB":   {{"priority", number}, {"target", host}, {"value", remainder}},
	"TLSA":   {{"usage", number}, {"selector", number}, {"matching_type", number}, {"certificate", remainder}},
	"URI":    {{"priority", number}, {"weight", number}, {"target", quoted}},
}

// setData builds the content from the data, or the data from the content. The dns
// package validates it.
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
		written, ok := rdataOf(data, fields, zone)
		if !ok {
			return bad()
		}
		rdata = written
	case in.Content != nil:
		rdata = *in.Content
	}
	for range 2 { // the first pass reads the input, the second its normal form
		var ok bool
		if rdata, ok = canonicalRData(r.Type, rdata); !ok {
			return bad()
		}
		data, ok := dataOf(rdata, fields)
		if !ok {
			return bad()
		}
		if in.Priority != nil && r.Type == "URI" { // the separate field takes precedence
			data["priority"] = float64(r.Priority)
		}
		if p, ok := data["priority"].(float64); ok && hasPriority(r.Type) {
			r.Priority = int(p)
		}
		r.Content, r.Data = rdata, data
		if rdata, ok = rdataOf(data, fields, zone); !ok {
			return bad()
		}
	}
	return nil
}

// canonicalRData returns rdata as the dns package prints it, without the dot after a
// target, or false if it does not parse.
func canonicalRData(kind, rdata string) (string, bool) {
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

// rdataOf returns data as rdata in presentation form. Missing numbers are 0; words have
// no default.
func rdataOf(data map[string]any, fields []dataField, zone string) (string, bool) {
	words := make([]string, 0, len(fields))
	for _, f := range fields {
		value, named := data[f.name]
		var text string
		var ok bool
		if f.format == number || f.format == metres {
			text, ok = writeNumber(value, f.format)
		} else {
			text, ok = writeText(value, f.format, zone)
		}
		if named && !ok || text == "" && f.format != remainder {
			return "", false
		}
		words = append(words, text)
	}
	return strings.TrimSpace(strings.Join(words, " ")), true
}

func writeNumber(value any, p fieldFormat) (string, bool) {
	n, ok := value.(float64)
	if i, isInt := value.(int); isInt { // data written in Go, not JSON
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

func writeText(value any, p fieldFormat, zone string) (string, bool) {
	s, ok := value.(string)
	switch {
	case p == quoted:
		return `"` + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`) + `"`, ok
	case p == host && s != "" && s != ".":
		target, good := normalizeHostname(s, zone)
		if !good {
			return "", false
		}
		return target + ".", ok
	default:
		return s, ok
	}
}

// dataOf parses canonical rdata into data.
func dataOf(rdata string, fields []dataField) (map[string]any, bool) {
	data := make(map[string]any, len(fields))
	for _, f := range fields {
		if f.format == remainder {
			data[f.name] = rdata
			rdata = ""
			continue
		}
		var text string
		var ok bool
		if text, rdata, ok = nextWord(rdata, f.format == quoted); !ok {
			return nil, false
		}
		switch f.format {
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

// nextWord returns the first word, unquoted, and the rest.
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
