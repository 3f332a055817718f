package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/oauth2"

	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/lab/traffic"
)

// needLab skips a test if this machine cannot run the lab, and fails it under CI.
func needLab(t *testing.T) {
	t.Helper()
	err := machine.Require()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must be able to run the lab: %v", err)
	}
	t.Skipf("the lab cannot run here: %v", err)
}

// openLab opens a lab for one test and closes it at the end.
func openLab(t *testing.T) *Lab {
	t.Helper()
	needLab(t)
	l, err := Open(t.Context(), Options{Dir: t.TempDir(), Progress: func(line string) { t.Log(time.Now().Format(time.TimeOnly), line) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close(context.Background())) })
	return l
}

func TestLab(t *testing.T) {
	l := openLab(t)
	t.Run("the blog answers every name on the old site", l.testNames)
	t.Run("writes", l.testWrites)
	t.Run("name server", l.testNameServer)
	t.Run("traffic is clean and the log says so", l.testTraffic)
	t.Run("the database crashes and comes back", l.testCrash)
	t.Run("droplet", l.testDroplet)

	t.Log(time.Now().Format(time.TimeOnly), "closing")
	require.NoError(t, l.Close(t.Context()))
	require.NoError(t, l.Close(t.Context()), "twice")
	left, err := Leftovers(t.Context())
	require.NoError(t, err)
	require.Empty(t, left)
	for _, endpoint := range []string{l.doEndpoint, l.cfEndpoint} {
		u, err := url.Parse(endpoint)
		require.NoError(t, err)
		_, err = net.DialTimeout("tcp", u.Host, time.Second)
		require.Error(t, err, "%s is still served", endpoint)
	}
}

// request sends a request through the edge and returns the answer with its body.
func request(t *testing.T, method, name, path string, form url.Values) (*http.Response, string) {
	t.Helper()
	client := &http.Client{Timeout: 20 * time.Second}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+edgeListen+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Host = name
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

func (l *Lab) testNames(t *testing.T) {
	for _, name := range hostNames {
		res, body := request(t, http.MethodGet, name, "/", nil)
		require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", name, body)
		require.Equal(t, WebAddress, res.Header.Get("X-Served-By"), name)
		require.Contains(t, body, "Post 20000", name)
	}
	res, _ := request(t, http.MethodGet, "blog.test", "/healthz", nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	res, _ = request(t, http.MethodGet, "elsewhere.test", "/", nil)
	require.NotEqual(t, http.StatusOK, res.StatusCode)
}

func (l *Lab) testWrites(t *testing.T) {
	res, body := request(t, http.MethodPost, "anna.blog.test", "/signup", url.Values{"op": {"signup-op"}, "email": {"x@example.net"}})
	require.Equal(t, http.StatusOK, res.StatusCode, body)
	var answer struct{ Token string }
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	for _, w := range []struct {
		path string
		form url.Values
		sql  string
		want string
	}{
		{"/confirm", url.Values{"op": {"confirm-op"}, "token": {answer.Token}}, "SELECT op FROM blog.users WHERE confirmed_op = 'confirm-op'", "signup-op"},
		{"/posts", url.Values{"op": {"post-op"}, "title": {"A ☃"}, "body": {"words"}}, "SELECT title FROM blog.posts WHERE op = 'post-op'", "A ☃"},
		{"/like", url.Values{"op": {"like-op"}}, "SELECT n FROM blog.tallies", "1"},
	} {
		res, body := request(t, http.MethodPost, "shop.test", w.path, w.form)
		require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", w.path, body)
		out, err := database{l.DB}.Query(t.Context(), w.sql)
		require.NoError(t, err)
		require.Equal(t, w.want, strings.TrimSpace(string(out)))
	}
	res, _ = request(t, http.MethodPost, "shop.test", "/confirm", url.Values{"op": {"x"}, "token": {"wrong"}})
	require.Equal(t, http.StatusNotFound, res.StatusCode)
}

// testNameServer asks the lab's DNS for a DNS-only and for a proxied name.
func (l *Lab) testNameServer(t *testing.T) {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, dnsListen)
	}}
	for name, want := range map[string]string{"origin.blog.test.": WebAddress, "blog.test.": gatewayAddress, "bob.blog.test.": gatewayAddress} {
		got, err := r.LookupNetIP(t.Context(), "ip4", name)
		require.NoError(t, err, name)
		require.Equal(t, []netip.Addr{netip.MustParseAddr(want)}, got, name)
	}
}

func (l *Lab) testTraffic(t *testing.T) {
	tr := l.Traffic(true)
	require.NoError(t, tr.Open(t.Context()))
	require.Eventually(t, func() bool { return tr.Log().Summary().AckedWrites >= 40 }, 60*time.Second, 100*time.Millisecond)
	require.NoError(t, tr.Close())
	log, err := traffic.ReadLog(tr.Path)
	require.NoError(t, err)
	require.Len(t, log, len(tr.Log()))
	sum := log.Summary()
	require.Zero(t, sum.Failed, "%v", sum.Errors)
	for _, rec := range log {
		require.Equal(t, traffic.OldSite, traffic.Site(rec.Server), "%+v", rec)
	}
}

// testCrash cuts the power of the database's host: no acknowledged write is lost.
func (l *Lab) testCrash(t *testing.T) {
	before, err := database{l.DB}.Query(t.Context(), "SELECT COUNT(*) FROM blog.posts")
	require.NoError(t, err)
	require.NoError(t, l.Crash(t.Context(), l.DB))
	after, err := database{l.DB}.Query(t.Context(), "SELECT COUNT(*) FROM blog.posts")
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Eventually(t, func() bool {
		res, _ := request(t, http.MethodGet, "blog.test", "/", nil)
		return res.StatusCode == http.StatusOK
	}, 30*time.Second, 200*time.Millisecond)
}

// testDroplet creates a droplet through the vendor's API, as any client would.
func (l *Lab) testDroplet(t *testing.T) {
	key, err := os.ReadFile(l.path("id_ed25519.pub"))
	require.NoError(t, err)
	do := l.client(t)
	k, _, err := do.Keys.Create(t.Context(), &godo.KeyCreateRequest{Name: "operator", PublicKey: string(key)})
	require.NoError(t, err)
	d, _, err := do.Droplets.Create(t.Context(), &godo.DropletCreateRequest{
		Name: "web9", Region: "fra1", Size: "s-1vcpu-1gb", Image: godo.DropletCreateImage{Slug: "debian-12-x64"},
		SSHKeys: []godo.DropletCreateSSHKey{{ID: k.ID}}, Tags: []string{"lab-test"},
		UserData: "#cloud-config\npackages: [nginx-light]\nruncmd:\n  - [sh, -c, 'echo done > /root/done']\n",
	})
	require.NoError(t, err)
	var addr string
	require.Eventually(t, func() bool {
		d, _, err = do.Droplets.Get(t.Context(), d.ID)
		require.NoError(t, err)
		addr, err = d.PublicIPv4()
		return err == nil && addr != "" && d.Status == "active"
	}, 60*time.Second, 100*time.Millisecond)

	conn := l.dial(t, addr)
	out := runRemote(t, conn, "cloud-init status --wait >/dev/null; hostname; cat /root/done; systemctl is-active nginx")
	require.Equal(t, "web9\ndone\nactive\n", out)
	host, err := l.Target("web9")
	require.NoError(t, err)
	require.Equal(t, addr, host.Address().String())
	require.True(t, isReachable(addr, 80))

	firewall, _, err := do.Firewalls.Create(t.Context(), &godo.FirewallRequest{
		Name: "only-ssh", DropletIDs: []int{d.ID},
		InboundRules:  []godo.InboundRule{{Protocol: "tcp", PortRange: "22", Sources: &godo.Sources{Addresses: []string{"0.0.0.0/0", "::/0"}}}},
		OutboundRules: []godo.OutboundRule{{Protocol: "tcp", PortRange: "all", Destinations: &godo.Destinations{Addresses: []string{"0.0.0.0/0"}}}},
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !isReachable(addr, 80) }, 20*time.Second, 50*time.Millisecond)
	require.True(t, isReachable(addr, 22))
	_, err = do.Firewalls.Delete(t.Context(), firewall.ID)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return isReachable(addr, 80) }, 20*time.Second, 50*time.Millisecond)

	_, err = do.Droplets.Delete(t.Context(), d.ID)
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := l.Target("web9"); return err != nil }, 30*time.Second, 100*time.Millisecond)
	require.False(t, isReachable(addr, 22))
}

func (l *Lab) client(t *testing.T) *godo.Client {
	t.Helper()
	token := l.tokens["DIGITALOCEAN_TOKEN"].Open()
	do, err := godo.New(oauth2.NewClient(t.Context(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})), godo.SetBaseURL(l.doEndpoint))
	require.NoError(t, err)
	return do
}

func (l *Lab) dial(t *testing.T, addr string) *ssh.Client {
	t.Helper()
	pem, err := os.ReadFile(l.path("id_ed25519"))
	require.NoError(t, err)
	signer, err := ssh.ParsePrivateKey(pem)
	require.NoError(t, err)
	cfg := &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: 2 * time.Second,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // a droplet made a moment ago
	}
	var conn *ssh.Client
	require.Eventually(t, func() bool {
		conn, err = ssh.Dial("tcp", addr+":22", cfg)
		return err == nil
	}, 60*time.Second, 200*time.Millisecond, "ssh root@%s", addr)
	t.Cleanup(func() { _ = conn.Close() }) // the host may be gone
	return conn
}

func runRemote(t *testing.T, conn *ssh.Client, script string) string {
	t.Helper()
	s, err := conn.NewSession()
	require.NoError(t, err)
	defer s.Close() //nolint:errcheck // closed by the command's end
	var out, errs bytes.Buffer
	s.Stdout, s.Stderr = &out, &errs
	require.NoError(t, s.Run(script), errs.String())
	return out.String()
}

func isReachable(addr string, port int) bool {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", addr, port), 500*time.Millisecond)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
