package export

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dcmigrate/migrate/report"
)

const (
	// maxUserData is the size of user-data that DigitalOcean accepts, in bytes.
	// https://docs.digitalocean.com/reference/api/digitalocean/#tag/Droplets/operation/droplets_create
	maxUserData = 64 << 10
	// minPackedSize is the size from which contents are packed, in bytes.
	minPackedSize = 512
	// secretsFile has the values of secrets while the host boots.
	secretsFile = "/run/migrate/secrets" //nolint:gosec // a path
)

// cloudInit writes the user-data of each role, and of each host that has more than its
// role.
func (f files) cloudInit(s *site) error {
	for _, r := range s.Roles {
		base := s.Common
		base.add(r.recipe)
		if err := f.userData(r.Name+".yaml", "Makes a fresh host one of "+r.Name+".", base, s); err != nil {
			return err
		}
		for _, h := range r.Hosts {
			if h.recipe.isEmpty() {
				continue
			}
			whole := s.Common
			whole.add(r.recipe)
			whole.add(h.recipe)
			if err := f.userData("hosts/"+h.Name+".yaml", "Makes a fresh host what "+h.Name+" is.", whole, s); err != nil {
				return err
			}
		}
	}
	f.put("README.md", cloudReadme)
	return nil
}

// userData writes one document.
func (f files) userData(name, title string, r recipe, s *site) error {
	c := cloudConfig{recipe: &r}
	var wanted []Needed
	for _, n := range s.Secrets {
		if slices.Contains(r.secretNames(s.names), n.Name) {
			wanted = append(wanted, n)
		}
	}
	first := "#cloud-config\n# " + title
	if len(wanted) > 0 {
		first += "\n# Fill in the values in " + secretsFile + " below before it is used."
	}
	writes, err := c.writeFiles(wanted)
	if err != nil {
		return err
	}
	doc := mapping{c.masks(), {"package_update", true}}
	if packages := c.packages(); len(packages) > 0 {
		doc = append(doc, pair{"packages", packages})
	}
	if len(writes) > 0 {
		doc = append(doc, pair{"write_files", writes})
	}
	doc = append(doc, pair{"runcmd", c.commands(len(wanted) > 0)})
	n := nodeOf(doc)
	shareTexts(n) // the size is limited
	text, err := encode(first, n)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxUserData {
		return report.WithHint(fmt.Errorf("user-data %s is %d bytes, and DigitalOcean takes %d", name, len(text), maxUserData),
			"export as ansible or salt, which have no such limit")
	}
	f.put(name, text)
	return nil
}

// cloudConfig makes the parts of a document.
// https://cloudinit.readthedocs.io/en/latest/reference/modules.html
type cloudConfig struct{ *recipe }

// masks returns a boot command that masks units, so that packages do not start them:
// boot commands run before packages are installed.
func (c cloudConfig) masks() pair {
	words := []string{"cloud-init-per", "once", "migrate-masks", "systemctl", "mask", "--"}
	for _, u := range c.maskedUnits() {
		words = append(words, u.Name)
	}
	if len(c.maskedUnits()) == 0 {
		return pair{}
	}
	return pair{"bootcmd", list{words}}
}

func (c cloudConfig) packages() list {
	var l list
	for _, p := range c.Packages {
		if p.Held {
			l = append(l, list{p.Name, p.Version})
		} else {
			l = append(l, p.Name)
		}
	}
	return l
}

// writeFiles returns the files. Those of apt are written before packages are installed,
// the others after, when their folders exist. Owners are set later, with the accounts.
func (c cloudConfig) writeFiles(wanted []Needed) (list, error) {
	var l list
	if len(wanted) > 0 {
		var b strings.Builder
		for _, n := range wanted {
			b.WriteString("# " + n.Kind + " in " + strings.Join(n.Where, ", ") + "\n" + n.Token + "=\n")
		}
		l = append(l, mapping{{"path", secretsFile}, {"permissions", "0600"}, {"defer", true}, {"content", block(b.String())}})
	}
	for _, f := range c.Files {
		if f.Link != "" {
			continue
		}
		one := mapping{{"path", f.Path}, {"permissions", f.Mode}}
		// update-alternatives does not replace a file, but cloud-init would write through its link
		if f.Use != useApt && f.Path != "/etc/mysql/my.cnf" {
			one = append(one, pair{"defer", true})
		}
		packed, err := pack(f.Text)
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", asciiLine(f.Path), err)
		}
		if packed != "" {
			one = append(one, pair{"encoding", "gz+b64"}, pair{"content", packed})
		} else {
			one = append(one, pair{"content", block(f.Text)})
		}
		l = append(l, one)
	}
	return l, nil
}

// pack returns contents gzipped and in base64, or "" if they are text and that saves
// little.
func pack(text string) (string, error) {
	isText := utf8.ValidString(text)
	if isText && len(text) < minPackedSize {
		return "", nil
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	packed := base64.StdEncoding.EncodeToString(b.Bytes())
	if isText && len(packed) >= len(text) {
		return "", nil
	}
	return packed, nil
}

const cloudReadme = `# cloud-init, as exported

ROLE.yaml is the user-data of a role's hosts; hosts/HOST.yaml that of a host which has more than its
role. Fill in the secrets in ` + "`" + secretsFile + "`" + ` of each: the value after the sign =, as it is, without
quotes. Whoever is root on the host can read user-data again: change secrets that must not stay there.

    migrate-secret-0123456789abcdef=the value

A host whose secrets are not filled in stops its first boot there, and says so in
/var/log/cloud-init-output.log.

Crontabs and timers start on the new host as soon as this is applied, while the old one still serves:
stop those that must run once only. A service that is only disabled may run until its package is set up.

NOT-EXPORTED.md lists what is not here, and why. REWRITTEN.md lists the old addresses that were
replaced, and those that still stand in files.
`
