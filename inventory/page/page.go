// Package page makes one HTML file of an inventory: a table of the hosts, their
// roles and move groups, the map of connections, what was found, a page for each
// host, and a search over everything. The file needs no network and asks for none.
package page

import (
	"bufio"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/netip"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/roles"
)

// Site is what a page shows.
type Site struct {
	Name     string
	Hosts    []*inventory.Host // sorted by name
	Findings []inventory.Finding
	// Addresses are those that hosts are known by besides their interfaces' own,
	// by the host's name.
	Addresses map[string][]netip.Addr
	// Objects has the contents of the files, to tell what differs within a role;
	// nil: their hashes do.
	Objects *inventory.Objects
}

var (
	//go:embed page.html.tmpl
	markup string
	//go:embed page.css
	style string
	//go:embed page.js
	script string

	page = template.Must(template.New("page").Parse(markup))
)

// contents is what the template shows.
type contents struct {
	Name   string
	Policy string
	Style  template.CSS
	Script template.JS
	Hosts  []row
	Roles  []role
	Groups []moveGroup
	Left   []leftOut
	Kinds  []kind
	Map    *drawing
	Data   *data
}

// Write writes the page of a site. The same site makes the same bytes.
func Write(w io.Writer, s Site) error { return write(w, s, script) }

func write(w io.Writer, s Site, script string) error {
	grouped, survey := roles.Of(s.Hosts), roles.SurveyOf(s.Hosts, s.Objects)
	links := linksOf(s)
	c := contents{
		Name:   inventory.Printable(s.Name),
		Policy: policy(script),
		Style:  template.CSS(style), //nolint:gosec // as the script
		Script: template.JS(script), //nolint:gosec // it is this package's own file: Write alone passes it
		Hosts:  overview(s, survey.Roles),
		Roles:  rolesOf(survey.Roles),
		Groups: groupsOf(survey.MoveGroups),
		Left:   leftOutOf(survey.LeftOut),
		Kinds:  kindsOf(s.Findings),
		Map:    draw(grouped, links),
		Data:   dataOf(s, survey.Roles, links),
	}
	b := bufio.NewWriter(w)
	if err := errors.Join(page.Execute(b, c), b.Flush()); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// policy is a Content-Security-Policy under which nothing but the page's own
// script and style is taken: whatever a host may have put into a name stays text.
func policy(script string) string {
	return strings.Join([]string{
		"default-src 'none'", "script-src " + source(script), "style-src " + source(style),
		"base-uri 'none'", "form-action 'none'",
	}, "; ")
}

func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
