package enemy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// statementLog is what the clients have sent, in the order in which the answers came.
type statementLog struct {
	mu    sync.Mutex
	began time.Time
	lines []string
}

func (l *statementLog) add(client int, profile, statement string, err error) {
	line := fmt.Sprintf("%8.3f client %d (%s): %s", time.Since(l.began).Seconds(), client, profile, strings.ReplaceAll(statement, "\n", `\n`))
	if len(line) > 2000 {
		line = line[:2000] + "…"
	}
	if err != nil {
		line += "  -- " + err.Error()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

// note adds a line of the enemy's own.
func (l *statementLog) note(format string, args ...any) {
	l.add(-1, "enemy", fmt.Sprintf(format, args...), nil)
}

// keep writes the log to a file that outlives the test.
func (l *statementLog) keep(seed uint64) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	dir, err := os.MkdirTemp("", "migrate-enemy-")
	if err != nil {
		return err.Error()
	}
	path := filepath.Join(dir, fmt.Sprintf("seed-%d.log", seed))
	if err := os.WriteFile(path, []byte(strings.Join(l.lines, "\n")+"\n"), 0o600); err != nil {
		return err.Error()
	}
	return path
}
