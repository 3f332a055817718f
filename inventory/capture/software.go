package capture

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/inventory"
)

// certificates reads pairs of a path and the certificates in that file.
func (p *parser) certificates(text string) error {
	for _, r := range records(text, 2) {
		block, _ := pem.Decode([]byte(r[1]))
		if block == nil {
			p.miss(inventory.Missing{What: r[0], Reason: inventory.Failed, Detail: "no certificate in it can be read"})
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			p.miss(inventory.Missing{What: r[0], Reason: inventory.Failed, Detail: lastLine(err.Error())})
			continue
		}
		if c.IsCA && p.owner(r[0]) != "" {
			continue // a package's own trust
		}
		sum := sha256.Sum256(c.Raw)
		cert := inventory.Certificate{
			File: inventory.Text(r[0]), Subject: c.Subject.String(), Issuer: c.Issuer.String(), Names: slices.Clone(c.DNSNames),
			From: c.NotBefore.UTC().Format(time.RFC3339), Until: c.NotAfter.UTC().Format(time.RFC3339),
			SHA256: hex.EncodeToString(sum[:]), SelfMade: c.Issuer.String() == c.Subject.String(),
		}
		for _, ip := range c.IPAddresses {
			cert.Names = append(cert.Names, ip.String())
		}
		p.host.Certificates = append(p.host.Certificates, cert)
	}
	slices.SortFunc(p.host.Certificates, func(a, b inventory.Certificate) int { return cmp.Compare(a.File, b.File) })
	return nil
}

// inspected is what the engine's template prints of a container.
type inspected struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Image   string `json:"image"`
	ImageID string `json:"image_id"`
	Running bool   `json:"running"`
	Restart string `json:"restart"`
	Ports   map[string][]struct {
		HostIP   string `json:"HostIp"`
		HostPort string `json:"HostPort"`
	} `json:"ports"`
	Binds  []string          `json:"binds"`
	Labels map[string]string `json:"labels"`
}

// containers reads lines "container ENGINE JSON" and "image ENGINE NAME|TAG|ID|DIGEST".
func (p *parser) containers(text string) error {
	for _, line := range lines(text) {
		kind, rest, _ := strings.Cut(line, " ")
		engine, rest, _ := strings.Cut(rest, " ")
		switch kind {
		case "container":
			var c inspected
			if err := json.Unmarshal([]byte(rest), &c); err != nil {
				return fmt.Errorf("read container: %w", err)
			}
			p.host.Containers = append(p.host.Containers, c.model(engine))
		case "image":
			f := strings.Split(rest, "|")
			if len(f) != 4 {
				return fmt.Errorf("%.60q is no image", rest)
			}
			p.host.Images = append(p.host.Images, inventory.Image{Engine: engine, Name: f[0] + ":" + f[1], ID: f[2], Digest: strings.Replace(f[3], "<none>", "", 1)})
		}
	}
	slices.SortFunc(p.host.Containers, func(a, b inventory.Container) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Engine, b.Engine))
	})
	slices.SortFunc(p.host.Images, func(a, b inventory.Image) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return nil
}

func (c inspected) model(engine string) inventory.Container {
	m := inventory.Container{
		Engine: engine, Name: strings.TrimPrefix(c.Name, "/"), Image: c.Image, Digest: c.ImageID, Running: c.Running,
		Restart: c.Restart, Mounts: c.Binds, Compose: c.Labels["com.docker.compose.project.config_files"], ID: c.ID,
	}
	for port, bindings := range c.Ports {
		for _, b := range bindings {
			m.Ports = append(m.Ports, cmp.Or(b.HostIP, "0.0.0.0")+":"+b.HostPort+"->"+port)
		}
	}
	slices.Sort(m.Ports)
	slices.Sort(m.Mounts)
	return m
}

var (
	versioned = regexp.MustCompile(`^(.+?)-(\d[^-]*?)(?:-py[\d.]+)?(?:-[a-z0-9_]+)?\.(?:dist-info|egg-info|gemspec)$`)
	npmField  = regexp.MustCompile(`"version"\s*:\s*"([^"]*)"`)
)

// languages reads records of manager, path and, of npm, the line with the version.
func (p *parser) languages(text string) error {
	for _, r := range records(text, 3) {
		l := inventory.LanguagePackage{Manager: r[0], Folder: path.Dir(r[1])}
		switch r[0] {
		case "pip", "gem":
			m := versioned.FindStringSubmatch(path.Base(r[1]))
			if m == nil || p.owner(r[1]) != "" || p.owner(r[1]+"/METADATA") != "" {
				continue
			}
			l.Name, l.Version = m[1], m[2]
		case "npm":
			dir := path.Dir(r[1])
			l.Name, l.Folder = path.Base(dir), path.Dir(dir)
			if scope := path.Base(l.Folder); strings.HasPrefix(scope, "@") {
				l.Name, l.Folder = scope+"/"+l.Name, path.Dir(l.Folder)
			}
			if m := npmField.FindStringSubmatch(r[2]); m != nil {
				l.Version = m[1]
			}
		case "composer":
			l.Folder = path.Dir(path.Dir(l.Folder))
			if err := p.composer(l, r[2]); err != nil {
				return err
			}
			continue
		default:
			return fmt.Errorf("%.60q is no package manager", r[0])
		}
		p.host.Languages = append(p.host.Languages, l)
	}
	slices.SortFunc(p.host.Languages, func(a, b inventory.LanguagePackage) int {
		return cmp.Or(cmp.Compare(a.Manager, b.Manager), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Folder, b.Folder), cmp.Compare(a.Version, b.Version))
	})
	return nil
}

// composer reads installed.json of either version: a list, or one in "packages".
func (p *parser) composer(l inventory.LanguagePackage, text string) error {
	type pkg struct{ Name, Version string }
	var all struct{ Packages []pkg }
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		if err := json.Unmarshal([]byte(text), &all.Packages); err != nil {
			return fmt.Errorf("read composer's packages: %w", err)
		}
	}
	for _, c := range all.Packages {
		l.Name, l.Version = c.Name, c.Version
		p.host.Languages = append(p.host.Languages, l)
	}
	return nil
}

// builds are files that tell how an application is put together.
var builds = map[string]string{
	"composer.lock": "composer", "package-lock.json": "npm", "yarn.lock": "npm", "Gemfile.lock": "ruby", "requirements.txt": "python", "Procfile": "procfile",
}

// releases reads records of kind, path and two that depend on the kind.
func (p *parser) releases(text string) error {
	kept := map[string]int{} // how many releases lie beside a "current"
	all := records(text, 4)
	for _, r := range all {
		if r[0] == "release" {
			kept[path.Dir(path.Dir(r[1]))]++
		}
	}
	seen := map[string]bool{}
	for _, r := range all {
		rel := inventory.Release{Path: inventory.Text(r[1]), Kind: r[0]}
		switch {
		case r[0] == "git":
			rel.Version = r[2]
			rel.Remote, _ = p.redactor.Command(r[3])
		case r[0] == "current":
			rel.Path = inventory.Text(path.Dir(r[1]))
			rel.Version = path.Base(r[2])
			rel.Previous = max(kept[string(rel.Path)]-1, 0)
		case builds[r[0]] != "":
			rel.Kind, rel.Path = builds[r[0]], inventory.Text(path.Dir(r[1]))
		case strings.HasSuffix(r[0], ".yml") || strings.HasSuffix(r[0], ".yaml"):
			p.host.Compose = append(p.host.Compose, inventory.Compose{File: rel.Path})
			continue
		default:
			continue // counted above
		}
		if key := rel.Kind + "\x00" + string(rel.Path); !seen[key] {
			seen[key] = true
			p.host.Releases = append(p.host.Releases, rel)
		}
	}
	slices.SortFunc(p.host.Releases, func(a, b inventory.Release) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind))
	})
	return nil
}

// redis reads of each server its address, INFO, and CONFIG GET.
func (p *parser) redis(text string) error {
	for part := range strings.SplitSeq("\n"+text, "\nserver ") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		info, config, _ := strings.Cut(part, "\nconfig\n")
		l := lines(info)
		r := inventory.Redis{Address: l[0]}
		if strings.Contains(info, "NOAUTH") || strings.Contains(info, "WRONGPASS") {
			p.miss(inventory.Missing{What: "redis " + r.Address, Reason: inventory.Denied, Detail: "the server wants a password"})
			p.host.Redis = append(p.host.Redis, r)
			continue
		}
		v := map[string]string{}
		for _, line := range l[1:] {
			if key, value, ok := strings.Cut(line, ":"); ok {
				v[key] = value
				if strings.HasPrefix(key, "db") && strings.HasPrefix(value, "keys=") {
					r.Keys = append(r.Keys, strings.TrimPrefix(key, "db"))
				}
			}
		}
		r.Version, r.Role = cmp.Or(v["valkey_version"], v["redis_version"]), v["role"]
		if r.Version == "" {
			return errors.New("the server tells no version")
		}
		if v["master_host"] != "" {
			r.Upstream = v["master_host"] + ":" + v["master_port"]
		}
		r.Replicas, _ = strconv.Atoi(v["connected_slaves"])
		used, _ := strconv.ParseInt(v["used_memory_dataset"], 10, 64)
		r.Memory = roundUp(used)
		r.Settings = p.redisSettings(lines(config))
		p.host.Redis = append(p.host.Redis, r)
	}
	slices.SortFunc(p.host.Redis, func(a, b inventory.Redis) int { return cmp.Compare(a.Address, b.Address) })
	return nil
}

// redisKept are the settings of Redis that make a difference to a move.
var redisKept = strings.Fields(`appendonly appendfsync bind databases dbfilename dir maxclients maxmemory maxmemory-policy port protected-mode
	replicaof save unixsocket timeout tls-port cluster-enabled io-threads notify-keyspace-events requirepass masterauth aclfile rename-command lazyfree-lazy-eviction`)

func (p *parser) redisSettings(l []string) []inventory.Setting {
	var all []inventory.Setting
	for i := 0; i+1 < len(l); i++ {
		if !slices.Contains(redisKept, l[i]) || slices.Contains(redisKept, l[i+1]) {
			continue // the value is empty: the next line is a name
		}
		all = append(all, p.setting("redis", inventory.Setting{Name: l[i], Value: l[i+1]}))
		i++
	}
	slices.SortFunc(all, func(a, b inventory.Setting) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// setting takes the secret out of a setting of a server.
func (p *parser) setting(server string, s inventory.Setting) inventory.Setting {
	value, found := p.redactor.Setting(s.Name, s.Value)
	for _, f := range found {
		p.host.Secrets = append(p.host.Secrets, inventory.Secret{Path: inventory.Text(server), Kind: f.Kind, Key: s.Name, Token: f.Token})
	}
	s.Value = value
	return s
}
