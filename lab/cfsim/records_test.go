package cfsim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
)

const recordsPath = "/zones/{zone}/dns_records"

func TestCreateRecordRefusals(t *testing.T) {
	l := newLab(t, cfsim.Options{Plan: cfsim.PlanPro},
		cfsim.Record{Type: "A", Name: "a", Content: "192.0.2.1"},
		cfsim.Record{Type: "CNAME", Name: "c", Content: "a.example.com"},
		cfsim.Record{Type: "NS", Name: "sub", Content: "ns1.example.net"},
	)
	cases := map[string]struct {
		body  string
		codes []int
	}{
		"A content":            {`{"type":"A","name":"x","content":"192.0.2.256"}`, []int{9005}},
		"A content v6":         {`{"type":"A","name":"x","content":"2001:db8::1"}`, []int{9005}},
		"AAAA content":         {`{"type":"AAAA","name":"x","content":"192.0.2.1"}`, []int{9006}},
		"AAAA zone":            {`{"type":"AAAA","name":"x","content":"fe80::1%eth0"}`, []int{9006}},
		"CNAME content":        {`{"type":"CNAME","name":"x","content":"not a host"}`, []int{9007}},
		"CNAME to itself":      {`{"type":"CNAME","name":"x","content":"x.example.com."}`, []int{9039}},
		"MX priority":          {`{"type":"MX","name":"x","content":"mx.example.com"}`, []int{1004, 9103}},
		"MX content":           {`{"type":"MX","name":"x","content":"mx..example.com","priority":1}`, []int{9009}},
		"SRV data":             {`{"type":"SRV","name":"_x._tcp","data":{"priority":1,"weight":2,"port":70000,"target":"a"}}`, []int{9019}},
		"CAA data":             {`{"type":"CAA","name":"@","data":{"flags":0,"tag":"","value":"x"}}`, []int{9019}},
		"TXT quotes":           {`{"type":"TXT","name":"x","content":"\"open"}`, []int{9019}},
		"type":                 {`{"type":"WKS","name":"x","content":"1"}`, []int{9036}},
		"name empty":           {`{"type":"A","name":"","content":"192.0.2.1"}`, []int{9000}},
		"name label":           {`{"type":"A","name":"` + strings.Repeat("x", 64) + `","content":"192.0.2.1"}`, []int{9000}},
		"name characters":      {`{"type":"A","name":"a b","content":"192.0.2.1"}`, []int{9000}},
		"no content":           {`{"type":"A","name":"x"}`, []int{9019}},
		"no type":              {`{"name":"x","content":"192.0.2.1"}`, []int{9036}},
		"ttl low":              {`{"type":"A","name":"x","content":"192.0.2.1","ttl":30}`, []int{1004, 9021}},
		"ttl high":             {`{"type":"A","name":"x","content":"192.0.2.1","ttl":86401}`, []int{1004, 9021}},
		"ttl fraction":         {`{"type":"A","name":"x","content":"192.0.2.1","ttl":60.5}`, []int{1004, 9021}},
		"proxied TXT":          {`{"type":"TXT","name":"x","content":"y","proxied":true}`, []int{1004, 9041}},
		"comment newline":      {`{"type":"A","name":"x","content":"192.0.2.1","comment":"a\nb"}`, []int{9312}},
		"comment long":         {`{"type":"A","name":"x","content":"192.0.2.1","comment":"` + strings.Repeat("é", 501) + `"}`, []int{9313}},
		"tag form":             {`{"type":"A","name":"x","content":"192.0.2.1","tags":["team"]}`, []int{1004, 9302}},
		"CNAME where A is":     {`{"type":"CNAME","name":"a","content":"b.example.com"}`, []int{81053}},
		"CNAME where CNAME is": {`{"type":"CNAME","name":"c","content":"a.example.com"}`, []int{81053}},
		"A where CNAME is":     {`{"type":"A","name":"c","content":"192.0.2.9"}`, []int{81054}},
		"AAAA where CNAME is":  {`{"type":"AAAA","name":"c","content":"2001:db8::1"}`, []int{81054}},
		"A where NS is":        {`{"type":"A","name":"sub","content":"192.0.2.9"}`, []int{81056}},
		"identical":            {`{"type":"A","name":"A.Example.COM.","content":"192.0.2.1"}`, []int{81058}},
		"exists":               {`{"type":"A","name":"a","content":"192.0.2.1","ttl":120}`, []int{81057}},
		"not JSON":             {`{"type":`, []int{9207}},
		"wrong JSON type":      {`{"type":7}`, []int{9207}},
		"empty body":           {``, []int{9207}},
	}
	before := l.Records(zoneName)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := l.do(http.MethodPost, recordsPath, c.body)
			require.Equal(t, c.codes, r.codes(), r.Raw)
			require.Equal(t, http.StatusBadRequest, r.Status)
			require.False(t, r.Success)
			require.Equal(t, "null", string(r.Result))
		})
	}
	require.Equal(t, before, l.Records(zoneName))
}

func TestPlanDecidesQuotas(t *testing.T) {
	body := func(extra string) string { return `{"type":"A","name":"x","content":"192.0.2.1",` + extra + `}` }
	free := newLab(t, cfsim.Options{})
	require.Equal(t, []int{1004, 9300}, free.do(http.MethodPost, recordsPath, body(`"tags":["a:b"]`)).codes())
	require.Equal(t, []int{9313}, free.do(http.MethodPost, recordsPath, body(`"comment":"`+strings.Repeat("x", 101)+`"`)).codes())

	enterprise := newLab(t, cfsim.Options{Plan: cfsim.PlanEnterprise})
	require.Equal(t, http.StatusOK, enterprise.do(http.MethodPost, recordsPath, body(`"ttl":30`)).Status)
}

func TestContentAndNamesAreNormalised(t *testing.T) {
	l := newLab(t, cfsim.Options{Plan: cfsim.PlanPro})
	cases := []struct {
		body, name, content string
		priority            float64
	}{
		{`{"type":"A","name":"@","content":"192.0.2.1"}`, "example.com", "192.0.2.1", 0},
		{`{"type":"A","name":"WWW","content":"192.0.2.1"}`, "www.example.com", "192.0.2.1", 0},
		{`{"type":"A","name":"bücher","content":"192.0.2.1"}`, "xn--bcher-kva.example.com", "192.0.2.1", 0},
		{`{"type":"A","name":"*","content":"192.0.2.1"}`, "*.example.com", "192.0.2.1", 0},
		{`{"type":"AAAA","name":"six.example.com.","content":"2001:0DB8:0::0001"}`, "six.example.com", "2001:db8::1", 0},
		{`{"type":"CNAME","name":"alias","content":"Target.Example.NET."}`, "alias.example.com", "target.example.net", 0},
		{`{"type":"CNAME","name":"up","content":"@"}`, "up.example.com", "example.com", 0},
		{`{"type":"MX","name":"@","content":"mx.example.net.","priority":10}`, "example.com", "mx.example.net", 10},
		{`{"type":"TXT","name":"@","content":"v=spf1 -all"}`, "example.com", "v=spf1 -all", 0},
		{`{"type":"TXT","name":"_dmarc","content":"\"v=DMARC1; p=none\""}`, "_dmarc.example.com", `"v=DMARC1; p=none"`, 0},
		{`{"type":"SRV","name":"_sip._tcp","data":{"priority":10,"weight":5,"port":8806,"target":"sip.example.com."}}`, "_sip._tcp.example.com", "10 5 8806 sip.example.com", 10},
		{`{"type":"CAA","name":"@","data":{"flags":0,"tag":"issue","value":"letsencrypt.org"}}`, "example.com", `0 issue "letsencrypt.org"`, 0},
		{`{"type":"URI","name":"u","priority":3,"data":{"weight":7,"target":"https://example.com/"}}`, "u.example.com", `3 7 "https://example.com/"`, 3},
		{`{"type":"HTTPS","name":"h","data":{"priority":1,"target":".","value":"alpn=\"h2\""}}`, "h.example.com", `1 . alpn="h2"`, 0},
		{`{"type":"NAPTR","name":"n","data":{"order":1,"preference":2,"flags":"S","service":"SIP+D2U","regex":"","replacement":"_sip._udp.example.com"}}`, "n.example.com", `1 2 "S" "SIP+D2U" "" _sip._udp.example.com`, 0},
		{`{"type":"LOC","name":"l","data":{"lat_degrees":37,"lat_minutes":46,"lat_seconds":46,"lat_direction":"N","long_degrees":122,"long_minutes":23,"long_seconds":35,"long_direction":"W","altitude":0,"size":100,"precision_horz":0,"precision_vert":0}}`, "l.example.com", "37 46 46.000 N 122 23 35.000 W 0m 100m 0.00m 0.00m", 0},
		{`{"type":"SSHFP","name":"s","data":{"algorithm":4,"type":2,"fingerprint":"abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"}}`, "s.example.com", "4 2 ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789", 0},
		{`{"type":"PTR","name":"p","content":"host.example.com."}`, "p.example.com", "host.example.com", 0},
	}
	for _, c := range cases {
		r := l.do(http.MethodPost, recordsPath, c.body)
		require.Equal(t, http.StatusOK, r.Status, "%s: %s", c.body, r.Raw)
		var got map[string]any
		r.into(t, &got)
		require.Equal(t, c.name, got["name"])
		require.Equal(t, c.content, got["content"], c.body)
		if c.priority != 0 {
			require.Equal(t, c.priority, got["priority"], c.body)
		}
		again := l.do(http.MethodGet, recordsPath+"/"+got["id"].(string), "")
		require.JSONEq(t, string(r.Result), string(again.Result))
		sent := maps.Clone(got)
		if got["data"] != nil {
			delete(sent, "content") // read-only where there is data
		}
		body, err := json.Marshal(sent)
		require.NoError(t, err)
		put := l.do(http.MethodPut, recordsPath+"/"+got["id"].(string), string(body))
		var after map[string]any
		put.into(t, &after)
		for _, key := range []string{"id", "name", "type", "content", "data", "priority", "ttl", "created_on"} {
			require.Equal(t, got[key], after[key], "PUT of what GET gave changes %s: %s", key, c.body)
		}
	}
}

func TestPutResetsAndPatchKeeps(t *testing.T) {
	c := newClock()
	l := newLab(t, cfsim.Options{Plan: cfsim.PlanPro, Now: c.Now}, cfsim.Record{
		Type: "A", Name: "www", Content: "192.0.2.1", TTL: 120, Comment: "front", Tags: []string{"team:web"},
	})
	path := recordsPath + "/" + l.Records(zoneName)[0].ID
	c.Advance(time.Hour)

	patched := l.do(http.MethodPatch, path, `{"content":"192.0.2.2"}`)
	require.Equal(t, http.StatusOK, patched.Status, patched.Raw)
	r := l.Records(zoneName)[0]
	require.Equal(t, "192.0.2.2", r.Content)
	require.Equal(t, 120, r.TTL)
	require.Equal(t, "front", r.Comment)
	require.Equal(t, []string{"team:web"}, r.Tags)
	require.Equal(t, time.Hour, r.ModifiedOn.Sub(r.CreatedOn))
	require.Equal(t, r.CreatedOn, r.CommentModifiedOn)

	require.Equal(t, http.StatusOK, l.do(http.MethodPatch, path, `{"comment":null,"tags":[]}`).Status)
	require.Empty(t, l.Records(zoneName)[0].Comment)
	require.Empty(t, l.Records(zoneName)[0].Tags)

	require.Equal(t, http.StatusOK, l.do(http.MethodPatch, path, `{"comment":"back","ttl":3600}`).Status)
	put := l.do(http.MethodPut, path, `{"type":"A","name":"www","content":"192.0.2.3"}`)
	require.Equal(t, http.StatusOK, put.Status, put.Raw)
	r = l.Records(zoneName)[0]
	require.Equal(t, []any{1, "", false, "192.0.2.3"}, []any{r.TTL, r.Comment, r.Proxied, r.Content})

	require.Equal(t, http.StatusOK, l.do(http.MethodPatch, path, `{"proxied":true,"ttl":600}`).Status)
	require.Equal(t, 1, l.Records(zoneName)[0].TTL, "a proxied record's TTL is automatic")

	gone := l.do(http.MethodDelete, path, "")
	require.JSONEq(t, `{"id":"`+r.ID+`"}`, string(gone.Result))
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		again := l.do(method, path, "")
		require.Equal(t, []int{81044}, again.codes())
		require.Equal(t, http.StatusNotFound, again.Status)
	}
	require.Equal(t, []int{81044}, l.do(http.MethodPatch, path, `{"ttl":1}`).codes())
}

func TestListRecords(t *testing.T) {
	records := []cfsim.Record{
		{Type: "A", Name: "www", Content: "192.0.2.1", Proxied: true, Comment: "Front door", Tags: []string{"team:Web", "tier:1"}},
		{Type: "A", Name: "api", Content: "192.0.2.1", TTL: 300, Tags: []string{"team:api"}},
		{Type: "A", Name: "old", Content: "192.0.2.10", Comment: "front of old"},
		{Type: "AAAA", Name: "www", Content: "2001:db8::1"},
		{Type: "TXT", Name: "@", Content: "hello"},
	}
	for i := range 245 {
		records = append(records, cfsim.Record{Type: "A", Name: fmt.Sprintf("n%03d", i), Content: "198.51.100.7"})
	}
	l := newLab(t, cfsim.Options{Plan: cfsim.PlanPro}, records...)
	cases := map[string]int{
		"":                                    250,
		"name=www.example.com":                2,
		"name=WWW.example.com&type=A":         1,
		"name.exact=www.example.com":          2,
		"name.contains=n00":                   10,
		"name.startswith=ap":                  1,
		"name.endswith=i.example.com":         1,
		"content=192.0.2.1":                   2,
		"content.exact=192.0.2.1":             2,
		"content.contains=192.0.2.1":          3,
		"content.startswith=2001":             1,
		"content.endswith=.10":                1,
		"comment=front%20door":                1,
		"comment.present":                     2,
		"comment.absent":                      248,
		"comment.contains=FRONT":              2,
		"comment.startswith=front%20of":       1,
		"comment.endswith=door":               1,
		"tag=team":                            2,
		"tag=team:web":                        1,
		"tag.present=tier":                    1,
		"tag.absent=team":                     248,
		"tag.exact=team:api":                  1,
		"tag.contains=team:e":                 1,
		"tag.startswith=team:a":               1,
		"tag.endswith=team:b":                 1,
		"tag=tier&tag=team:api":               0,
		"tag=tier&tag=team:api&tag_match=any": 2,
		"type=TXT":                            1,
		"proxied=true":                        1,
		"proxied=false":                       249,
		"type=TXT&proxied=true":               0,
		"type=TXT&proxied=true&match=any":     2,
		"search=front":                        2,
	}
	for query, want := range cases {
		t.Run(query, func(t *testing.T) {
			r := l.do(http.MethodGet, recordsPath+"?per_page=5000&"+query, "")
			var got []map[string]any
			r.into(t, &got)
			require.Len(t, got, want)
			require.Equal(t, map[string]int{"page": 1, "per_page": 5000, "count": want, "total_count": want, "total_pages": (want + 4999) / 5000}, r.ResultInfo)
		})
	}
}

func TestListRecordsByPage(t *testing.T) {
	var records []cfsim.Record
	for i := range 250 {
		records = append(records, cfsim.Record{Type: "A", Name: fmt.Sprintf("n%03d", i), Content: "198.51.100.7"})
	}
	l := newLab(t, cfsim.Options{}, records...)
	seen := map[string]bool{}
	for page := 1; page <= 4; page++ {
		r := l.do(http.MethodGet, fmt.Sprintf("%s?page=%d&order=name&direction=desc", recordsPath, page), "")
		var got []struct{ ID, Name string }
		r.into(t, &got)
		require.Equal(t, map[string]int{"page": page, "per_page": 100, "count": len(got), "total_count": 250, "total_pages": 3}, r.ResultInfo)
		for i, one := range got {
			require.False(t, seen[one.ID], "on two pages")
			seen[one.ID] = true
			require.True(t, i == 0 || got[i-1].Name >= one.Name, "order")
		}
	}
	require.Len(t, seen, 250)
	for _, query := range []string{"per_page=0", "per_page=5000001", "page=0", "page=x", "order=age", "direction=up", "match=none", "type=WKS", "proxied=maybe"} {
		r := l.do(http.MethodGet, recordsPath+"?"+query, "")
		require.Equal(t, http.StatusBadRequest, r.Status, query)
	}
	huge := l.do(http.MethodGet, recordsPath+"?page=1073741824&per_page=5000000", "")
	require.Equal(t, 0, huge.ResultInfo["count"])
}

func TestExportAndImport(t *testing.T) {
	want := []cfsim.Record{
		{Type: "A", Name: "@", Content: "192.0.2.1", Proxied: true, Comment: "front door", Tags: []string{"team:web", "tier:1"}},
		{Type: "A", Name: "*.apps", Content: "192.0.2.2", TTL: 600},
		{Type: "CNAME", Name: "www", Content: "example.com", Proxied: true},
		{Type: "MX", Name: "@", Content: "mx.example.net", Priority: 10, TTL: 3600},
		{Type: "TXT", Name: "@", Content: `"v=spf1 -all"`, Comment: "mail"},
		{Type: "SRV", Name: "_sip._tcp", Data: map[string]any{"priority": 1, "weight": 2, "port": 5060, "target": "sip.example.com"}},
		{Type: "CAA", Name: "@", Content: `0 issue "letsencrypt.org"`},
		{Type: "NS", Name: "sub", Content: "ns1.example.net"},
	}
	l := newLab(t, cfsim.Options{Plan: cfsim.PlanPro}, want...)
	exported := l.do(http.MethodGet, recordsPath+"/export", "")
	require.Equal(t, http.StatusOK, exported.Status)
	require.Contains(t, exported.Header.Get("Content-Type"), "text/plain")
	require.Contains(t, exported.Raw, "example.com.\t1\tIN\tA\t192.0.2.1 ; front door cf_tags=cf-proxied:true,team:web,tier:1\n")
	require.Contains(t, exported.Raw, "*.apps.example.com.\t600\tIN\tA\t192.0.2.2 ; cf_tags=cf-proxied:false\n")

	other := newLab(t, cfsim.Options{Plan: cfsim.PlanPro})
	imported := other.upload(recordsPath+"/import", exported.Raw)
	require.Equal(t, http.StatusOK, imported.Status, imported.Raw)
	require.JSONEq(t, `{"recs_added":8,"total_records_parsed":8}`, string(imported.Result))
	strip := func(records []cfsim.Record) []cfsim.Record {
		for i := range records {
			r := &records[i]
			r.ID, r.CreatedOn, r.ModifiedOn, r.CommentModifiedOn, r.TagsModifiedOn = "", time.Time{}, time.Time{}, time.Time{}, time.Time{}
			r.Settings = nil
			if len(r.Tags) == 0 {
				r.Tags = nil
			}
		}
		return records
	}
	require.Equal(t, strip(l.Records(zoneName)), strip(other.Records(zoneName)))
	require.JSONEq(t, `{"recs_added":0,"total_records_parsed":8}`, string(other.upload(recordsPath+"/import", exported.Raw).Result))

	broken := other.upload(recordsPath+"/import", "new 300 IN A 192.0.2.7\nbad 300 IN A 1.2.3\n")
	require.Equal(t, http.StatusBadRequest, broken.Status)
	require.Len(t, other.Records(zoneName), 8, "all or nothing")
	bomb := other.upload(recordsPath+"/import", "$GENERATE 0-65535 h$ 300 A 192.0.2.7\n")
	require.Equal(t, http.StatusBadRequest, bomb.Status)
}

func (l *lab) upload(path, file string) reply {
	l.t.Helper()
	const boundary = "zonefileboundary"
	body := "--" + boundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"zone.txt\"\r\nContent-Type: text/plain\r\n\r\n" +
		file + "\r\n--" + boundary + "--\r\n"
	target, err := url.Parse(strings.TrimSuffix(l.url, "/") + strings.ReplaceAll(path, "{zone}", l.zoneID))
	require.NoError(l.t, err)
	req := &http.Request{Method: http.MethodPost, URL: target, Header: http.Header{
		"Authorization": {"Bearer " + token}, "Content-Type": {"multipart/form-data; boundary=" + boundary},
	}}
	return l.send(req, body)
}
