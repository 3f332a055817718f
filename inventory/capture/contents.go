package capture

import (
	"archive/tar"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/redact"
)

//go:embed contents.sh
var contentsScript string

const (
	// maxContent is the largest file that is fetched, in bytes.
	maxContent = 256 << 10
	// maxContents is how many files of a host are fetched at most.
	maxContents = 5000
)

// alwaysFetched matches files that are parsed even if they are unchanged.
var alwaysFetched = regexp.MustCompile(`^/etc/(sudoers|sudoers\.d/[^/]+|crontab|anacrontab|cron\.d/[^/]+|fstab|hosts|sysctl\.conf|sysctl\.d/[^/]+\.conf|` +
	`security/limits\.conf|security/limits\.d/[^/]+\.conf|modules|modules-load\.d/[^/]+\.conf|chrony/.*|chrony\.conf|ntp\.conf|ntpsec/ntp\.conf|systemd/timesyncd\.conf(\.d/[^/]+)?|` +
	`apt/sources\.list|apt/sources\.list\.d/[^/]+|apt/preferences(\.d/[^/]+)?|yum\.repos\.d/[^/]+\.repo|dnf/plugins/versionlock\.list|nginx/.*|apache2/.*|httpd/.*|haproxy/[^/]+\.cfg|caddy/.*|default/docker|docker/daemon\.json)$` +
	`|^/var/spool/cron/([^/]+|crontabs/[^/]+)$`)

// settingsFile matches the names of an application's files that hold settings.
var settingsFile = regexp.MustCompile(`\.(conf|cnf|cfg|ini|ya?ml|json|toml|xml|properties|env|service|timer|sql|htaccess)$|/(wp-config|config[\w.-]*|settings[\w.-]*|parameters[\w.-]*|local[\w.-]*|env|database)\.(php|py|rb|js)$|/(\.env[\w.-]*|\.htaccess|\.htpasswd|Procfile|Dockerfile|\.pgpass|\.netrc|\.my\.cnf|\.git-credentials|\.npmrc|credentials|[\w.-]*\.(sh|conf\.\w+))$`)

// filesToFetch lists the files whose contents are needed.
func (p *parser) filesToFetch() []string {
	want := map[string]bool{}
	add := func(path string, size int64) {
		if size > maxContent || neverRead.match(path) {
			return
		}
		want[path] = true
	}
	for path, f := range p.tree {
		if f.Kind == kinds["f"] && alwaysFetched.MatchString(path) {
			add(path, f.Size)
		}
	}
	for _, f := range p.host.Configuration {
		if f.Kind == kinds["f"] {
			add(string(f.Path), f.Size)
		}
	}
	for _, f := range p.host.Files {
		if f.Kind == kinds["f"] && settingsFile.MatchString(string(f.Path)) {
			add(string(f.Path), f.Size)
		}
	}
	for _, c := range p.host.Compose {
		add(string(c.File), 0)
	}
	for _, u := range p.host.Users {
		for _, file := range p.keyFilesOf(u) {
			if p.onNetwork(file) {
				p.addMissing(inventory.Missing{What: file, Reason: inventory.Skipped, Detail: "it lies on a network file system"})
				continue
			}
			want[file], p.keyFiles[file] = true, true
		}
	}
	return slices.Sorted(maps.Keys(want))
}

// fetch reads the contents of files in the second round trip.
func (p *parser) fetch(ctx context.Context) error {
	names := p.filesToFetch()
	if len(names) > maxContents {
		p.addMissing(inventory.Missing{What: "contents", Reason: inventory.Skipped, Detail: fmt.Sprintf("there are %d files to read; the first %d were", len(names), maxContents)})
		names = names[:maxContents]
	}
	if len(names) == 0 {
		return nil
	}
	var answer limitedBuffer
	list := strings.NewReader(strings.Join(names, "\x00") + "\x00")
	if err := p.target.Host.Run(ctx, contentsScript, list, &answer); err != nil {
		return fmt.Errorf("read contents: %w", err)
	}
	if answer.Len() == 0 {
		return errors.New("read contents: the host sent nothing")
	}
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	if err := p.readArchive(&answer, wanted); err != nil {
		return fmt.Errorf("read contents: %w", err)
	}
	for _, name := range names {
		if _, ok := p.contents[name]; !ok && wanted[name] && (!p.keyFiles[name] || p.tree[name] != nil) {
			p.addMissing(inventory.Missing{What: name, Reason: inventory.Denied, Detail: "its contents could not be read"})
		}
	}
	p.addMissingKeyFiles()
	return nil
}

// readArchive keeps the text files and repository keys of an archive. It removes
// the names of all other files, and of keys, from wanted.
func (p *parser) readArchive(r io.Reader, wanted map[string]bool) error {
	archive := tar.NewReader(r)
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		name := "/" + strings.TrimPrefix(head.Name, "/")
		if head.Typeflag != tar.TypeReg || !wanted[name] {
			delete(wanted, name)
			continue
		}
		text, err := io.ReadAll(io.LimitReader(archive, maxContent+1))
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if isRepositoryKey(name) && len(text) <= maxContent && onlyPublicKeys(text) {
			p.keys[name] = text
			delete(wanted, name)
			continue
		}
		if len(text) > maxContent || !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
			delete(wanted, name)
			continue
		}
		p.contents[name] = string(text)
	}
}

// parseSettingsFiles parses the settings files whose formats are known.
func (p *parser) parseSettingsFiles() {
	for _, file := range slices.Sorted(maps.Keys(p.contents)) {
		text := p.contents[file]
		switch {
		case file == "/etc/fstab":
			p.fstab(text)
		case file == "/etc/hosts":
			p.hosts(text)
		case strings.HasPrefix(file, "/etc/security/limits"):
			p.limits(file, text)
		case file == "/etc/modules" || strings.HasPrefix(file, "/etc/modules-load.d/"):
			for _, line := range lines(text) {
				if f := strings.Fields(line); !strings.ContainsAny(f[0][:1], "#;") {
					p.host.Kernel.Persistent = append(p.host.Kernel.Persistent, f[0])
				}
			}
		case strings.HasPrefix(file, "/etc/chrony"), strings.HasPrefix(file, "/etc/ntp"), strings.Contains(file, "timesyncd.conf"):
			p.ntp(file, text)
		}
	}
	slices.Sort(p.host.Kernel.Persistent)
	p.host.Kernel.Persistent = slices.Compact(p.host.Kernel.Persistent)
	p.sysctl()
}

// storeContents redacts the secrets in the contents, lists them, and stores the
// redacted contents. It redacts all files before it stores the first: a secret
// that one file names is then found in the others.
func (p *parser) storeContents(objects *inventory.Objects) error {
	clean := map[string]string{}
	secrets := map[string][]redact.Finding{}
	for _, name := range slices.Sorted(maps.Keys(p.contents)) {
		if isKeyFile(name) {
			continue // its public keys are kept in AuthorizedKeys
		}
		clean[name], secrets[name] = p.redactor.File(name, p.contents[name])
	}
	for _, files := range [][]inventory.File{p.host.Configuration, p.host.Files} {
		for i := range files {
			if err := p.storeContent(&files[i], clean, secrets, objects); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *parser) storeContent(f *inventory.File, clean map[string]string, secrets map[string][]redact.Finding, objects *inventory.Objects) error {
	name := string(f.Path)
	if neverRead.match(name) {
		p.host.Secrets = append(p.host.Secrets, inventory.Secret{Path: f.Path, Kind: "file"})
		return nil
	}
	if key, ok := p.keys[name]; ok && objects != nil {
		var err error
		f.Content, err = objects.Put(key)
		return err
	}
	text, ok := clean[name]
	if !ok {
		return nil
	}
	for _, s := range secrets[name] {
		p.host.Secrets = append(p.host.Secrets, inventory.Secret{Path: f.Path, Line: s.Line, Kind: s.Kind, Key: s.Key, Token: s.Token})
	}
	text = p.redactor.Known(text)
	if text != p.contents[name] && f.SHA256 != "" { // a plain hash would confirm guesses of the secret
		f.HMAC, f.SHA256 = p.redactor.Hash(f.SHA256), ""
	}
	if objects == nil {
		return nil
	}
	var err error
	if f.Content, err = objects.Put([]byte(text)); err != nil {
		return err
	}
	return nil
}
