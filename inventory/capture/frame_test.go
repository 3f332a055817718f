package capture

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
)

func TestParseFrames(t *testing.T) {
	const one = answerHeader + "self 7\nstatus os 0\nsizes\n4 /x/os.out\n3 /x/os.err\n"
	for _, c := range []struct{ name, answer, err string }{
		{"empty", "", "does not begin"},
		{"in the middle of a line", "x" + one + "data\nend\nerrend\n", "does not begin"},
		{"no sizes", answerHeader + "self 7\nstatus os 0\ndata\nend\n", "tells no sizes"},
		{"no data", answerHeader + "self 7\nsizes\n", "cut off"},
		{"body cut off", one + "data\nen", "cut off"},
		{"end cut off", one + "data\nend\nerr", "cut off"},
		{"more than was counted", one + "data\nend\nerrXend\n", "cut off"},
		{"huge", answerHeader + "self 7\nstatus os 0\nsizes\n9223372036854775807 /x/os.out\n3 /x/os.err\ndata\nend\n", "cut off"},
		{"negative", answerHeader + "self 7\nstatus os 0\nsizes\n-1 /x/os.out\ndata\nend\n", "bad size"},
		{"no section", answerHeader + "nonsense\nsizes\n\ndata\nend\n", "no section is"},
		{"no size of it", answerHeader + "self 7\nstatus os 0\nsizes\n3 /x/other.out\ndata\nend\n", "tells no size of os.out"},
		{"twice", answerHeader + "self 7\nstatus os 0\nstatus os 0\nsizes\n0 x\ndata\nend\n", "comes twice"},
		{"framed lies", "motd\n" + one + "data\nend\nerrend\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := parseFrames([]byte(c.answer))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, answer{7, map[string]section{"os": {0, []byte("end\n"), []byte("err")}}}, a)
		})
	}
}

func TestMissing(t *testing.T) {
	for _, c := range []struct {
		status       int
		err          string
		reason, text string
	}{
		{90, "ss is not installed\n", inventory.Absent, "ss is not installed"},
		{124, "", inventory.TimedOut, "it took too long"},
		{137, "half a line", inventory.TimedOut, "it took too long"},
		{1, "cat: /x: Permission denied", inventory.Denied, "cat: /x: Permission denied"},
		{1, "w\nERROR 1698 (28000): Access denied", inventory.Denied, "ERROR 1698 (28000): Access denied"},
		{1, "ERROR 2002 (HY000): Can't connect", inventory.Absent, "ERROR 2002 (HY000): Can't connect"},
		{3, "", inventory.Failed, "status 3"},
	} {
		t.Run(fmt.Sprintf("%d %s", c.status, c.reason), func(t *testing.T) {
			require.Equal(t, &inventory.Missing{What: "x", Reason: c.reason, Detail: c.text}, section{c.status, nil, []byte(c.err)}.missing("x"))
		})
	}
	require.Nil(t, section{0, nil, []byte("a warning")}.missing("x"))
}

// An answer that is cut off anywhere, as when a disk fills up, is refused.
func TestCaptureCutOffAnywhere(t *testing.T) {
	whole := recorded(t, "db1", 1201)
	_, err := parseFrames(whole)
	require.NoError(t, err)
	for at := 0; at < len(whole)-1; at += 97 {
		_, err := parseFrames(whole[:at])
		require.Error(t, err, "cut off after %d bytes", at)
	}
}
