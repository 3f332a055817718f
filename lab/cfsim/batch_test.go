package cfsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/lab/cfsim"
)

func TestBatchAppliesInOrder(t *testing.T) {
	l := newLab(t, cfsim.Options{Plan: cfsim.PlanPro},
		cfsim.Record{Type: "CNAME", Name: "www", Content: "old.example.net"},
		cfsim.Record{Type: "A", Name: "api", Content: "192.0.2.1", TTL: 300, Comment: "keep"},
		cfsim.Record{Type: "A", Name: "put", Content: "192.0.2.1", TTL: 300, Comment: "lose"},
	)
	ids := map[string]string{}
	for _, r := range l.Records(zoneName) {
		ids[r.Name] = r.ID
	}
	// Only the API's order of the lists can work: the CNAME must be deleted before an A
	// of its name is posted, and "api" must be renamed before "put" takes its name.
	r := l.do(http.MethodPost, recordsPath+"/batch", fmt.Sprintf(`{
		"posts":   [{"type":"A","name":"www","content":"192.0.2.7","ttl":1}],
		"puts":    [{"id":%q,"type":"A","name":"api","content":"192.0.2.8","ttl":1}],
		"patches": [{"id":%q,"name":"api2"}],
		"deletes": [{"id":%q}]}`, ids["put.example.com"], ids["api.example.com"], ids["www.example.com"]))
	require.Equal(t, http.StatusOK, r.Status, r.Raw)
	var got map[string][]struct{ ID, Type, Name, Content string }
	r.into(t, &got)
	require.Equal(t, "CNAME", got["deletes"][0].Type)
	require.Equal(t, "api2.example.com", got["patches"][0].Name)
	require.Equal(t, ids["put.example.com"], got["puts"][0].ID)
	require.Len(t, got["posts"][0].ID, 32)

	var after []string
	for _, r := range l.Records(zoneName) {
		after = append(after, fmt.Sprint(r.Name, r.Type, r.Content, r.TTL, r.Comment))
	}
	require.Equal(t, []string{"api.example.comA192.0.2.81", "api2.example.comA192.0.2.1300keep", "www.example.comA192.0.2.71"},
		trimAll(after))
}

func trimAll(in []string) []string {
	for i := range in {
		in[i] = strings.ReplaceAll(in[i], " ", "")
	}
	return in
}

func TestBatchFailsAsAWhole(t *testing.T) {
	l := newLab(t, cfsim.Options{}, cfsim.Record{Type: "A", Name: "www", Content: "192.0.2.1"})
	before := l.Records(zoneName)
	id := before[0].ID
	cases := map[string]struct {
		body   string
		status int
		codes  []int
	}{
		"last post fails":    {`{"deletes":[{"id":"` + id + `"}],"posts":[{"type":"A","name":"x","content":"192.0.2.1"},{"type":"A","name":"y","content":"no"}]}`, 400, []int{9005}},
		"first error counts": {`{"patches":[{"id":"` + id + `","ttl":7}],"posts":[{"type":"A","name":"y","content":"no"}]}`, 400, []int{1004, 9021}},
		"unknown delete":     {`{"posts":[{"type":"A","name":"x","content":"192.0.2.1"}],"deletes":[{"id":"0123"}]}`, 404, []int{81044}},
		"deleted, patched":   {`{"deletes":[{"id":"` + id + `"}],"patches":[{"id":"` + id + `","ttl":60}]}`, 404, []int{81044}},
		"twice the same":     {`{"posts":[{"type":"A","name":"x","content":"192.0.2.1"},{"type":"A","name":"x","content":"192.0.2.1"}]}`, 400, []int{81058}},
		"empty":              {`{}`, 400, []int{9207}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := l.do(http.MethodPost, recordsPath+"/batch", c.body)
			require.Equal(t, c.codes, r.codes(), r.Raw)
			require.Equal(t, c.status, r.Status)
			require.Equal(t, before, l.Records(zoneName))
		})
	}
}

func TestBatchLimitByPlan(t *testing.T) {
	for plan, limit := range map[cfsim.Plan]int{cfsim.PlanFree: 200, cfsim.PlanPro: 3500, cfsim.PlanEnterprise: 3500} {
		t.Run(string(plan), func(t *testing.T) {
			l := newLab(t, cfsim.Options{Plan: plan})
			posts := make([]string, limit+1)
			for i := range posts {
				posts[i] = fmt.Sprintf(`{"type":"A","name":"n%d","content":"192.0.2.1","ttl":1}`, i)
			}
			body := func(n int) string { return `{"posts":[` + strings.Join(posts[:n], ",") + `]}` }
			over := l.do(http.MethodPost, recordsPath+"/batch", body(limit+1))
			require.Equal(t, http.StatusBadRequest, over.Status, over.Raw)
			require.Empty(t, l.Records(zoneName))
			require.Equal(t, http.StatusOK, l.do(http.MethodPost, recordsPath+"/batch", body(limit)).Status)
			require.Len(t, l.Records(zoneName), limit)
		})
	}
}

// TestBatchIsATransaction sends random batches. One that fails changes nothing; one that
// succeeds has the same result as its actions one by one.
func TestBatchIsATransaction(t *testing.T) {
	limits := cfsim.Limits{Requests: -1, PerSecond: -1}
	rapid.Check(t, func(rt *rapid.T) {
		l := &lab{Sim: cfsim.New(cfsim.Options{Token: token, Plan: cfsim.PlanPro, Limits: limits}), t: t}
		single := &lab{Sim: cfsim.New(cfsim.Options{Token: token, Plan: cfsim.PlanPro, Limits: limits}), t: t}
		for _, account := range []*lab{l, single} {
			id, err := account.AddZone(zoneName, cfsim.Record{Type: "A", Name: "a", Content: "192.0.2.1"},
				cfsim.Record{Type: "CNAME", Name: "b", Content: "x.example.net"}, cfsim.Record{Type: "TXT", Name: "c", Content: "t"})
			require.NoError(t, err)
			account.zoneID = id
		}
		input := func() string {
			kind := rapid.SampledFrom([]string{"A", "CNAME", "TXT"}).Draw(rt, "type")
			content := map[string]string{"A": "192.0.2.2", "CNAME": "y.example.net", "TXT": "u"}[kind]
			name := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "name")
			return fmt.Sprintf(`"type":%q,"name":%q,"content":%q`, kind, name, content)
		}
		// The plan refers to records by index, because ids differ between the accounts.
		batch := func(account *lab, plan []string) string {
			records := account.Records(zoneName)
			parts := map[string][]string{}
			for _, action := range plan {
				var index int
				list, rest, _ := strings.Cut(action, "|")
				place, fields, _ := strings.Cut(rest, "|")
				_, _ = fmt.Sscan(place, &index)
				body := "{" + fields + "}"
				if list != "posts" {
					body = strings.TrimSuffix(`{"id":"`+records[index].ID+`",`+fields, ",") + "}"
				}
				parts[list] = append(parts[list], body)
			}
			var fields []string
			for list, bodies := range parts {
				fields = append(fields, fmt.Sprintf(`%q:[%s]`, list, strings.Join(bodies, ",")))
			}
			return "{" + strings.Join(fields, ",") + "}"
		}
		var plan []string
		for range rapid.IntRange(1, 5).Draw(rt, "n") {
			list := rapid.SampledFrom([]string{"deletes", "patches", "puts", "posts"}).Draw(rt, "list")
			fields := ""
			if list != "deletes" {
				fields = input()
			}
			plan = append(plan, fmt.Sprintf("%s|%d|%s", list, rapid.IntRange(0, 2).Draw(rt, "record"), fields))
		}
		before := l.Records(zoneName)
		status := requestStatus(l.Sim, http.MethodPost, "/zones/"+l.zoneID+"/dns_records/batch", batch(l, plan))
		want, worked := oneByOne(single, plan)
		if !worked {
			require.NotEqual(t, http.StatusOK, status, plan)
			require.Equal(t, before, l.Records(zoneName))
			return
		}
		require.Equal(t, http.StatusOK, status, plan)
		require.Equal(t, want, describeRecords(l.Records(zoneName)))
	})
}

// oneByOne performs a batch's actions by single requests, in the batch's order.
func oneByOne(l *lab, plan []string) ([]string, bool) {
	records := l.Records(zoneName)
	method := map[string]string{"deletes": http.MethodDelete, "patches": http.MethodPatch, "puts": http.MethodPut, "posts": http.MethodPost}
	for _, wanted := range []string{"deletes", "patches", "puts", "posts"} {
		for _, action := range plan {
			list, rest, _ := strings.Cut(action, "|")
			if list != wanted {
				continue
			}
			var index int
			place, fields, _ := strings.Cut(rest, "|")
			_, _ = fmt.Sscan(place, &index)
			path := "/zones/" + l.zoneID + "/dns_records"
			if list != "posts" {
				path += "/" + records[index].ID
			}
			if requestStatus(l.Sim, method[list], path, "{"+fields+"}") != http.StatusOK {
				return nil, false
			}
		}
	}
	return describeRecords(l.Records(zoneName)), true
}

func describeRecords(records []cfsim.Record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = fmt.Sprint(r.Name, " ", r.Type, " ", r.Content, " ", r.TTL)
	}
	return out
}
