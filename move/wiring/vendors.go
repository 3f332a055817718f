package wiring

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/dcmigrate/migrate/dns/cloudflare"
	"github.com/dcmigrate/migrate/httpretry"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/digitalocean"
	"github.com/dcmigrate/migrate/report"
)

// ErrVendorLogin is wrapped when a vendor's token is missing or refused.
var ErrVendorLogin = errors.New("the vendor refuses the token")

// vendorWait bounds how long a vendor's Retry-After is obeyed: a little more than the
// minute of a burst limit.
const vendorWait = 75 * time.Second

// Zones is the client of the zones' vendor. Every verb with a plan asks it. Without the
// token the error wraps ErrVendorLogin.
func (s *Site) Zones() (*cloudflare.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.zones != nil {
		return s.zones, nil
	}
	cf := s.Config.DNS.Cloudflare
	if cf.Token.IsZero() {
		return nil, noToken(cf.TokenEnv)
	}
	client, err := cloudflare.New(cloudflare.Config{Token: cf.Token, Endpoint: cf.Endpoint})
	if err != nil {
		return nil, err
	}
	s.zones = client
	return client, nil
}

// Cloud is the client of the vendor of the new hosts. Only apply asks it: the way back
// must not need a token that it does not use. Without the token the error wraps
// ErrVendorLogin.
func (s *Site) Cloud() (provision.Cloud, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cloud != nil {
		return s.cloud, nil
	}
	do := s.Config.Provision.DigitalOcean
	if do.Token.IsZero() {
		return nil, noToken(do.TokenEnv)
	}
	client, err := digitalocean.New(digitalocean.Options{Token: do.Token, Endpoint: do.Endpoint, MaxWait: vendorWait})
	if err != nil {
		return nil, err
	}
	s.cloud = client
	return client, nil
}

func noToken(env string) error {
	return report.WithHint(fmt.Errorf("%w: the environment variable %s is empty", ErrVendorLogin, env), "export %s=…", env)
}

// VendorRefuses reports whether err says that a vendor did not answer, refused the
// token, or is unable to work now.
func VendorRefuses(err error) bool {
	var (
		do *digitalocean.APIError
		cf *cloudflare.Error
	)
	status := 0
	switch {
	case errors.Is(err, httpretry.ErrNoAnswer):
		return true
	case errors.As(err, &do):
		status = do.Status
	case errors.As(err, &cf):
		status = cf.Status
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}
