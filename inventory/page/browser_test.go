package page

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/dcmigrate/migrate/remote/remotetest"
)

const browser = "chromium-headless-shell"

// tab is a page that a browser has opened.
type tab struct {
	t       *testing.T
	root    *html.Node
	text    string // its markup
	console string
}

// openPage opens a page at a place such as "#host=web1" in Chromium, and waits for
// its timers.
func openPage(t *testing.T, file, place string) tab {
	t.Helper()
	_, err := exec.LookPath(browser)
	remotetest.Need(t, err == nil, "the Debian package "+browser)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(),
		"--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", "file://"+file+place)
	var console bytes.Buffer
	cmd.Stderr = &console
	out, err := cmd.Output()
	require.NoError(t, err, "%s", console.String())
	root, err := html.Parse(bytes.NewReader(out))
	require.NoError(t, err)
	page := tab{t, root, string(out), ""}
	for line := range strings.Lines(console.String()) {
		if strings.Contains(line, "CONSOLE") {
			page.console += line
		}
	}
	return page
}

// writePage writes a site's page to a file and returns its path.
func writePage(t *testing.T, s Site, script string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b, s, script))
	file := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(file, b.Bytes(), 0o600))
	return file
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// elements returns the elements with a tag; "" is any.
func (p tab) elements(tag string) []*html.Node {
	var found []*html.Node
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && (tag == "" || n.Data == tag) {
			found = append(found, n)
		}
	}
	return found
}

// visible returns the text of <main> that is shown.
func (p tab) visible() string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if _, hidden := attribute(n, "hidden"); hidden || n.Data == "noscript" {
			return
		}
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for c := range n.ChildNodes() {
			walk(c)
		}
	}
	for _, n := range p.elements("main") {
		walk(n)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func (p tab) title() string { return p.elements("title")[0].FirstChild.Data }

func TestPageInABrowser(t *testing.T) {
	file := writePage(t, syntheticSite(20), script)
	for _, c := range []struct {
		place, title string
		has, lacks   []string
	}{
		{"", "Inventory of blog", []string{"20 hosts", "monitor01", "49 of 50"}, []string{"Who talks to whom", "move groups", "listens to the world"}},
		{"#map", "map – Inventory of blog", []string{"Who talks to whom", ":3306", "web01 → app03 on 8080/tcp puma: 2 connections"}, []string{"20 hosts", "move groups"}},
		{"#roles", "roles – Inventory of blog", []string{"5 roles", "in common", "app10 has package stray", "move groups", "monitor01 → app02:9100", "cache02"}, []string{"20 hosts"}},
		{"#findings", "findings – Inventory of blog", []string{"old address", "10.0.0.1 of db01: host = 10.0.0.1"}, []string{"20 hosts"}},
		{"#host=web01", "web01 – Inventory of blog", []string{"web01 web", "Debian GNU/Linux 12 (bookworm)", "packages 601", "nginx-07.service", "/etc/nginx/conf.d/012.conf", "app03 8080/tcp puma ×2", "migrate-secret-0123456789abcdef", "tcp 0.0.0.0:9100 node_exporter listens to the world"}, []string{"20 hosts", "mariadbd"}},
		{"#q=NGINX%20012", "NGINX 012 – Inventory of blog", []string{"1 found", "configuration 1", "web01 web02 web03 web04 web05 /etc/ nginx /conf.d/ 012 .conf file 0644"}, []string{"20 hosts", "app01"}},
		{"#q=cache01", "cache01 – Inventory of blog", []string{"hosts 1 cache01"}, nil},
		{"#q=no+such", "no+such – Inventory of blog", []string{"Nothing has no+such."}, nil},
		{"#q=", "Inventory of blog", []string{"20 hosts"}, nil},
		{"#host=web99", "Inventory of blog", []string{"There is no host web99 in this inventory.", "20 hosts"}, nil},
		{"#host=%E0%A4%A", "Inventory of blog", []string{"There is no host %E0%A4%A in this inventory."}, nil},
		{"#nonsense", "Inventory of blog", []string{"20 hosts"}, nil},
	} {
		t.Run(c.place, func(t *testing.T) {
			page := openPage(t, file, c.place)
			require.Empty(t, page.console)
			require.Equal(t, c.title, page.title())
			for _, text := range c.has {
				require.Contains(t, page.visible(), text)
			}
			for _, text := range c.lacks {
				require.NotContains(t, page.visible(), text)
			}
		})
	}
}

// testdata/drive.js types, clicks and goes back as an operator does, and logs what it
// sees.
func TestPageWithDriver(t *testing.T) {
	driver, err := os.ReadFile("testdata/drive.js")
	require.NoError(t, err)
	page := openPage(t, writePage(t, syntheticSite(20), script+string(driver)), "#map")
	require.Empty(t, page.console)
	var log string
	for _, n := range page.elements("body") {
		log, _ = attribute(n, "data-log")
	}
	require.Equal(t, `focus of web01: 5 lines stand out, of them 3 to app
nothing pointed at: 0 lines stand out
pinned by the address: 11 lines stand out
typed: results, #q=redis-server
typed more: results, #q=redis-server-07.service, 1 found
back: map, query is ""
slash: the query has the focus
sorted by findings: 1, then 2
clicked on a host: host, #host=app02
part: packages open
end
`, log)
}

// Names from hosts are text, whatever they hold.
func TestHostileNamesAreInert(t *testing.T) {
	s := hostileSite()
	file := writePage(t, s, script)
	for _, place := range []string{"", "#map", "#findings", "#roles", "#q=taken", "#host=" + url.PathEscape(shownHostile)} {
		t.Run(place, func(t *testing.T) {
			page := openPage(t, file, place)
			require.Empty(t, page.console)
			require.NotEqual(t, "taken", page.title())
			require.Empty(t, page.elements("img"))
			require.Len(t, page.elements("script"), 2)
			require.Contains(t, page.visible(), "document.title='taken'")
			for _, control := range []string{"\u202e", "\x1b", "\ufffd"} {
				require.False(t, strings.Contains(page.text, control), "%q is on the page", control)
			}
		})
	}
}

// The browser enforces the policy: a script that got into the page does not run.
func TestPolicyStopsOtherScripts(t *testing.T) {
	file := writePage(t, syntheticSite(3), script)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, markup := range []string{
		"<script>document.title='taken'</script>",
		`<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" onload="document.title='taken'">`,
		`<p style="color: red">taken</p>`,
		`<base href="https://example.com/">`,
	} {
		require.NoError(t, os.WriteFile(file, bytes.Replace(text, []byte("<main>"), []byte("<main>"+markup), 1), 0o600))
		page := openPage(t, file, "")
		require.NotEqual(t, "taken", page.title())
		require.Contains(t, page.console, "Content Security Policy", markup)
	}
}
