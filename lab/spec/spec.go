// Package spec validates HTTP exchanges against the vendors' own OpenAPI
// documents, which lie beside the project in ../shared/specs. The simulators'
// tests put a Validator between a client and a simulator, as a transport or as a
// handler, and every request and answer that breaks the contract is collected.
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

// Names of the documents that Load knows.
const (
	DigitalOcean = "digitalocean"
	Cloudflare   = "cloudflare"
)

// Validator checks exchanges against one document and collects what breaks it.
// It is safe for concurrent use.
type Validator struct {
	doc    *openapi3.T
	router routers.Router

	mu         sync.Mutex
	deviations []Deviation
	violations []error
	exchanges  int
}

// document is one parsed document; reading one takes a second or so, hence the cache.
type document struct {
	once   sync.Once
	doc    *openapi3.T
	router routers.Router
	err    error
}

// documents caches parsed documents by file name; they are only read after that.
var documents sync.Map

// Load returns a new Validator for the document of that name, e.g. DigitalOcean.
// The document is found at ../shared/specs from the module's root, itself found
// upwards from the working directory, and is parsed once per process. The error
// is fs.ErrNotExist where the file is missing.
func Load(name string) (*Validator, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(root, "..", "shared", "specs", name+".openapi.json")
	entry, _ := documents.LoadOrStore(file, new(document))
	d := entry.(*document) //nolint:errcheck // nothing else is stored
	d.once.Do(func() { d.doc, d.router, d.err = parse(file) })
	if d.err != nil {
		return nil, fmt.Errorf("load the %s document: %w", name, d.err)
	}
	return &Validator{doc: d.doc, router: d.router, deviations: errata(name)}, nil
}

// Require returns a Validator for a test, which fails at its end if any
// violation was collected or nothing was validated at all. It skips the test
// when the document is missing, and fails it instead when CI is "true".
func Require(t testing.TB, name string) *Validator {
	t.Helper()
	v, err := Load(name)
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") != "true" {
		t.Skipf("the vendor's document is needed: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, violation := range v.Violations() {
			t.Errorf("%s contract: %v", name, violation)
		}
		if v.Exchanges() == 0 && !t.Failed() && !t.Skipped() {
			t.Errorf("%s contract: no exchange was validated", name)
		}
	})
	return v
}

// Violations returns what broke the contract so far, each a *Violation, in order.
func (v *Validator) Violations() []error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]error(nil), v.violations...)
}

// Exchanges returns how many exchanges were validated.
func (v *Validator) Exchanges() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.exchanges
}

// Tolerate lets further known deviations from the document pass, beyond those
// that every Validator of it tolerates (errata.go).
func (v *Validator) Tolerate(d ...Deviation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.deviations = append(v.deviations, d...)
}

// moduleRoot is the nearest folder upwards that holds go.mod.
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

// parse reads a document and prepares its router. Servers lose their scheme and
// host, because a simulator listens elsewhere; their base path stays.
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
