package digitalocean_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/lab/spec"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/digitalocean"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

const token = "dop_v1_client"

func newSim(t *testing.T, o dosim.Options) (*dosim.Sim, string) {
	t.Helper()
	validator := spec.Require(t, spec.DigitalOcean)
	o.Token = secret.New(token)
	sim := dosim.New(o)
	server := httptest.NewServer(validator.Handler(sim))
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, sim.Close())
	})
	return sim, server.URL
}

func newClient(t *testing.T, url, token string) *digitalocean.Client {
	t.Helper()
	c, err := digitalocean.New(digitalocean.Options{
		Token: secret.New(token), Endpoint: url, MaxWait: time.Second, Limit: rate.NewLimiter(rate.Inf, 1),
	})
	require.NoError(t, err)
	return c
}

// request asks for droplets with a key that is put into the account first.
func request(t *testing.T, c *digitalocean.Client, names ...string) provision.DropletRequest {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	require.NoError(t, c.CreateSSHKey(t.Context(), "migrate-x", string(ssh.MarshalAuthorizedKey(key))))
	return provision.DropletRequest{
		Names: names, Region: "ams3", Size: "s-1vcpu-1gb", Image: "debian-12-x64", Tags: []string{"migrate:x"},
		KeyFingerprint: ssh.FingerprintLegacyMD5(key),
	}
}

func TestListsHaveAllPages(t *testing.T) {
	_, url := newSim(t, dosim.Options{Limits: dosim.Limits{Droplets: 500, PerMinute: 10_000}})
	c := newClient(t, url, token)
	r := request(t, c)
	for i := range 21 {
		var names []string
		for j := range 10 {
			names = append(names, fmt.Sprintf("h-%d-%d", i, j))
		}
		r.Names = names
		_, err := c.CreateDroplets(t.Context(), r)
		require.NoError(t, err)
	}
	all, err := c.DropletsTagged(t.Context(), "migrate:x")
	require.NoError(t, err)
	require.Len(t, all, 210)
	named, err := c.DropletsNamed(t.Context(), "h-3-4")
	require.NoError(t, err)
	require.Len(t, named, 1)
	limit, used, err := c.DropletLimit(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{500, 210}, []int{limit, used})
	none, err := c.DropletsTagged(t.Context(), "migrate:y")
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestACreateIsSentOnce(t *testing.T) {
	for _, tt := range []struct {
		kind     dosim.Kind
		droplets int
		requests int
	}{
		{dosim.DropAfter, 1, 1},
		{dosim.DropBefore, 0, 1},
		{dosim.ServerError, 0, 1},
		{dosim.BadGateway, 0, 1},
		{dosim.TooManyRequests, 1, 2},
	} {
		t.Run(tt.kind.String(), func(t *testing.T) {
			sim, url := newSim(t, dosim.Options{})
			c := newClient(t, url, token)
			r := request(t, c, "web1")
			before := len(sim.Mutations())
			sim.Inject(dosim.Fault{Method: "POST", Path: "/v2/droplets", Kind: tt.kind, Delay: time.Second})
			_, err := c.CreateDroplets(t.Context(), r)
			require.Len(t, sim.Machines(), tt.droplets)
			require.Len(t, sim.Mutations()[before:], tt.requests)
			if tt.kind == dosim.TooManyRequests {
				require.NoError(t, err)
				return
			}
			var transient *report.TransientError
			require.ErrorAs(t, err, &transient, "the step looks, then tries again")
			require.NotContains(t, err.Error(), "<html", "a proxy's page is not an error message")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestReadsSurviveFaults(t *testing.T) {
	sim, url := newSim(t, dosim.Options{})
	c := newClient(t, url, token)
	for _, kind := range []dosim.Kind{dosim.DropAfter, dosim.ServerError, dosim.BadGateway, dosim.TooManyRequests} {
		sim.Inject(dosim.Fault{Method: "GET", Path: "/v2/sizes", Kind: kind, Delay: time.Second})
	}
	sizes, err := c.Sizes(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, sizes)
	require.Zero(t, sim.ClearFaults())
}

func TestALongRetryAfterIsTheRunners(t *testing.T) {
	sim, url := newSim(t, dosim.Options{})
	sim.Inject(dosim.Fault{Kind: dosim.TooManyRequests, Delay: 90 * time.Second})
	_, err := newClient(t, url, token).Sizes(t.Context())
	var transient *report.TransientError
	require.ErrorAs(t, err, &transient)
	require.Equal(t, 90*time.Second, transient.After)
}

func TestTheHourlyLimitNamesItsReset(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Ratelimit-Reset", fmt.Sprint(time.Now().Add(20*time.Minute).Unix()))
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	c, err := digitalocean.New(digitalocean.Options{Token: secret.New(token), Endpoint: server.URL, MaxWait: time.Millisecond})
	require.NoError(t, err)
	_, err = c.Sizes(t.Context())
	var transient *report.TransientError
	require.ErrorAs(t, err, &transient)
	require.InDelta(t, 20*time.Minute, transient.After, float64(3*time.Second))
}

func TestAWrongTokenIsExplainedAndNotShown(t *testing.T) {
	_, url := newSim(t, dosim.Options{})
	_, err := newClient(t, url, "dop_v1_wrong").Sizes(t.Context())
	require.ErrorContains(t, err, "401")
	require.Contains(t, report.Hint(err), "token")
	require.NotContains(t, err.Error()+report.Hint(err), "dop_v1_wrong")
	var transient *report.TransientError
	require.False(t, errors.As(err, &transient), "another try does not help")
}

func TestNewRefusesBadOptions(t *testing.T) {
	_, err := digitalocean.New(digitalocean.Options{})
	require.ErrorContains(t, err, "no token")
	for _, endpoint := range []string{"api.digitalocean.com", "ftp://x/", "http://"} {
		_, err = digitalocean.New(digitalocean.Options{Token: secret.New("x"), Endpoint: endpoint})
		require.ErrorContains(t, err, "is not a URL", endpoint)
	}
}

func TestTheEndpointKeepsItsPath(t *testing.T) {
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		require.Equal(t, "Bearer "+token, r.Header.Get("Authorization"))
		_, _ = w.Write([]byte(`{"sizes":[],"meta":{"total":0}}`))
	}))
	defer server.Close()
	_, err := newClient(t, server.URL+"/do", token).Sizes(t.Context())
	require.NoError(t, err)
	require.Equal(t, "/do/v2/sizes", path)
}

func TestDeletingWhatIsGoneIsNoError(t *testing.T) {
	_, url := newSim(t, dosim.Options{})
	c := newClient(t, url, token)
	require.NoError(t, c.DeleteDroplet(t.Context(), 1))
	require.NoError(t, c.DeleteVPC(t.Context(), "5a4981aa-9653-4bd1-bef5-d6bff52042e4"))
	require.NoError(t, c.DeleteFirewall(t.Context(), "bb4b2611-3d72-467b-8602-280330ecd65c"))
	require.NoError(t, c.DeleteSSHKey(t.Context(), 1))
	require.NoError(t, c.DeleteTag(t.Context(), "migrate:none"))
	_, found, err := c.SSHKeyByFingerprint(t.Context(), strings.TrimSuffix(strings.Repeat("aa:", 16), ":"))
	require.NoError(t, err)
	require.False(t, found)
}

func TestAVPCWithMembersIsInUse(t *testing.T) {
	_, url := newSim(t, dosim.Options{})
	c := newClient(t, url, token)
	require.NoError(t, c.CreateVPC(t.Context(), provision.VPC{Name: "migrate-x", Region: "ams3", Range: netip.MustParsePrefix("10.77.0.0/20")}))
	all, err := c.VPCs(t.Context())
	require.NoError(t, err)
	var id string
	for _, v := range all {
		if v.Name == "migrate-x" {
			id = v.ID
			require.Equal(t, "10.77.0.0/20", v.Range.String())
		}
	}
	r := request(t, c, "web1")
	r.VPC = id
	_, err = c.CreateDroplets(t.Context(), r)
	require.NoError(t, err)
	require.ErrorIs(t, c.DeleteVPC(t.Context(), id), provision.ErrInUse)
}

// The vendor's services have several forms of errors, and a refusal may have several reasons.
func TestAllMessagesOfARefusalAreShown(t *testing.T) {
	for body, want := range map[string]string{
		`{"id":"unprocessable_entity","message":"Region is invalid"}`:                                     "DigitalOcean answers 422: Region is invalid",
		`{"id":"unprocessable_entity","message":"Name is invalid\nImage is invalid"}`:                     "DigitalOcean answers 422: Name is invalid Image is invalid",
		`{"error":"bad tag","messages":["bad tag","too long"],"root_causes":["too long"]}`:                "DigitalOcean answers 422: bad tag; too long",
		`{"id":"unprocessable_entity","errors":[{"message":"no size"},{"message":"no image"}]}`:           "DigitalOcean answers 422: no size; no image",
		`{"id":"unprocessable_entity","message":["Name can't be blank","Size is not available"]}`:         "DigitalOcean answers 422: Name can't be blank; Size is not available",
		`{"id":"unprocessable_entity","message":"one","messages":["two",3,null],"request_id":"4851a473"}`: "DigitalOcean answers 422: one; two (request 4851a473)",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = w.Write([]byte(body))
		}))
		err := newClient(t, server.URL, token).CreateTag(t.Context(), "x")
		server.Close()
		require.ErrorContains(t, err, want, body)
		require.Empty(t, report.Hint(err))
	}
}
