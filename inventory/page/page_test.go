package page

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/findings"
)

var shownHostile = inventory.Printable(hostile)

// fill sets every field of a value, strings to what text returns for the field's
// path.
func fill(v reflect.Value, path string, text func(path string) string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text(path))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path, text)
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, path+".value", text)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(text(path+".key")), value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."), text)
		}
	}
}

// hostileSite has the hostile name in every field that is a text.
func hostileSite() Site {
	s := Site{Name: hostile}
	for i, address := range []string{"10.0.0.1", "10.0.0.2"} {
		h := &inventory.Host{}
		fill(reflect.ValueOf(h).Elem(), "", func(string) string { return hostile })
		h.Name += strings.Repeat("2", i)
		h.Network.Interfaces[0].Addresses = []string{address + "/24"}
		h.Connections = []inventory.Connection{{Direction: inventory.Out, Protocol: hostile, Peer: "10.0.0.1", Port: 80, Process: hostile}, {Direction: inventory.In, Protocol: hostile, Peer: "10.0.0.2", Port: 80, Process: hostile}}
		s.Hosts = append(s.Hosts, h)
		s.Findings = append(s.Findings, findings.Finding{Host: h.Name, Kind: hostile, Where: hostile, Text: hostile})
	}
	return s
}

// notShown are the fields of the model that the page leaves out.
var notShown = []string{
	"OS.ID", "OS.Release", "OS.Codename", "OS.Like", // the table of hosts has the first two, OS.Name has all
	"Configuration.SHA256", "Configuration.HMAC", "Configuration.Content", // the page has twelve digits
	"Files.SHA256", "Files.HMAC", "Files.Content",
	"AuthorizedKeys.Public", // the page has the fingerprint
	"Unknown",
}

// Every text of the inventory is on the page, so that a search finds it.
func TestEverythingIsOnThePage(t *testing.T) {
	h := &inventory.Host{}
	var paths []string
	fill(reflect.ValueOf(h).Elem(), "", func(path string) string {
		paths = append(paths, path)
		return "<" + path + ">"
	})
	var b bytes.Buffer
	require.NoError(t, Write(&b, Site{Name: "blog", Hosts: []*inventory.Host{h}}))
	var missing []string
	for _, path := range paths {
		if !strings.Contains(b.String(), `\u003c`+path+`\u003e`) && !slices.Contains(notShown, path) {
			missing = append(missing, path)
		}
	}
	require.Empty(t, missing)
}

func TestSameSiteSamePage(t *testing.T) {
	var first, second bytes.Buffer
	require.NoError(t, Write(&first, syntheticSite(40)))
	require.NoError(t, Write(&second, syntheticSite(40)))
	require.True(t, bytes.Equal(first.Bytes(), second.Bytes()))
}

func TestEmptySite(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Write(&b, Site{Name: "blog"}))
	require.Contains(t, b.String(), "No connection was seen")
	require.Contains(t, b.String(), "Nothing was found")
}

func TestPageCannotBeWritten(t *testing.T) {
	r, w := io.Pipe()
	require.NoError(t, r.CloseWithError(io.ErrShortWrite))
	require.ErrorIs(t, Write(w, syntheticSite(3)), io.ErrShortWrite)
}

// Rows that hosts have in common are on the page once.
func TestLargeSiteIsSmall(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Write(&b, syntheticSite(200)))
	require.Less(t, b.Len(), 3<<20)
}

func BenchmarkPage(b *testing.B) {
	for _, n := range []int{20, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := syntheticSite(n)
			for b.Loop() {
				var out bytes.Buffer
				require.NoError(b, Write(&out, s))
				b.ReportMetric(float64(out.Len())/(1<<20), "MiB")
			}
		})
	}
}
