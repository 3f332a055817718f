// Package digitalocean implements provision.Cloud with DigitalOcean's API v2 and its
// client godo. It needs a token with the rights that the hint of a 403 lists. Its errors
// never show the token, and those that another try may cure are of type
// *report.TransientError.
// godo's own retries are off: it would repeat a create whose answer was lost, and the
// vendor has no idempotency token.
package digitalocean

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"golang.org/x/time/rate"

	"github.com/dcmigrate/migrate/httpretry"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// perPage is the largest page that the vendor returns.
const perPage = 200

// The vendor accepts 250 requests in any minute: the burst, and what refills in a minute.
const (
	burst     = 100
	perMinute = 150
)

// Options configures a Client.
type Options struct {
	Token secret.Value
	// Endpoint is the API's base URL; empty is the vendor's.
	Endpoint string
	// Transport makes the requests; nil is http.DefaultTransport.
	Transport http.RoundTripper
	// MaxWait is the longest wait between two attempts of a request: see
	// httpretry.Transport.
	MaxWait time.Duration
	// Limit limits the rate of requests; nil stays below the vendor's limit.
	Limit *rate.Limiter
}

// Client is a provision.Cloud. It is safe for concurrent use.
type Client struct {
	api  *godo.Client
	tags tagNames
}

var _ provision.Cloud = (*Client)(nil)

// New returns a client. It sends nothing.
func New(o Options) (*Client, error) {
	if o.Token.IsZero() {
		return nil, report.WithHint(errors.New("DigitalOcean: there is no token"), "set the environment variable that provision.digitalocean.token_env names")
	}
	if o.Limit == nil {
		o.Limit = rate.NewLimiter(rate.Every(time.Minute/perMinute), burst)
	}
	transport := &httpretry.Transport{Base: &bearer{o.Token, o.Transport}, MaxWait: o.MaxWait, Limit: o.Limit}
	options := []godo.ClientOpt{godo.SetUserAgent("migrate")}
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return nil, fmt.Errorf("DigitalOcean: endpoint %q is not a URL", o.Endpoint)
		}
		// godo resolves paths against the base: without the slash the last part of its path is lost.
		options = append(options, godo.SetBaseURL(strings.TrimRight(o.Endpoint, "/")+"/"))
	}
	api, err := godo.New(&http.Client{Transport: transport}, options...)
	if err != nil {
		return nil, fmt.Errorf("DigitalOcean: make client: %w", err)
	}
	api.RetryConfig = godo.RetryConfig{}
	return &Client{api: api}, nil
}

// bearer adds the token to each attempt, below all code that could show it.
type bearer struct {
	token secret.Value
	base  http.RoundTripper
}

func (b *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	base := b.base
	if base == nil {
		base = http.DefaultTransport
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+b.token.Open())
	resp, err := base.RoundTrip(req)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = keepMessages(resp)
	}
	return resp, err
}

// APIError is an answer of the vendor that refuses a request.
type APIError struct {
	Status    int
	Message   string
	RequestID string
}

// Error returns the vendor's message with the request id, which its support asks for.
func (e *APIError) Error() string {
	text := fmt.Sprintf("DigitalOcean answers %d", e.Status)
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// explain turns godo's error into a short one, with a hint if there is one. It is a
// report.TransientError if another try may help.
func explain(resp *godo.Response, err error) error {
	if err == nil {
		return nil
	}
	var status int
	var header http.Header
	if resp != nil && resp.Response != nil {
		status, header = resp.StatusCode, resp.Header
	}
	var answer *godo.ErrorResponse
	if errors.As(err, &answer) {
		if answer.Response != nil {
			status, header = answer.Response.StatusCode, answer.Response.Header
		}
		err = &APIError{status, messageOf(answer, header), answer.RequestID}
	}
	switch status {
	case http.StatusUnprocessableEntity:
		if strings.Contains(err.Error(), "pending event") {
			return report.Transient(err, 5*time.Second)
		}
	case http.StatusUnauthorized:
		return report.WithHint(err, "the token is wrong or expired: set the environment variable that provision.digitalocean.token_env names")
	case http.StatusForbidden:
		if !aboutRights(err) {
			return err // a rule of the vendor, which its message says
		}
		return report.WithHint(err, "the token lacks a right: it needs to read and write droplets, firewalls, VPCs, tags and SSH keys (and volumes and reserved IPs, where they are used), and to read the account, its sizes, images and actions")
	case http.StatusTooManyRequests:
		return report.Transient(err, rateLimitWait(header))
	}
	return httpretry.Classify(status, header, err)
}

// aboutRights reports whether a 403 is about the token's rights. Others are about rules: a
// VPC with members, or a region's default VPC, cannot be deleted.
func aboutRights(err error) bool {
	var answer *APIError
	if !errors.As(err, &answer) || answer.Message == "" {
		return true
	}
	text := strings.ToLower(answer.Message)
	for _, word := range []string{"authoriz", "permission", "scope", "access", "forbidden"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// rateLimitWait returns the wait that a 429 asks for: Retry-After at the burst limit, or
// else the time to the reset of the hourly window, at most an hour.
func rateLimitWait(header http.Header) time.Duration {
	if after := httpretry.RetryAfter(header); after > 0 {
		return after
	}
	reset, err := strconv.ParseInt(header.Get("Ratelimit-Reset"), 10, 64)
	if err != nil {
		return 0
	}
	return min(max(0, time.Until(time.Unix(reset, 0))), time.Hour)
}

// notFound reports whether err is a 404.
func notFound(err error) bool {
	var answer *APIError
	return errors.As(err, &answer) && answer.Status == http.StatusNotFound
}

// list collects all pages.
func list[T any](ctx context.Context, page func(context.Context, *godo.ListOptions) ([]T, *godo.Response, error)) ([]T, error) {
	var all []T
	options := &godo.ListOptions{Page: 1, PerPage: perPage}
	for {
		part, resp, err := page(ctx, options)
		if err != nil {
			return nil, explain(resp, err)
		}
		all = append(all, part...)
		if resp.Links == nil || resp.Links.IsLastPage() {
			return all, nil
		}
		options.Page++
	}
}
