package traffic

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	oldServer = "10.213.0.11"
	newServer = "10.213.1.11"
)

// second returns the time n seconds after the tests' zero.
func second(n float64) time.Time {
	return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(n * float64(time.Second)))
}

// write returns an acknowledged write that took from start to end, in seconds.
func write(server string, start, end float64) Record {
	return Record{Kind: Publish, Start: second(start), End: second(end), Status: 200, Server: server}
}

func TestSite(t *testing.T) {
	for server, want := range map[string]string{
		oldServer: OldSite, "10.213.0.12": OldSite, newServer: NewSite, "10.213.2.12": NewSite, "": "", "web1": "",
	} {
		require.Equal(t, want, Site(server), server)
	}
}

func TestSummary(t *testing.T) {
	log := Log{
		{Kind: Read, Start: second(0), End: second(3), Status: 200},
		{Kind: Read, Start: second(0), End: second(1), Status: 502, Err: "bad"},
		{Kind: Publish, Op: "a", Status: 200, Server: oldServer},
		{Kind: Publish, Op: "b", Status: 503, Err: "read-only"},
		{Kind: Publish, Op: "c", Status: 503, Err: "read-only"},
		{Kind: Like, Op: "d", Err: "EOF"},
		{Kind: Signup, Op: "e", Status: 200, Server: oldServer},
		{Kind: Confirm, Op: "f", Status: 200, Server: newServer, Begun: oldServer},
		{Kind: Confirm, Op: "g", Status: 200, Server: newServer, Begun: newServer},
		{Kind: Confirm, Op: "h", Status: 404, Server: newServer, Begun: oldServer},
	}
	require.Equal(t, Summary{
		Requests: 10, Failed: 5, Writes: 8, FailedWrites: 4, AckedWrites: 4, Crossed: 1, Slowest: 3 * time.Second,
		Errors: map[string]int{"read: 502 bad": 1, "publish: 503 read-only": 2, "like: 0 EOF": 1, "confirm: 404 ": 1},
	}, log.Summary())
	require.Equal(t, []string{"a"}, log.Acknowledged(Publish))
	require.Equal(t, []string{"f", "g"}, log.Acknowledged(Confirm))
	require.Empty(t, log.Acknowledged(Like))
}

func TestGap(t *testing.T) {
	failed := write(oldServer, 3, 3.5)
	failed.Status = 503
	log := Log{write(newServer, 6, 8), write(oldServer, 0, 1), failed, write(oldServer, 1, 2), {Kind: Read, Start: second(4), End: second(5), Status: 200}, write(newServer, 8, 9)}
	for _, c := range []struct {
		name     string
		from, to float64
		want     time.Duration
	}{
		{"over all", 0, 20, 6 * time.Second},
		{"the later write ends in the window", 7, 20, 6 * time.Second},
		{"before the longest gap", 0, 7, time.Second},
		{"after the longest gap", 8.5, 20, time.Second},
		{"no write in the window", 10, 20, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, log.Gap(second(c.from), second(c.to)))
		})
	}
	require.Zero(t, Log{}.Gap(second(0), second(9)))
}

func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		name string
		log  Log
		want time.Duration
	}{
		{"one after the other", Log{write(oldServer, 0, 1), write(newServer, 3, 4)}, -4 * time.Second},
		{"started on the old side after the new side acknowledged", Log{write(newServer, 1, 2), write(oldServer, 5, 6), write(newServer, 7, 8)}, 3 * time.Second},
		{"only the old side", Log{write(oldServer, 0, 1)}, 0},
		{"a write outside the window", Log{write(newServer, 1, 2), write(oldServer, 60, 61)}, 0},
		{"a read does not count", Log{write(newServer, 1, 2), {Kind: Read, Start: second(5), End: second(6), Status: 200, Server: oldServer}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, c.log.Overlap(OldSite, NewSite, second(0), second(30)))
		})
	}
}

func TestReadLogErrors(t *testing.T) {
	_, err := ReadLog(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	torn := filepath.Join(t.TempDir(), "torn.jsonl")
	require.NoError(t, os.WriteFile(torn, []byte("{\"kind\":\"read\"}\n{\"kind\":"), 0o600))
	_, err = ReadLog(torn)
	require.ErrorContains(t, err, "read traffic log")
}
