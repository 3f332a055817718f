// Package page makes one HTML file of an inventory: a table of the hosts, their
// roles and move groups, the map of connections, the findings, a page for each host,
// and a search over everything. It needs the captured hosts and their findings. The
// file makes no network request, and text from hosts is never run as markup or
// script.
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
	"github.com/dcmigrate/migrate/inventory/findings"
	"github.com/dcmigrate/migrate/inventory/roles"
)

// Site is what a page shows.
type Site struct {
	Name     string
	Hosts    []*inventory.Host // sorted by name
	Findings []findings.Finding
	// Addresses are addresses of hosts that their interfaces do not show, by the
	// host's name.
	Addresses map[string][]netip.Addr
	// Objects has the contents of the files, which show what differs within a role.
	// If it is nil, hashes are compared.
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

// pageData is the data of the template.
type pageData struct {
	Name    string
	Policy  string
	Style   template.CSS
	Script  template.JS
	Hosts   []hostRow
	Roles   []role
	Groups  []moveGroup
	LeftOut []leftOut
	Kinds   []findingKind
	Map     *drawing
	Data    *data
}

// Write writes the page of a site. Equal sites make equal bytes.
func Write(w io.Writer, s Site) error { return write(w, s, script) }

func write(w io.Writer, s Site, script string) error {
	grouped, survey := roles.Of(s.Hosts), roles.SurveyOf(s.Hosts, s.Objects)
	links := linksOf(s)
	c := pageData{
		Name:    inventory.Printable(s.Name),
		Policy:  policy(script),
		Style:   template.CSS(style), //nolint:gosec // as the script
		Script:  template.JS(script), //nolint:gosec // this package's own file: only Write passes it
		Hosts:   hostRows(s, survey.Roles),
		Roles:   rolesOf(survey.Roles),
		Groups:  groupsOf(survey.MoveGroups),
		LeftOut: leftOutOf(survey.LeftOut),
		Kinds:   kindsOf(s.Findings),
		Map:     draw(grouped, links),
		Data:    dataOf(s, survey.Roles, links),
	}
	b := bufio.NewWriter(w)
	if err := errors.Join(page.Execute(b, c), b.Flush()); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// policy returns a Content-Security-Policy that allows only the page's own script
// and style: whatever a host may have put into a name stays text.
func policy(script string) string {
	return strings.Join([]string{
		"default-src 'none'", "script-src " + sourceHash(script), "style-src " + sourceHash(style),
		"base-uri 'none'", "form-action 'none'",
	}, "; ")
}

func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
