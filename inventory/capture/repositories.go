package capture

import (
	"cmp"
	endian "encoding/binary"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// repositories reads the sources of packages; see sources.list(5) and dnf.conf(5).
func (p *parser) repositories() {
	for _, file := range slices.Sorted(maps.Keys(p.contents)) {
		text := p.contents[file]
		switch {
		case strings.HasPrefix(file, "/etc/apt/") && strings.HasSuffix(file, ".list"):
			p.sourcesList(file, text)
		case strings.HasPrefix(file, "/etc/apt/sources.list.d/") && strings.HasSuffix(file, ".sources"):
			p.sourcesStanzas(file, text)
		case strings.HasPrefix(file, "/etc/yum.repos.d/"):
			p.yum(file, text)
		case file == "/etc/dnf/plugins/versionlock.list":
			p.versionLocks(text)
		}
	}
	slices.SortStableFunc(p.host.Repositories, func(a, b inventory.Repository) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Name, b.Name), cmp.Compare(a.URL, b.URL), slices.Compare(a.Suites, b.Suites), cmp.Compare(a.Kind, b.Kind))
	})
}

func (p *parser) addRepository(r inventory.Repository) {
	r.URL, _ = p.redactor.Command(r.URL)
	p.host.Repositories = append(p.host.Repositories, r)
}

// sourcesList reads the one-line format: deb [options] url suite components.
func (p *parser) sourcesList(file, text string) {
	for _, line := range lines(text) {
		line, _, _ = strings.Cut(line, "#")
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if kind != "deb" && kind != "deb-src" {
			continue
		}
		r := inventory.Repository{File: file, Kind: kind}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			options, after, _ := strings.Cut(rest[1:], "]")
			rest = after
			for _, o := range strings.Fields(options) {
				key, value, _ := strings.Cut(o, "=")
				setRepositoryOption(&r, key, value)
			}
		}
		f := strings.Fields(rest)
		if len(f) < 2 {
			continue
		}
		r.URL, r.Suites = f[0], []string{f[1]}
		r.Components = append(r.Components, f[2:]...)
		p.addRepository(r)
	}
}

func setRepositoryOption(r *inventory.Repository, key, value string) {
	switch strings.ToLower(key) {
	case "signed-by":
		value = strings.TrimSpace(value)
		if strings.Contains(value, "BEGIN PGP") {
			value = "(in the file itself)"
		}
		r.SignedBy = strings.FieldsFunc(value, func(c rune) bool { return c == ',' || c == ' ' && !strings.HasPrefix(value, "(") })
	case "trusted", "allow-insecure":
		r.Unsigned = r.Unsigned || value == "yes"
	case "enabled":
		r.Disabled = value == "no"
	}
}

// sourcesStanzas reads the deb822 format.
func (p *parser) sourcesStanzas(file, text string) {
	for stanza := range strings.SplitSeq(text, "\n\n") {
		v, key := map[string]string{}, ""
		for _, line := range lines(stanza) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
				v[key] += "\n" + strings.TrimSpace(line)
				continue
			}
			k, value, _ := strings.Cut(line, ":")
			key = strings.ToLower(k)
			v[key] = strings.TrimSpace(value)
		}
		for _, kind := range strings.Fields(v["types"]) {
			for _, url := range strings.Fields(v["uris"]) {
				r := inventory.Repository{File: file, Kind: kind, URL: url}
				r.Suites, r.Components = append(r.Suites, strings.Fields(v["suites"])...), append(r.Components, strings.Fields(v["components"])...)
				for _, k := range []string{"signed-by", "trusted", "allow-insecure", "enabled"} {
					if v[k] != "" {
						setRepositoryOption(&r, k, v[k])
					}
				}
				p.addRepository(r)
			}
		}
	}
}

// yum reads the repository files of dnf and yum.
func (p *parser) yum(file, text string) {
	var r *inventory.Repository
	var key string
	checked := false
	end := func() {
		if r != nil && r.URL != "" {
			r.Unsigned = !checked
			p.addRepository(*r)
		}
		r = nil
	}
	for _, line := range lines(text) {
		t := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(t, "#") || strings.HasPrefix(t, ";"):
			continue
		case strings.HasPrefix(t, "[") && strings.HasSuffix(t, "]"):
			end()
			r, checked = &inventory.Repository{File: file, Kind: "rpm", Name: t[1 : len(t)-1]}, true // dnf checks signatures by default
			continue
		case r == nil:
			continue
		}
		value := t
		if k, v, ok := strings.Cut(t, "="); ok && line[0] != ' ' && line[0] != '\t' {
			key, value = strings.TrimSpace(k), strings.TrimSpace(v)
		}
		switch key {
		case "baseurl", "mirrorlist", "metalink":
			r.URL = cmp.Or(r.URL, value)
		case "enabled":
			r.Disabled = value == "0" || value == "false" || value == "no"
		case "gpgcheck":
			checked = value == "1" || value == "true" || value == "yes"
		case "gpgkey":
			r.SignedBy = append(r.SignedBy, strings.Fields(value)...)
		}
	}
	end()
}

// versionLocks marks the packages that dnf's versionlock holds.
func (p *parser) versionLocks(text string) {
	for _, line := range lines(text) {
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "!") {
			continue
		}
		for i := range p.host.Packages {
			k := &p.host.Packages[i]
			full := k.Name + "-" + k.Version
			if ok, err := path.Match(strings.TrimSpace(line), k.Name); err == nil && ok || strings.HasPrefix(strings.Replace(line, "0:", "", 1), full) {
				k.Held = true
			}
		}
	}
}

// repositoryKeys are the folders of the keys that sign repositories.
var repositoryKeys = []string{"/etc/apt/keyrings/", "/etc/apt/trusted.gpg.d/"}

func isRepositoryKey(name string) bool {
	for _, dir := range repositoryKeys {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return false
}

// Kinds of OpenPGP packets in a public key; see RFC 9580, section 5.
const (
	packetSignature     = 2
	packetPublicKey     = 6
	packetTrust         = 12
	packetUser          = 13
	packetPublicSubkey  = 14
	packetUserAttribute = 17
)

// onlyPublicKeys reports whether data consists of OpenPGP public keys in binary
// form. These are stored as they are, unlike other files that are not text.
func onlyPublicKeys(data []byte) bool {
	for first := true; len(data) > 0; first = false {
		kind, header, size := packet(data)
		if header == 0 || size < 0 || size > len(data)-header || first && kind != packetPublicKey {
			return false
		}
		switch kind {
		case packetSignature, packetPublicKey, packetTrust, packetUser, packetPublicSubkey, packetUserAttribute:
		default: // a secret key, or no part of a key
			return false
		}
		data = data[header+size:]
		if len(data) == 0 {
			return true
		}
	}
	return false
}

// packet reads the header of a packet: its kind, and the lengths of the header and
// the body; see RFC 9580, section 4.2. A header length of 0 means that there is no
// header, or that its form of length does not occur in keys.
func packet(data []byte) (kind, header, size int) {
	if len(data) < 2 || data[0]&0x80 == 0 {
		return 0, 0, 0
	}
	if data[0]&0x40 == 0 { // the old form
		kind = int(data[0] >> 2 & 0xf)
		switch {
		case data[0]&3 == 0:
			return kind, 2, int(data[1])
		case data[0]&3 == 1 && len(data) >= 3:
			return kind, 3, int(endian.BigEndian.Uint16(data[1:]))
		case data[0]&3 == 2 && len(data) >= 5:
			return kind, 5, int(endian.BigEndian.Uint32(data[1:]))
		}
		return 0, 0, 0
	}
	kind = int(data[0] & 0x3f)
	switch {
	case data[1] < 192:
		return kind, 2, int(data[1])
	case data[1] < 224 && len(data) >= 3:
		return kind, 3, (int(data[1])-192)<<8 + int(data[2]) + 192
	case data[1] == 255 && len(data) >= 6:
		return kind, 6, int(endian.BigEndian.Uint32(data[2:]))
	}
	return 0, 0, 0
}
