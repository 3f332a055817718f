package cfsim

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// Limits of an import. A few bytes of $GENERATE make many records.
const (
	maxImport        = 256 << 10 // bytes
	maxImportRecords = 10_000
)

// exportRecords answers with the zone as BIND text. A comment behind each record holds
// what the zone file format cannot express.
func (s *Sim) exportRecords(c *call) (answer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	z, err := s.zone(c)
	if err != nil {
		return answer{}, err
	}
	records := make([]*Record, 0, len(z.records))
	for _, r := range z.records {
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b *Record) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Content, b.Content))
	})
	var out strings.Builder
	fmt.Fprintf(&out, ";;\n;; Domain:     %s.\n;; Exported:   %s\n;;\n\n;; SOA Record\n%s\n\n;; NS Records\n",
		z.name, s.options.Now().UTC().Format("2006-01-02 15:04:05"), z.soa(3600))
	for _, ns := range z.nameServers {
		fmt.Fprintf(&out, "%s.\t86400\tIN\tNS\t%s.\n", z.name, ns)
	}
	kind := ""
	for _, r := range records {
		if r.Type != kind {
			kind = r.Type
			fmt.Fprintf(&out, "\n;; %s Records\n", kind)
		}
		line, err := r.zoneFileLine()
		if err != nil {
			return answer{}, err
		}
		out.WriteString(line)
	}
	text := out.String()
	return answer{text: &text}, nil
}

// zoneFileLine returns a record as a line of a zone file.
func (r *Record) zoneFileLine() (string, error) {
	rr, err := r.resourceRecord(dns.Fqdn(r.Name), uint32(r.TTL))
	if err != nil {
		return "", fmt.Errorf("export record %s %s: %w", r.Type, r.Name, err)
	}
	var comment []string
	if r.Comment != "" {
		comment = append(comment, r.Comment)
	}
	var tags []string
	if proxiable(r.Type) {
		tags = append(tags, fmt.Sprintf("cf-proxied:%t", r.Proxied))
	}
	if tags = append(tags, r.Tags...); len(tags) > 0 {
		comment = append(comment, "cf_tags="+strings.Join(tags, ","))
	}
	line := rr.String()
	if len(comment) > 0 {
		line += " ; " + strings.Join(comment, " ")
	}
	return line + "\n", nil
}

// importRecords adds the records of a zone file, all or none. It ignores SOA, the zone's
// own NS records, and records that exist.
func (s *Sim) importRecords(c *call) (answer, error) {
	file, proxied, err := readImport(c)
	if err != nil {
		return answer{}, err
	}
	return s.changeZone(c, func(z *zone, t *tx) (any, error) {
		inputs, err := parseZoneFile(file, z.name, proxied)
		if err != nil {
			return nil, err
		}
		added := 0
		for i := range inputs {
			r, err := z.build(Record{}, inputOf(&inputs[i]), s.plan, s.options.Now())
			if err != nil {
				return nil, err
			}
			if z.hasContent(r) {
				continue
			}
			if err := t.put(r); err != nil {
				return nil, err
			}
			added++
		}
		return map[string]int{"recs_added": added, "total_records_parsed": len(inputs)}, nil
	})
}

func (z *zone) hasContent(r *Record) bool {
	for _, other := range z.byName[r.Name] {
		if other.Type == r.Type && other.Content == r.Content {
			return true
		}
	}
	return false
}

func readImport(c *call) (file []byte, proxied bool, err error) {
	_, params, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil, false, invalid(codeBadBody, "Request body is invalid: multipart/form-data is wanted.")
	}
	form, err := multipart.NewReader(bytes.NewReader(c.body), params["boundary"]).ReadForm(maxImport)
	if err != nil {
		return nil, false, invalid(codeBadBody, "Request body is invalid: %v", err)
	}
	defer func() { _ = form.RemoveAll() }() // temporary files only
	if v := form.Value["proxied"]; len(v) > 0 {
		proxied, _ = strconv.ParseBool(v[0]) // other texts mean false
	}
	if v := form.Value["file"]; len(v) > 0 {
		return []byte(v[0]), proxied, nil
	}
	if len(form.File["file"]) == 0 {
		return nil, false, invalid(codeBadBody, "Request body is invalid: file is missing.")
	}
	f, err := form.File["file"][0].Open()
	if err != nil {
		return nil, false, fmt.Errorf("open the uploaded file: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	file, err = io.ReadAll(io.LimitReader(f, maxImport+1))
	if len(file) > maxImport {
		return nil, false, invalid(codeBadBody, "The zone file is larger than %d bytes.", maxImport)
	}
	return file, proxied, err
}

// parseZoneFile parses BIND text with the comments of an export.
func parseZoneFile(file []byte, zone string, proxied bool) ([]Record, error) {
	var out []Record
	parser := dns.NewZoneParser(bytes.NewReader(file), dns.Fqdn(zone), "")
	parser.SetDefaultTTL(1)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		header := rr.Header()
		name := lowerHost(header.Name)
		kind := dns.TypeToString[header.Rrtype]
		if kind == "SOA" || kind == "NS" && name == zone {
			continue
		}
		r := Record{
			Type: kind, Name: name, TTL: int(header.Ttl), Proxied: proxied && proxiable(kind),
			Content: strings.TrimPrefix(rr.String(), header.String()),
		}
		if mx, ok := rr.(*dns.MX); ok {
			r.Content, r.Priority = mx.Mx, int(mx.Preference)
		}
		if r.Content != "." && (proxiable(kind) || kind == "MX" || kind == "NS" || kind == "PTR") {
			r.Content = strings.TrimSuffix(r.Content, ".")
		}
		r.parseZoneFileComment(parser.Comment())
		if out = append(out, r); len(out) > maxImportRecords {
			return nil, invalid(codeBadBody, "The zone file has more than %d records.", maxImportRecords)
		}
	}
	if err := parser.Err(); err != nil {
		return nil, invalid(codeBadBody, "The zone file is invalid: %v", err)
	}
	return out, nil
}

// parseZoneFileComment parses the comment behind a record of an export.
func (r *Record) parseZoneFileComment(comment string) {
	comment = strings.TrimSpace(strings.TrimLeft(comment, ";"))
	at := strings.LastIndex(comment, "cf_tags=")
	if at < 0 {
		r.Comment = comment
		return
	}
	r.Comment = strings.TrimSpace(comment[:at])
	for tag := range strings.SplitSeq(comment[at+len("cf_tags="):], ",") {
		if proxied, ok := strings.CutPrefix(tag, "cf-proxied:"); ok {
			r.Proxied = proxied == "true" && proxiable(r.Type)
		} else if tag != "" {
			r.Tags = append(r.Tags, tag)
		}
	}
}
