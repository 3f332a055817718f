package httpretry_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dcmigrate/migrate/httpretry"
	"github.com/dcmigrate/migrate/plan"
	"github.com/stretchr/testify/require"
)

// requestOp sends one request in Apply.
type requestOp struct{ client *http.Client }

func (a requestOp) Check(context.Context) (plan.State, error) {
	return plan.State{Now: "not asked"}, nil
}
func (a requestOp) Verify(context.Context) error                { return nil }
func (a requestOp) Undo(context.Context, json.RawMessage) error { return nil }
func (a requestOp) Apply(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://vendor.example/v2/things?page=hidden-query", strings.NewReader("hidden-body"))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer hidden-token")
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func TestRetriesAreInTheJournalWithoutSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal")
	journal, err := plan.OpenJournal(file, "test")
	require.NoError(t, err)
	op := requestOp{&http.Client{Transport: &httpretry.Transport{Base: &scriptedVendor{answers: []int{429, 429}}}}}
	p := plan.Plan{Site: "s", Kind: "apply", Stages: []plan.Stage{{Name: "ask", Steps: []plan.Step{{Name: "ask", Summary: "ask", Op: op}}}}}
	require.NoError(t, (&plan.Runner{Journal: journal}).Run(t.Context(), p, plan.RunOptions{}))
	require.NoError(t, journal.Close())
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(text), "PUT vendor.example/v2/things: answer 429 Too Many Requests; trying again in"))
	require.NotContains(t, string(text), "hidden")
}
