package cfsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
)

// TestPropagationIsNotAtomic: a batch arrives record by record, between half of the delay
// and one and a half of it.
func TestPropagationIsNotAtomic(t *testing.T) {
	c := newClock()
	records := make([]cfsim.Record, 100)
	for i := range records {
		records[i] = cfsim.Record{Type: "A", Name: fmt.Sprintf("h%d", i), Content: "127.0.0.2", Proxied: true}
	}
	l := newLab(t, cfsim.Options{Now: c.Now, Propagation: time.Second}, records...)
	_, port := origins(t, 2, writeOriginNumber)
	edge := startEdge(t, l.Sim, port)
	count := func() (n int) {
		for i := range records {
			if get(t, edge, fmt.Sprintf("h%d.example.com", i), "/").body == "origin 3" {
				n++
			}
		}
		return n
	}
	var patches []string
	for _, r := range l.Records(zoneName) {
		patches = append(patches, fmt.Sprintf(`{"id":%q,"content":"127.0.0.3"}`, r.ID))
	}
	require.Equal(t, http.StatusOK, l.do(http.MethodPost, recordsPath+"/batch", `{"patches":[`+strings.Join(patches, ",")+`]}`).Status)
	for _, r := range l.Records(zoneName) {
		require.Equal(t, "127.0.0.3", r.Content, "the API shows the change at once")
	}
	c.Advance(499 * time.Millisecond)
	require.Zero(t, count())
	c.Advance(500 * time.Millisecond)
	half := count()
	require.True(t, half > 10 && half < 90, "%d of 100 have arrived", half)
	c.Advance(502 * time.Millisecond)
	require.Equal(t, 100, count())
	require.LessOrEqual(t, l.Settle(), time.Duration(0))
}
