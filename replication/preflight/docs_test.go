package preflight

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/replicationtest"
)

// TestHazardsAreDocumented: docs/hazards.md has a row for every id that the code can emit,
// and a test makes each id of the preflight.
func TestHazardsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/hazards.md")
	require.NoError(t, err)
	var rows []string
	for _, m := range regexp.MustCompile(`(?m)^\| (H\d+) \| [^|]+ \| [^|]+ \|$`).FindAllStringSubmatch(string(text), -1) {
		require.NotContains(t, rows, m[1])
		rows = append(rows, m[1])
	}
	id := regexp.MustCompile(`"(H\d+)"`)
	var emitted []string
	for _, pattern := range []string{"../*.go", "../*/*.go", "../*/*/*.go", "../../move/*.go", "../../provision/*.go", "../../dns/*.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, m := range id.FindAllStringSubmatch(replicationtest.ReadFile(t, file), -1) {
				if !slices.Contains(emitted, m[1]) {
					emitted = append(emitted, m[1])
				}
				require.Contains(t, rows, m[1], "%s emits it", file)
			}
		}
	}
	require.GreaterOrEqual(t, len(emitted), 20)
	var tests string
	for _, file := range []string{"hazard_cases_test.go", "preflight_test.go", "server_pairs_test.go", "refusals_test.go"} {
		tests += replicationtest.ReadFile(t, file)
	}
	for _, file := range []string{"tables.go", "server.go", "sessions.go", "binlog.go", "capacity.go", "network.go", "login.go", "globals.go", "target.go", "clock.go", "authentication.go"} {
		for _, m := range id.FindAllStringSubmatch(replicationtest.ReadFile(t, file), -1) {
			require.Contains(t, tests, m[1]+" ", "no test makes it")
		}
	}
}

// TestGuideHasTheGrants: the guide has the statements that the preflight names.
func TestGuideHasTheGrants(t *testing.T) {
	guide := strings.Join(strings.Fields(replicationtest.ReadFile(t, "../../docs/guide.md")), " ")
	for _, version := range []string{"10.11.0-MariaDB", "9.7.0"} {
		d, err := dialect.ParseVersion(version, "")
		require.NoError(t, err)
		require.Contains(t, guide, grantFor(d, replication.Source, "mover@localhost")+";")
	}
}
