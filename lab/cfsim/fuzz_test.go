package cfsim

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
)

// FuzzRecord validates any body. A refusal is an API error. DNS can serve an accepted
// record; it is accepted again unchanged, and survives an export and import.
func FuzzRecord(f *testing.F) {
	for _, body := range []string{
		`{"type":"A","name":"@","content":"192.0.2.1","ttl":60,"proxied":true,"comment":"x","tags":["a:b"]}`,
		`{"type":"AAAA","name":"*.a","content":"::ffff:1:2"}`,
		`{"type":"CNAME","name":"bücher","content":"_x.example.net."}`,
		`{"type":"MX","name":"m","content":".","priority":0}`,
		`{"type":"TXT","name":"t","content":"\"a\\\"b\" \"c\""}`,
		`{"type":"TXT","name":"t","content":"back\\slash \" quote é; c"}`,
		`{"type":"SRV","name":"_s._tcp","data":{"priority":1,"weight":2,"port":3,"target":"@"}}`,
		`{"type":"SRV","name":"_s._tcp","content":"1 2 3 ."}`,
		`{"type":"CAA","name":"@","data":{"flags":128,"tag":"iodef","value":"mailto:a\"b\\"}}`,
		`{"type":"URI","name":"u","priority":1,"data":{"weight":2,"target":"http://x/"}}`,
		`{"type":"HTTPS","name":"h","content":"1 . alpn=\"h2,h3\" ipv4hint=192.0.2.1"}`,
		`{"type":"NAPTR","name":"n","content":"1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" ."}`,
		`{"type":"LOC","name":"l","content":"37 46 46 N 122 23 35 W 0m 100m 0m 0m"}`,
		`{"type":"TLSA","name":"_443._tcp","data":{"usage":3,"selector":1,"matching_type":1,"certificate":"ab cd"}}`,
		`{"type":"DS","name":"d","content":"1 8 2 abcd"}`,
		`{"type":"CERT","name":"c","data":{"type":1,"key_tag":2,"algorithm":8,"certificate":"YWJj"}}`,
		`{"type":"OPENPGPKEY","name":"o","content":"YWJj"}`,
		`{"type":"NS","name":"n","content":"ns.example.net"}`,
	} {
		f.Add([]byte(body))
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	z := newZone("example.com", "active", now)
	plan := PlanPro.limits()
	f.Fuzz(func(t *testing.T, body []byte) {
		var in recordInput
		if json.Unmarshal(body, &in) != nil {
			return
		}
		r, err := z.build(Record{}, in, plan, now)
		if err != nil {
			var refusal *apiError
			require.True(t, errors.As(err, &refusal), "%v", err)
			return
		}
		require.True(t, validName(r.Name) && within(r.Name, z.name), r.Name)
		rr, err := r.resourceRecord(dns.Fqdn(r.Name), ttlOf(r))
		require.NoError(t, err)
		_, err = dns.PackRR(rr, make([]byte, dns.MaxMsgSize), 0, nil, false)
		require.NoError(t, err, rr.String())

		again, err := z.build(Record{}, inputOf(r), plan, now)
		require.NoError(t, err, "an accepted record is accepted again")
		again.ID = r.ID
		require.Equal(t, recordJSON(t, r), recordJSON(t, again))

		line, err := r.zoneFileLine()
		require.NoError(t, err)
		back, err := parseZoneFile([]byte(line), z.name, false)
		require.NoError(t, err, line)
		require.Len(t, back, 1, line)
		read, err := z.build(Record{}, inputOf(&back[0]), plan, now)
		require.NoError(t, err, line)
		second, err := read.resourceRecord(dns.Fqdn(read.Name), ttlOf(read))
		require.NoError(t, err)
		require.Equal(t, rr.String(), second.String())
	})
}

func recordJSON(t *testing.T, r *Record) string {
	raw, err := json.Marshal(r)
	require.NoError(t, err)
	return string(raw)
}

// FuzzZoneFile parses any text as a zone file.
func FuzzZoneFile(f *testing.F) {
	f.Add("a 300 IN A 192.0.2.1 ; x cf_tags=cf-proxied:true,a:b\n")
	f.Add("$ORIGIN example.com.\n@ IN MX 10 mx\n* IN CNAME @\n")
	f.Add("$INCLUDE /etc/passwd\n")
	f.Add("$GENERATE 1-3 h$ A 192.0.2.$\n")
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	z := newZone("example.com", "active", now)
	f.Fuzz(func(t *testing.T, text string) {
		records, err := parseZoneFile([]byte(text), z.name, true)
		if err != nil {
			var refusal *apiError
			require.True(t, errors.As(err, &refusal), "%v", err)
			return
		}
		for i := range records {
			_, err := z.build(Record{}, inputOf(&records[i]), PlanPro.limits(), now)
			var refusal *apiError
			require.True(t, err == nil || errors.As(err, &refusal), "%v", err)
		}
	})
}
