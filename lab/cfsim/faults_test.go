package cfsim_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/spec"
)

const newRecord = `{"type":"A","name":"x","content":"192.0.2.1","ttl":1}`

func TestFaults(t *testing.T) {
	cases := map[string]struct {
		fault  cfsim.Fault
		status int // 0: no answer
		done   bool
		check  func(*testing.T, reply)
	}{
		"429": {cfsim.Fault{Kind: cfsim.TooManyRequests, Delay: 7 * time.Second}, 429, false, func(t *testing.T, r reply) {
			require.Equal(t, "7", r.Header.Get("Retry-After"))
			require.Equal(t, `"default";r=0;t=7`, r.Header.Get("Ratelimit"))
			require.Equal(t, []int{971}, r.codes())
		}},
		"500": {cfsim.Fault{Kind: cfsim.ServerError}, 500, false, func(t *testing.T, r reply) { require.False(t, r.Success) }},
		"502": {cfsim.Fault{Kind: cfsim.BadGateway}, 502, false, func(t *testing.T, r reply) {
			require.Equal(t, "text/html", r.Header.Get("Content-Type"))
			require.Contains(t, r.Raw, "<html>")
		}},
		"200 but not": {cfsim.Fault{Kind: cfsim.NotSuccessful}, 200, false, func(t *testing.T, r reply) {
			require.False(t, r.Success)
			require.Equal(t, []int{1016}, r.codes())
		}},
		"answer dropped":  {cfsim.Fault{Kind: cfsim.DropAfter}, 0, true, nil},
		"request dropped": {cfsim.Fault{Kind: cfsim.DropBefore}, 0, false, nil},
		"slow":            {cfsim.Fault{Kind: cfsim.Slow, Delay: 30 * time.Millisecond}, 200, true, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, cfsim.Options{})
			l.spec.Tolerate(spec.Deviation{Reason: "success", Why: "the fault is that 200 comes with success:false"},
				spec.Deviation{Reason: "result", Why: "same"},
				spec.Deviation{Reason: "status is not supported", Why: "the document knows no 500"})
			c.fault.Method, c.fault.Path = http.MethodPost, "/client/v4/zones/*/dns_records"
			l.Inject(c.fault)
			start := time.Now()
			require.Equal(t, http.StatusOK, l.do(http.MethodGet, recordsPath, "").Status, "another method")
			require.Equal(t, http.StatusNotFound, l.do(http.MethodPost, "/zones/1/dns_records/x", "").Status, "another path")
			r, err := l.try(token, http.MethodPost, recordsPath, newRecord)
			if c.status == 0 {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
				require.Equal(t, c.status, r.Status)
			}
			if c.check != nil {
				c.check(t, r)
			}
			if c.fault.Kind == cfsim.Slow {
				require.GreaterOrEqual(t, time.Since(start), c.fault.Delay)
			}
			require.Equal(t, c.done, len(l.Records(zoneName)) == 1)
			require.Zero(t, l.ClearFaults(), "the fault has struck")
			require.Equal(t, c.status, l.Mutations()[1].Status)
		})
	}
}

func TestFaultsSkipAndRepeat(t *testing.T) {
	l := newLab(t, cfsim.Options{})
	l.Inject(cfsim.Fault{Kind: cfsim.BadGateway, Method: http.MethodGet, Skip: 1, Times: 2})
	l.Inject(cfsim.Fault{Kind: cfsim.TooManyRequests, Method: http.MethodGet, Skip: 1, Times: -1})
	var got []int
	for range 6 {
		got = append(got, l.do(http.MethodGet, "/zones/{zone}", "").Status)
	}
	require.Equal(t, []int{200, 502, 502, 429, 429, 429}, got)
	require.Equal(t, 1, l.ClearFaults())
	require.Equal(t, 200, l.do(http.MethodGet, "/zones/{zone}", "").Status)
}

// TestClientRetriesABatch shows why dropped answers are dangerous: the client retries a
// batch and conflicts with the record that it made.
func TestClientRetriesABatch(t *testing.T) {
	l := newLab(t, cfsim.Options{})
	l.Inject(cfsim.Fault{Kind: cfsim.DropAfter, Path: "/zones/*/dns_records/batch"})
	records := dns.NewRecordService(option.WithBaseURL(l.url), option.WithAPIToken(token))
	post := params[dns.RecordBatchParamsPost](t, map[string]any{"Name": "x", "Type": "A", "Content": "192.0.2.1", "TTL": 1})
	_, err := records.Batch(t.Context(), params[dns.RecordBatchParams](t, map[string]any{
		"ZoneID": l.zoneID, "Posts": []dns.RecordBatchParamsPostUnion{post},
	}))
	require.ErrorContains(t, err, "81058")
	require.Len(t, l.Records(zoneName), 1)
	var statuses []int
	for _, r := range l.Mutations() {
		require.Equal(t, "/zones/"+l.zoneID+"/dns_records/batch", r.Path)
		require.Contains(t, string(r.Body), "192.0.2.1")
		statuses = append(statuses, r.Status)
	}
	require.Equal(t, []int{0, 400}, statuses)
	l.ResetRequests()
	require.Empty(t, l.Requests())
}

// TestI6ReadsAreNoMutations: reads, which a dry run may do, do not count as mutations.
func TestI6ReadsAreNoMutations(t *testing.T) {
	l := newLab(t, cfsim.Options{})
	require.Equal(t, 200, l.do(http.MethodGet, recordsPath, "").Status)
	require.Equal(t, 200, l.do(http.MethodGet, "/user/tokens/verify", "").Status)
	require.Len(t, l.Requests(), 2)
	require.Empty(t, l.Mutations())
	require.Equal(t, 403, l.doAs("bad", http.MethodDelete, recordsPath+"/1", "").Status)
	require.Len(t, l.Mutations(), 1, "a refused attempt counts")
}
