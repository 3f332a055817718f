package config

import (
	"bytes"
	"crypto/rand"
	_ "embed" // the template
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
)

//go:embed template.yaml
var templateText string

var fileTemplate = template.Must(template.New("migration.yaml").Parse(templateText))

// Init is what `migrate init` knows about a site. Empty fields become examples.
type Init struct {
	Site, ID, Region, Way string
	Hosts                 []Host
	Zones                 []string
	Ways                  Ways // to choose from
}

// newID returns a migration id for site: the site's name and four random letters or
// digits.
func newID(site string) string {
	return site + "-" + strings.ToLower(rand.Text()[:4])
}

// ParseHost reads "name=address:role,role" (an IPv6 address in brackets).
func ParseHost(text string) (Host, error) {
	name, rest, ok := strings.Cut(text, "=")
	cut := strings.LastIndex(rest, ":")
	if !ok || cut < 0 {
		return Host{}, fmt.Errorf("host %q is not name=address:role,role", text)
	}
	h := Host{Name: name, Roles: strings.Split(rest[cut+1:], ",")}
	if err := h.Address.UnmarshalText([]byte(strings.Trim(rest[:cut], "[]"))); err != nil {
		return Host{}, fmt.Errorf("host %q: %q is not an IP address", text, rest[:cut])
	}
	return h, nil
}

// AppHost is the first host with the role app or web.
func (i Init) AppHost() string { return i.first("web1", "app", "web") }

// DBHost is the first host with the role db.
func (i Init) DBHost() string { return i.first("db1", "db") }

func (i Init) first(otherwise string, roles ...string) string {
	for _, r := range roles {
		for _, h := range i.Hosts {
			if slices.Contains(h.Roles, r) {
				return h.Name
			}
		}
	}
	return otherwise
}

// Render returns the commented migration.yaml.
func (i Init) Render() ([]byte, error) {
	if i.Site == "" {
		i.Site = "blog"
	}
	if i.ID == "" {
		i.ID = newID(i.Site)
	}
	if i.Region == "" {
		i.Region = "fra1"
	}
	if i.Way == "" && len(i.Ways) > 0 {
		i.Way = i.Ways[0].Name
	}
	var b bytes.Buffer
	if err := fileTemplate.Execute(&b, i); err != nil {
		return nil, fmt.Errorf("render migration.yaml: %w", err)
	}
	return b.Bytes(), loads(b.Bytes(), i.Ways)
}

// loads checks, before the file is written, that it would load. Its error names no
// line, because there is no file yet.
func loads(data []byte, ways Ways) error {
	c, err := parse("/migration.yaml", data) // the path does not matter here
	if err == nil {
		err = errors.Join(c.defaults(ways), c.validate(ways))
	}
	var wrong *Error
	if errors.As(err, &wrong) {
		return &Error{Text: wrong.Text, Hint: wrong.Hint}
	}
	return err
}
