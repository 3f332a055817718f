package cfsim

import (
	"encoding/base64"
	"math"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// recordTypes are the types that the API supports.
var recordTypes = []string{
	"A", "AAAA", "CAA", "CERT", "CNAME", "DNSKEY", "DS", "HTTPS", "LOC", "MX", "NAPTR",
	"NS", "OPENPGPKEY", "PTR", "SMIMEA", "SRV", "SSHFP", "SVCB", "TLSA", "TXT", "URI",
}

// maxTXT is the longest TXT content in characters.
const maxTXT = 4080

// setContent sets content, data and priority from the input, by the rules of the
// record's type.
func (r *Record) setContent(in recordInput, zone string) error {
	if err := r.setPriority(in); err != nil {
		return err
	}
	if fields, ok := dataFields[r.Type]; ok {
		return r.setData(in, fields, zone)
	}
	r.Data = nil
	if in.Content != nil {
		r.Content = *in.Content
	}
	content, err := normalizeContent(r.Type, r.Content, zone)
	if err != nil {
		return err
	}
	if r.Type == "CNAME" && content == r.Name {
		return invalid(codeCNAMESelf, "CNAME content cannot reference itself.")
	}
	r.Content = content
	return nil
}

func (r *Record) setPriority(in recordInput) error {
	if !hasPriority(r.Type) {
		r.Priority = 0
		return nil
	}
	if in.Priority != nil {
		p := *in.Priority
		if p < 0 || p > 65535 || p != math.Trunc(p) {
			return invalidChain(codePriority, "priority must be a number from 0 to 65535.")
		}
		r.Priority = int(p)
		return nil
	}
	_, inData := in.Data["priority"]
	inContent := r.Type == "URI" && in.Content != nil
	isNew := r.Content == "" && r.Data == nil // nothing to keep
	if isNew && r.Type != "SRV" && !inData && !inContent {
		return invalidChain(codePriority, "priority is a required field for %s records.", r.Type)
	}
	return nil
}

// normalizeContent checks the content of a type without data and returns it in the API's
// form.
func normalizeContent(kind, content, zone string) (string, error) {
	switch kind {
	case "A":
		addr, err := netip.ParseAddr(content)
		if err != nil || !addr.Is4() {
			return "", invalid(codeContentA, "Content for A record must be a valid IPv4 address.")
		}
		return addr.String(), nil
	case "AAAA":
		addr, err := netip.ParseAddr(content)
		if err != nil || !addr.Is6() || addr.Zone() != "" || addr.Is4In6() {
			return "", invalid(codeContentAAAA, "Content for AAAA record must be a valid IPv6 address.")
		}
		return addr.String(), nil
	case "TXT":
		return normalizeText(content)
	case "OPENPGPKEY":
		if _, err := base64.StdEncoding.DecodeString(content); err != nil || content == "" {
			return "", invalid(codeContentOther, "Content for OPENPGPKEY record must be base64.")
		}
		return content, nil
	}
	if kind == "MX" && content == "." { // RFC 7505: the name accepts no mail
		return content, nil
	}
	host, ok := normalizeHostname(content, zone)
	if !ok {
		codes := map[string]int{"CNAME": codeContentCNAME, "NS": codeContentNS, "MX": codeContentMX}
		code := codes[kind]
		if code == 0 {
			code = codeContentOther
		}
		return "", invalid(code, "Content for %s record is invalid.", kind)
	}
	return host, nil
}

// normalizeText checks TXT content and returns it unchanged.
func normalizeText(content string) (string, error) {
	if content == "" || len(content) > maxTXT {
		return "", invalid(codeContentOther, "Content for TXT record must have 1 to %d characters.", maxTXT)
	}
	if _, ok := characterStrings(content); !ok {
		return "", invalid(codeContentOther, "Content for TXT record is invalid.")
	}
	return content, nil
}

// characterStrings splits TXT content into the strings of the DNS record, each up to 255
// bytes. Quoted content already consists of strings. Backslashes stay, because the dns
// package keeps strings in presentation form.
func characterStrings(content string) ([]string, bool) {
	for i := range len(content) {
		if content[i] < ' ' && content[i] != '\t' || content[i] == 0x7f {
			return nil, false
		}
	}
	if !strings.HasPrefix(content, `"`) {
		return split255(strings.ReplaceAll(strings.ReplaceAll(content, `\`, `\\`), `"`, `\"`)), true
	}
	rr, err := dns.NewRR(". 1 IN TXT " + content)
	if err != nil || rr == nil {
		return nil, false
	}
	txt, ok := rr.(*dns.TXT)
	return txt.Txt, ok
}

// split255 splits a string in presentation form into pieces of at most 255 bytes, but
// never within an escape.
func split255(s string) []string {
	var out []string
	start, size := 0, 0
	for i := 0; i < len(s); {
		step := 1
		if s[i] == '\\' {
			step = 2
		}
		if size == 255 {
			out = append(out, s[start:i])
			start, size = i, 0
		}
		i, size = i+step, size+1
	}
	return append(out, s[start:])
}
