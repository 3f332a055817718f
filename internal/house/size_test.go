package house

import (
	"fmt"
	"go/ast"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A package past these limits is more than one room: docs/adr/0013.
const (
	roomFiles = 30
	roomLines = 6000
	rootLines = 1500 // of replication, whose rooms all stand on it
)

// size is how much product code a room holds.
type size struct {
	room         string
	files, lines int
	doc          bool
}

func sizes(all []source) map[string]*size {
	out := map[string]*size{}
	for _, s := range all {
		if s.test() {
			continue
		}
		room := path.Dir(s.path)
		if out[room] == nil {
			out[room] = &size{room: room}
		}
		z := out[room]
		z.files++
		z.lines += s.lines
		z.doc = z.doc || hasPackageDoc(s.file)
	}
	return out
}

// hasPackageDoc reports whether a file says what its package is for.
func hasPackageDoc(f *ast.File) bool { return f.Doc != nil && len(f.Doc.Text()) > 40 }

// tooLarge lists what a room breaks of the limits.
func (z size) tooLarge() (out []string) {
	lines := roomLines
	if z.room == "replication" {
		lines = rootLines
	}
	if z.files > roomFiles {
		out = append(out, fmt.Sprintf("%s has %d files, more than %d", z.room, z.files, roomFiles))
	}
	if z.lines > lines {
		out = append(out, fmt.Sprintf("%s has %d lines, more than %d", z.room, z.lines, lines))
	}
	if !z.doc {
		out = append(out, z.room+" has no comment that says what it is for")
	}
	return out
}

func TestRoomsAreSmallAndSayWhatTheyAreFor(t *testing.T) {
	for _, z := range sizes(sources(t)) {
		require.Empty(t, z.tooLarge())
	}
	require.Len(t, size{"a", roomFiles + 1, roomLines + 1, false}.tooLarge(), 3)
	require.Len(t, size{"replication", 1, rootLines + 1, true}.tooLarge(), 1)
	require.Empty(t, size{"a", roomFiles, roomLines, true}.tooLarge())
}

// TestArchitectureNamesEveryRoom keeps the page's picture the house's: each room is in
// it by its name, and what it links to is there.
func TestArchitectureNamesEveryRoom(t *testing.T) {
	text := read(t, "docs/architecture.md")
	picture, _, ok := strings.Cut(text, "## The way of one move")
	require.True(t, ok)
	words := regexp.MustCompile(`[\w/]+`).FindAllString(picture, -1)
	for _, r := range rooms {
		house, room, inside := strings.Cut(r.room, "/")
		if house == "lab" || house == "internal" || house == "cmd" || strings.HasSuffix(r.room, "test") || strings.Contains(room, "internal") {
			continue
		}
		name := house
		if inside {
			name = room
		}
		require.Contains(t, words, name, "the picture lacks %s", r.room)
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(text, -1) {
		require.FileExists(t, filepath.Join(root(t), "docs", m[1]))
	}
}
