package capture

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
)

// A huge /etc is listed in full. Beyond a limit the contents of its files are not
// fetched, which is listed as missing.
func TestCaptureHugeConfiguration(t *testing.T) {
	a, err := parseFrames(recorded(t, "db1", 1201))
	require.NoError(t, err)
	var tree, sums strings.Builder
	for i := range maxContents + 100 {
		fmt.Fprintf(&tree, "f\x00644\x000\x000\x00root\x00root\x005\x00/etc/huge/%06d\x00\x00", i)
		fmt.Fprintf(&sums, "%064d  /etc/huge/%06d\x00", i, i)
	}
	a.sections["tree"], a.sections["tree-sums"] = section{out: []byte(tree.String())}, section{out: []byte(sums.String())}
	p := newParser(Target{Host: cannedHost{remote.NewLocal("db1"), ""}}.withDefaults(), a, testOptions().Redactor)
	p.parseSections()
	require.Len(t, p.host.Configuration, maxContents+100)
	require.Error(t, p.fetch(t.Context()), "the host sends no archive")
	require.Contains(t, missingReasons(p.host), "contents")
	require.Equal(t, inventory.Skipped, missingReasons(p.host)["contents"])
}
