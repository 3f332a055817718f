package move

import (
	"errors"
	"net/http"

	"github.com/dcmigrate/migrate/dns/cloudflare"
	"github.com/dcmigrate/migrate/httpretry"
	"github.com/dcmigrate/migrate/provision/digitalocean"
)

// VendorRefuses reports whether a vendor did not answer, refused the token, or
// said that it cannot work now.
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
