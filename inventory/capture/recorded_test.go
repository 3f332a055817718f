package capture

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const hostsFolder = "../../testdata/hosts/"

// recorded returns a recorded answer as a host would send it. It is stored in a file
// for each section's output (.out), errors (.err) and status (.status).
func recorded(t testing.TB, name string, self int) []byte {
	dir := hostsFolder + name
	files, err := filepath.Glob(dir + "/*.out")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var status, sizes, data bytes.Buffer
	fmt.Fprintf(&status, "Welcome to %s\n%sself %d\n", name, answerHeader, self)
	for _, file := range files {
		section := strings.TrimSuffix(filepath.Base(file), ".out")
		code, err := os.ReadFile(strings.TrimSuffix(file, ".out") + ".status")
		if err != nil {
			code = []byte("0")
		}
		fmt.Fprintf(&status, "status %s %s\n", section, strings.TrimSpace(string(code)))
		for _, part := range []string{".out", ".err"} {
			text, err := os.ReadFile(strings.TrimSuffix(file, ".out") + part)
			if part == ".out" {
				require.NoError(t, err)
			}
			fmt.Fprintf(&sizes, "%8d /dev/shm/migrate.x/%s%s\n", len(text), section, part)
			data.Write(text)
		}
	}
	return []byte(status.String() + "sizes\n" + sizes.String() + "   99 total\ndata\n" + data.String() + "end\n")
}

// recordedContents returns the recorded files of a host, by path.
func recordedContents(t testing.TB, name string) map[string]string {
	contents := map[string]string{}
	root := hostsFolder + name + "/contents"
	require.NoError(t, filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		contents[strings.TrimPrefix(path, root)] = string(text)
		return err
	}))
	return contents
}

func recordedHost(t testing.TB) *inventory.Host {
	a, err := parseFrames(recorded(t, "db1", 1201))
	require.NoError(t, err)
	return parseAnswer(t, a, Target{
		Host:  remote.NewLocal("db1"),
		Roles: []string{"db"},
		Files: []string{"/etc/default/cron"},
		MySQL: &MySQLTarget{Socket: "/run/mysqld/mysqld.sock", User: "root"},
	}, recordedContents(t, "db1"))
}

// parseAnswer parses an answer as if it had arrived at the time that db1's clock had
// when it was recorded.
func parseAnswer(t testing.TB, a answer, target Target, contents map[string]string) *inventory.Host {
	p := newParser(target.withDefaults(), a, testOptions().Redactor)
	p.answeredAt = time.Unix(1790000000, 0).UTC()
	p.parseSections()
	p.contents = contents
	require.NoError(t, p.parseContents(nil))
	return p.host
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(hostsFolder+name, got, 0o644))
	}
	want, err := os.ReadFile(hostsFolder + name)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}
