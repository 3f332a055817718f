// Package cloudflare implements dns's interfaces with Cloudflare's API v4.
//
// It needs an API token and promises dns's contracts: a batch is one transaction,
// no change is repeated that may have been made, and every answer that is not a
// success is an error.
//
// It uses cloudflare-go for the requests and their parameters, and replaces what
// that library does not do safely: its retries (they repeat a batch), its auto pager
// (it drops the context and requests one page too many), and its error handling (it
// takes an answer 200 with success:false for a success, and does not report an HTML
// error page).
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

// defaultEndpoint is the address of Cloudflare's API.
const defaultEndpoint = "https://api.cloudflare.com/client/v4/"

// requestTimeout bounds one attempt of a request. The largest answer is a page of
// 5,000 records, about 3 MB.
const requestTimeout = 30 * time.Second

// Cloudflare allows a token 1,200 requests in 5 minutes, and blocks it for 5 minutes
// after more. A burst of 200 and 3/s are 1,100 in 5 minutes, if no other program uses
// the token.
const (
	requestsPerSecond = 3
	requestsBurst     = 200
)

// Config describes the account and how to reach it.
type Config struct {
	// Token needs the rights Zone Read, DNS Edit and Cache Purge. DNS Read in place of
	// the last two is enough to plan.
	Token secret.Value
	// Endpoint is the API's address; "" means Cloudflare's own.
	Endpoint string
	// Transport sends the requests, below the retries; nil means
	// http.DefaultTransport.
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

// New returns a client. It sends no request. The error says that the token is missing
// or that the endpoint is not an http(s) address.
func New(cfg Config) (*Client, error) {
	if cfg.Token.IsZero() {
		return nil, fmt.Errorf("make cloudflare client: no API token")
	}
	endpoint := cfg.Endpoint
	if endpoint == "" {
		endpoint = defaultEndpoint
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
		// The API never redirects, and the token must not be sent to another server.
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
