package cfsim_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
)

func TestTokens(t *testing.T) {
	l := newLab(t, cfsim.Options{}, cfsim.Record{Type: "A", Name: "www", Content: "192.0.2.1"})
	cases := map[string]struct {
		token, method, path, body string
		status                    int
		codes                     []int
	}{
		"good":            {token, http.MethodGet, "/user/tokens/verify", "", 200, nil},
		"bad at verify":   {"nonsense", http.MethodGet, "/user/tokens/verify", "", 401, []int{1000}},
		"bad":             {"nonsense", http.MethodGet, "/zones", "", 403, []int{9109}},
		"none":            {"", http.MethodGet, "/zones", "", 403, []int{10000}},
		"empty":           {" ", http.MethodGet, "/zones", "", 400, []int{6003, 6111}},
		"reader reads":    {readToken, http.MethodGet, "/zones/{zone}/dns_records", "", 200, nil},
		"reader writes":   {readToken, http.MethodPost, "/zones/{zone}/dns_records", `{"type":"A","name":"x","content":"192.0.2.1"}`, 403, []int{10000}},
		"reader purges":   {readToken, http.MethodPost, "/zones/{zone}/purge_cache", `{"purge_everything":true}`, 403, []int{10000}},
		"unknown zone":    {token, http.MethodGet, "/zones/023e105f4ecef8ad9ca31a8372d0c353", "", 404, []int{7003, 7000}},
		"records of none": {token, http.MethodGet, "/zones/023e105f4ecef8ad9ca31a8372d0c353/dns_records", "", 404, []int{7003, 7000}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := l.doAs(c.token, c.method, c.path, c.body)
			require.Equal(t, c.status, r.Status, r.Raw)
			require.Equal(t, c.codes, r.codes())
			require.NotEmpty(t, r.Header.Get("Ratelimit"))
			require.NotEmpty(t, r.Header.Get("Ratelimit-Policy"))
			require.Empty(t, r.Header.Get("Retry-After"))
			require.NotContains(t, r.Raw, "nonsense")
		})
	}
	require.Len(t, l.Records(zoneName), 1)
	require.Equal(t, http.StatusNotFound, requestStatus(l.Sim, http.MethodGet, "/nowhere", ""))
	require.Equal(t, http.StatusNotFound, requestStatus(l.Sim, http.MethodPatch, "/zones", ""))
}

func TestZones(t *testing.T) {
	l := newLab(t, cfsim.Options{})
	for i := range 24 {
		_, err := l.AddZone(fmt.Sprintf("z%02d.example", i))
		require.NoError(t, err)
	}
	_, err := l.AddZone("z00.example")
	require.ErrorContains(t, err, "exists")
	_, err = l.AddZone("broken.example", cfsim.Record{Type: "A", Name: "x", Content: "x"})
	require.ErrorContains(t, err, "9005")

	create := func(name string) reply {
		return l.do(http.MethodPost, "/zones", fmt.Sprintf(`{"name":%q,"account":{"id":%q}}`, name, l.AccountID()))
	}
	created := create("new.example")
	require.Equal(t, http.StatusOK, created.Status, created.Raw)
	var zone struct{ ID, Status, Name string }
	created.into(t, &zone)
	require.Equal(t, "pending", zone.Status)
	require.Equal(t, []int{1061}, create("new.example").codes())
	require.Equal(t, []int{1097}, create("nodots").codes())
	require.Equal(t, []int{10000}, l.do(http.MethodPost, "/zones", `{"name":"a.example","account":{"id":"other"}}`).codes())
	require.True(t, l.Activate("new.example"))
	require.False(t, l.Activate("none.example"))

	for query, want := range map[string]int{
		"": 20, "?page=2": 6, "?per_page=50": 26, "?name=example.com": 1, "?name=starts_with:z0": 10, "?name=contains:EXAMPLE": 20,
		"?name=ends_with:.com": 1, "?name=contains_case_sensitive:EXAMPLE": 0, "?name=not_equal:example.com&per_page=50": 25,
		"?status=active&per_page=50": 26, "?status=pending": 0, "?account.id=" + l.AccountID(): 20, "?type=full,partial": 20, "?type=partial": 0,
		"?status=pending&name=example.com&match=any": 1,
	} {
		r := l.do(http.MethodGet, "/zones"+query, "")
		var got []map[string]any
		r.into(t, &got)
		require.Len(t, got, want, query)
	}
	require.Equal(t, http.StatusBadRequest, l.do(http.MethodGet, "/zones?per_page=4", "").Status)
	require.Equal(t, http.StatusBadRequest, l.do(http.MethodGet, "/zones?per_page=51", "").Status)

	gone := l.do(http.MethodDelete, "/zones/"+zone.ID, "")
	require.JSONEq(t, `{"id":"`+zone.ID+`"}`, string(gone.Result))
	require.Equal(t, http.StatusNotFound, l.do(http.MethodGet, "/zones/"+zone.ID, "").Status)
	require.JSONEq(t, `{"record_usage":0,"record_quota":null}`, string(l.do(http.MethodGet, recordsPath+"/usage", "").Result))
}

func TestRequestLimit(t *testing.T) {
	c := newClock()
	l := newLab(t, cfsim.Options{Now: c.Now, Limits: cfsim.Limits{PerSecond: -1}})
	for i := range 1200 {
		r := l.do(http.MethodGet, "/zones/{zone}", "")
		require.Equal(t, http.StatusOK, r.Status)
		require.Equal(t, fmt.Sprintf(`"default";r=%d;t=300`, 1199-i), r.Header.Get("Ratelimit"))
		require.Equal(t, `"default";q=1200;w=300`, r.Header.Get("Ratelimit-Policy"))
	}
	refused := func(retryAfter string) {
		t.Helper()
		r := l.do(http.MethodGet, "/zones/{zone}", "")
		require.Equal(t, http.StatusTooManyRequests, r.Status)
		require.Equal(t, []int{971}, r.codes())
		require.Equal(t, retryAfter, r.Header.Get("Retry-After"))
	}
	refused("300")
	c.Advance(299 * time.Second)
	refused("1")
	require.Equal(t, http.StatusOK, l.doAs(readToken, http.MethodGet, "/zones/{zone}", "").Status, "other tokens are not blocked")
	c.Advance(time.Second)
	require.Equal(t, http.StatusOK, l.do(http.MethodGet, "/zones/{zone}", "").Status)
}

func TestAddressLimit(t *testing.T) {
	c := newClock()
	l := newLab(t, cfsim.Options{Now: c.Now})
	for range 200 {
		require.Equal(t, http.StatusOK, l.do(http.MethodGet, "/zones/{zone}", "").Status)
	}
	r := l.do(http.MethodGet, "/zones/{zone}", "")
	require.Equal(t, http.StatusTooManyRequests, r.Status)
	require.Equal(t, "1", r.Header.Get("Retry-After"))
	c.Advance(time.Second)
	require.Equal(t, http.StatusOK, l.do(http.MethodGet, "/zones/{zone}", "").Status)
}

func TestPurgeRefusals(t *testing.T) {
	l := newLab(t, cfsim.Options{Plan: cfsim.PlanEnterprise})
	hosts := `"a"`
	for range 100 {
		hosts += `,"a"`
	}
	for body, codes := range map[string][]int{
		`{"purge_everything":true}`:                       nil,
		`{"hosts":["www.example.com"]}`:                   nil,
		`{"files":[{"url":"http://www.example.com/a"}]}`:  nil,
		`{"purge_everything":true,"hosts":["a"]}`:         {1092},
		`{"purge_everything":true,"files":["http://a/"]}`: {1092},
		`{"purge_everything":false}`:                      {1094},
		`{}`:                                              {1094},
		`{"hosts":[` + hosts + `]}`:                       {1094},
		`{"files":["/relative"]}`:                         {1094},
		`{"hosts":"a"}`:                                   {9207},
	} {
		r := l.do(http.MethodPost, "/zones/{zone}/purge_cache", body)
		require.Equal(t, codes, r.codes(), "%s: %s", body, r.Raw)
	}
}

func TestPurgeRateByPlan(t *testing.T) {
	for plan, limit := range map[cfsim.Plan]struct {
		n      int
		window time.Duration
	}{cfsim.PlanFree: {5, time.Minute}, cfsim.PlanPro: {5, time.Second}, cfsim.PlanBusiness: {10, time.Second}, cfsim.PlanEnterprise: {50, time.Second}} {
		t.Run(string(plan), func(t *testing.T) {
			c := newClock()
			l := newLab(t, cfsim.Options{Plan: plan, Now: c.Now})
			purge := func(body string) reply { return l.do(http.MethodPost, "/zones/{zone}/purge_cache", body) }
			for range limit.n {
				require.Equal(t, http.StatusOK, purge(`{"purge_everything":true}`).Status)
			}
			r := purge(`{"tags":["a"]}`)
			require.Equal(t, http.StatusTooManyRequests, r.Status)
			require.Equal(t, []int{1134}, r.codes())
			require.Equal(t, fmt.Sprint(limit.window.Seconds()), r.Header.Get("Retry-After"))
			require.Equal(t, http.StatusOK, purge(`{"files":["http://www.example.com/"]}`).Status, "this limit does not apply to single files")
			c.Advance(limit.window)
			require.Equal(t, http.StatusOK, purge(`{"purge_everything":true}`).Status)
		})
	}
}
