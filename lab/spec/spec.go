// Package spec validates HTTP exchanges against the vendors' own OpenAPI
// documents, which it needs beside the project in ../shared/specs. The simulators'
// tests put a Validator between a client and a simulator, as a transport or as a
// handler. It collects every request and answer that breaks the contract.
package spec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Names of the documents.
const (
	DigitalOcean = "digitalocean"
	Cloudflare   = "cloudflare"
)

// Validator validates exchanges against one document and collects the violations.
// It is safe for concurrent use. Require returns one.
type Validator struct {
	doc    *openapi3.T
	router routers.Router

	mu         sync.Mutex
	deviations []Deviation
	violations []error
	exchanges  int
}

// document is one parsed document. Parsing takes about a second, hence the cache.
type document struct {
	once   sync.Once
	doc    *openapi3.T
	router routers.Router
	err    error
}

// parsedDocuments caches the documents by file name. They are read-only once parsed.
var parsedDocuments sync.Map

// load returns a new Validator for the document of that name, e.g. DigitalOcean. It
// looks for the module's root at and above the working directory, and for the
// document in ../shared/specs from there, and parses it once per process. The error
// is fs.ErrNotExist if the file is missing.
func load(name string) (*Validator, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(root, "..", "shared", "specs", name+".openapi.json")
	entry, _ := parsedDocuments.LoadOrStore(file, new(document))
	d := entry.(*document) //nolint:errcheck // nothing else is stored
	d.once.Do(func() { d.doc, d.router, d.err = parse(file) })
	if d.err != nil {
		return nil, fmt.Errorf("load the %s document: %w", name, d.err)
	}
	return &Validator{doc: d.doc, router: d.router, deviations: errata(name)}, nil
}

// Require returns a Validator for a test. At its end the test fails if there was a
// violation or no exchange at all. If the document is missing, Require skips the
// test, or fails it if CI is "true".
func Require(t testing.TB, name string) *Validator {
	t.Helper()
	v, err := load(name)
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") != "true" {
		t.Skipf("the vendor's OpenAPI document is missing: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, violation := range v.collected() {
			t.Errorf("%s contract: %v", name, violation)
		}
		if v.exchangeCount() == 0 && !t.Failed() && !t.Skipped() {
			t.Errorf("%s contract: no exchange was validated", name)
		}
	})
	return v
}

// collected returns the violations so far, each a *violation, in order.
func (v *Validator) collected() []error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]error(nil), v.violations...)
}

// exchangeCount returns the number of exchanges that were validated.
func (v *Validator) exchangeCount() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.exchanges
}

// Tolerate lets further known deviations from the document pass, in addition to
// its errata.
func (v *Validator) Tolerate(d ...Deviation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.deviations = append(v.deviations, d...)
}

// moduleRoot returns the nearest folder at or above the working directory that
// holds go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module's root: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find the module's root: no go.mod above the working directory: %w", fs.ErrNotExist)
		}
		dir = parent
	}
}

// parse reads a document and prepares its router. It reduces the servers' URLs to
// their base path, because a simulator listens on another host.
func parse(file string) (*openapi3.T, routers.Router, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, nil, fmt.Errorf("parse %s: %w", filepath.Base(file), err)
	}
	if err := doc.Validate(context.Background(), openapi3.DisableExamplesValidation(), openapi3.DisableSchemaDefaultsValidation()); err != nil {
		return nil, nil, fmt.Errorf("validate %s: %w", filepath.Base(file), err)
	}
	for _, server := range doc.Servers {
		base, err := server.BasePath()
		if err != nil {
			return nil, nil, fmt.Errorf("read the server of %s: %w", filepath.Base(file), err)
		}
		server.URL = base
	}
	doc.SetStringFormatValidators(map[string]openapi3.StringFormatValidator{
		"uuid": openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562),
		"ipv4": openapi3.NewIPValidator(true),
		"ipv6": openapi3.NewIPValidator(false),
	})
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, nil, fmt.Errorf("route %s: %w", filepath.Base(file), err)
	}
	return doc, router, nil
}
