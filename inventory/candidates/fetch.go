package candidates

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/dcmigrate/migrate/httpretry"
	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/report"
)

// Limits of what is read from an archive. The largest indices have nearly 20 MiB
// packed and 80 MiB unpacked.
const (
	maxPacked      = 128 << 20
	maxPlain       = 512 << 20
	connectTimeout = 10 * time.Second
	headerTimeout  = 30 * time.Second
	indexTimeout   = 5 * time.Minute
	maxAttempts    = 3

	maxRedirects   = 4
	maxFieldLength = 256 // bytes of a version or an architecture

	maxArchitectures = 32 // for packages of one name
)

// Why a suite could not be compared.
var (
	errNoSuite = errors.New("there is no such suite")
	errLogin   = errors.New("it wants a login")
	errRefused = errors.New("it refuses to answer (403): it wants a login, or has no such suite")
	// errChanged says that an index is not what the Release file lists, as happens
	// while an archive is updated.
	errChanged = errors.New("its indices do not agree with its Release file")
)

// reader reads suites.
type reader struct{ client *http.Client }

func newReader() *reader {
	base := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:   connectTimeout,
		ResponseHeaderTimeout: headerTimeout,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // indices are packed already
	}
	return &reader{&http.Client{CheckRedirect: redirect, Transport: &httpretry.Transport{Base: base, Attempts: maxAttempts, MaxWait: connectTimeout, Timeout: indexTimeout}}}
}

// redirect allows a mirror's redirects, up to a limit and never from HTTPS to HTTP.
func redirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects || via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("it sends on to %s://%s", req.URL.Scheme, req.URL.Host)
	}
	return nil
}

func (r *reader) close() { r.client.CloseIdleConnections() }

// answer is what a suite offers of the wanted packages, by component.
type answer struct {
	offers map[string]*offers
	lacks  []string // components that it does not have
}

// read reads the indices of components, and once more if the archive was being
// updated.
func (r *reader) read(ctx context.Context, s suite, components, architectures []string, w wanted) (*answer, error) {
	a, err := r.readOnce(ctx, s, components, architectures, w)
	if errors.Is(err, errChanged) && ctx.Err() == nil {
		report.Note(ctx, "%s: %s; reading it again", inventory.Printable(s.String()), err)
		a, err = r.readOnce(ctx, s, components, architectures, w)
	}
	return a, err
}

func (r *reader) readOnce(ctx context.Context, s suite, components, architectures []string, w wanted) (*answer, error) {
	rel, err := r.readRelease(ctx, s)
	if err != nil {
		return nil, err
	}
	if s.flat() {
		components = []string{""}
	}
	a := &answer{offers: map[string]*offers{}}
	for _, c := range components {
		paths := rel.paths(s, c, architectures)
		switch {
		case len(paths) == 0 && s.flat():
			return nil, errNoSums
		case len(paths) == 0:
			a.lacks = append(a.lacks, c)
			continue
		}
		a.offers[c] = newOffers()
		for _, path := range paths {
			if err := r.readIndex(ctx, s, rel, path, w, a.offers[c]); err != nil {
				return nil, err
			}
		}
	}
	return a, nil
}

func (r *reader) readRelease(ctx context.Context, s suite) (*release, error) {
	missing := errNoSuite
	for _, name := range []string{"InRelease", "Release"} {
		body, err := r.get(ctx, s.folder()+"/"+name)
		if errors.Is(err, errNoSuite) || errors.Is(err, errRefused) { // some archives refuse instead of answering "not found"
			if !errors.Is(missing, errRefused) {
				missing = err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		defer body.Close()
		return parseRelease(&sizeLimitedReader{from: body, left: maxRelease})
	}
	return nil, missing
}

// readIndex reads an index in the form that is quickest to unpack.
func (r *reader) readIndex(ctx context.Context, s suite, rel *release, path string, w wanted, o *offers) error {
	for _, form := range indexSuffixes {
		listed, ok := rel.indices[path+form]
		if !ok {
			continue
		}
		if listed.size > maxPacked {
			return fmt.Errorf("its index is of %s", phrase.Size(listed.size))
		}
		address := s.folder() + "/" + path + form
		urls := []string{address}
		if rel.byHash {
			urls = []string{address[:len(address)-len("Packages"+form)] + "by-hash/SHA256/" + listed.sum, address}
		}
		for _, u := range urls {
			body, err := r.get(ctx, u)
			if errors.Is(err, errNoSuite) {
				continue
			}
			if err != nil {
				return err
			}
			defer body.Close()
			return unpack(body, form, listed, w, o)
		}
	}
	return fmt.Errorf("%w: an index that is listed is not there", errChanged)
}

// get requests a file. It returns errNoSuite if there is none.
func (r *reader) get(ctx context.Context, address string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", address, err)
	}
	req.Header.Set("User-Agent", "migrate")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, httpretry.Classify(0, nil, err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.Body, nil
	case http.StatusNotFound, http.StatusGone:
		err = errNoSuite
	case http.StatusUnauthorized:
		err = errLogin
	case http.StatusForbidden:
		err = errRefused
	default:
		if err = httpretry.Classify(resp.StatusCode, resp.Header, nil); err == nil {
			err = fmt.Errorf("answer %s", resp.Status)
		}
	}
	return nil, errors.Join(err, resp.Body.Close())
}

// unpack reads an index and checks its sum. With an error, o must not be used.
func unpack(body io.Reader, form string, listed index, w wanted, o *offers) error {
	sum := sha256.New()
	packed := io.TeeReader(io.LimitReader(body, listed.size+1), sum)
	plain, err := decompressor(packed, form)
	if err == nil {
		err = parsePackages(&sizeLimitedReader{from: plain, left: maxPlain}, w, o)
	}
	if errors.Is(err, httpretry.ErrTimeout) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, rest := io.Copy(io.Discard, packed); err == nil { // the rest belongs to the sum
		err = rest
	}
	switch {
	case hex.EncodeToString(sum.Sum(nil)) == listed.sum:
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", errChanged, err)
	}
	return errChanged
}

func decompressor(packed io.Reader, form string) (io.Reader, error) {
	switch form {
	case ".gz":
		return gzip.NewReader(packed)
	case ".xz":
		return newXZ(packed)
	}
	return packed, nil
}

// sizeLimitedReader returns an error at its limit, where io.LimitedReader would return
// io.EOF.
type sizeLimitedReader struct {
	from io.Reader
	left int64
}

func (l *sizeLimitedReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errors.New("it is too large")
	}
	n, err := l.from.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
