// Package cloudflare implements dns's interfaces with Cloudflare's API v4.
//
// It uses cloudflare-go for the requests and their parameters, and replaces what
// that library does not do safely: its retries (which repeat a batch), its auto
// pager (which drops the context and asks one page too many), and its error
// handling (an answer 200 with success:false is no error to it, nor does it say
// anything of an HTML error page).
package cloudflare

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/cache"
	cfdns "github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/zones"
	"golang.org/x/time/rate"

	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/httpretry"
	"github.com/dcmigrate/migrate/secret"
)

// DefaultEndpoint is Cloudflare's API.
const DefaultEndpoint = "https://api.cloudflare.com/client/v4/"

// requestTimeout bounds one attempt of a request; the largest answer is a page
// of 5,000 records, some 3 MB.
const requestTimeout = 30 * time.Second

// Cloudflare allows a token 1,200 requests in 5 minutes and blocks it for 5 more
// when it asks too often. A steady 4/s after a burst stays below that, alone.
const (
	requestsPerSecond = 3
	requestsBurst     = 200
)

// Config is the account.
type Config struct {
	// Token needs the rights Zone Read, DNS Edit and Cache Purge (to plan: DNS Read).
	Token secret.Value
	// Endpoint is the API's address; "" is DefaultEndpoint.
	Endpoint string
	// Transport makes the requests below the retries; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// Client is an account at Cloudflare. It is safe for concurrent use.
type Client struct {
	zones   *zones.ZoneService
	records *cfdns.RecordService
	cache   *cache.CacheService
}

var (
	_ dns.Zones   = (*Client)(nil)
	_ dns.Records = (*Client)(nil)
	_ dns.Cache   = (*Client)(nil)
)

// New returns a client; it asks nothing yet.
func New(cfg Config) (*Client, error) {
	if cfg.Token.IsZero() {
		return nil, fmt.Errorf("make cloudflare client: no API token")
	}
	endpoint := cfg.Endpoint
	if endpoint == "" {
		endpoint = DefaultEndpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("make cloudflare client: endpoint %q is not an http(s) address", endpoint)
	}
	client := &http.Client{
		Transport: &httpretry.Transport{
			Base:    cfg.Transport,
			Timeout: requestTimeout,
			Limit:   rate.NewLimiter(requestsPerSecond, requestsBurst),
		},
		// The API does not redirect: the token must not travel elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	opts := []option.RequestOption{
		option.WithBaseURL(endpoint),
		option.WithHTTPClient(client),
		option.WithMaxRetries(0), // it would repeat POST batch: httpretry retries what is safe
		option.WithMiddleware(checkAnswer),
		option.WithAPIToken(cfg.Token.Open()),
	}
	return &Client{
		zones:   zones.NewZoneService(opts...),
		records: cfdns.NewRecordService(opts...),
		cache:   cache.NewCacheService(opts...),
	}, nil
}
