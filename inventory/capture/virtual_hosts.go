package capture

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// virtualHosts reads the sites of the web servers.
func (p *parser) virtualHosts() {
	for _, file := range slices.Sorted(maps.Keys(p.contents)) {
		text := p.contents[file]
		switch {
		case strings.Contains(file, "/sites-available/") && !p.enabled(file):
		case strings.HasPrefix(file, "/etc/nginx/"):
			p.nginx(file, text)
		case strings.HasPrefix(file, "/etc/apache2/"), strings.HasPrefix(file, "/etc/httpd/"):
			p.apache(file, text)
		case strings.HasPrefix(file, "/etc/haproxy/"):
			p.haproxy(file, text)
		}
	}
}

// enabled reports whether a link in sites-enabled points to the file.
func (p *parser) enabled(file string) bool {
	base := file[strings.LastIndexByte(file, '/')+1:]
	dir := strings.Replace(file[:strings.LastIndexByte(file, '/')+1], "/sites-available/", "/sites-enabled/", 1)
	for name, f := range p.tree {
		if strings.HasPrefix(name, dir) && f.Kind == kinds["l"] && strings.HasSuffix(string(f.Target), "/"+base) {
			return true
		}
	}
	return false
}

var (
	nginxServer = regexp.MustCompile(`^\s*server\s*\{`)
	directive   = regexp.MustCompile(`([A-Za-z_]+)\s+([^;{}]+)`)
)

// nginx reads server blocks. Their directives end with semicolons, and several may
// share a line.
func (p *parser) nginx(file, text string) {
	var v *inventory.VirtualHost
	depth, at := 0, 0
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if v == nil && nginxServer.MatchString(line) {
			v, at = &inventory.VirtualHost{Server: "nginx", File: inventory.Text(file), Line: i + 1}, depth
			line = line[strings.IndexByte(line, '{'):]
		}
		if v != nil {
			for part := range strings.SplitSeq(strings.NewReplacer("{", ";", "}", ";").Replace(line), ";") {
				if m := directive.FindStringSubmatch(part); m != nil {
					nginxDirective(v, m[1], strings.Fields(m[2]))
				}
			}
		}
		depth += strings.Count(line, "{") - strings.Count(line, "}")
		if v != nil && depth <= at {
			p.host.VirtualHosts = append(p.host.VirtualHosts, *v)
			v = nil
		}
	}
}

func nginxDirective(v *inventory.VirtualHost, name string, args []string) {
	switch name {
	case "server_name":
		v.Names = append(v.Names, args...)
	case "listen":
		v.Listen = append(v.Listen, args[0])
		v.TLS = v.TLS || slices.Contains(args, "ssl")
	case "root":
		if v.Root == "" {
			v.Root = args[0]
		}
	case "proxy_pass", "fastcgi_pass", "uwsgi_pass", "grpc_pass":
		if !slices.Contains(v.Proxies, args[0]) {
			v.Proxies = append(v.Proxies, args[0])
		}
	}
}

// apache reads <VirtualHost> sections.
func (p *parser) apache(file, text string) {
	var v *inventory.VirtualHost
	for i, line := range strings.Split(text, "\n") {
		f := strings.Fields(strings.TrimSpace(line))
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		name := strings.ToLower(f[0])
		if name == "<virtualhost" {
			v = &inventory.VirtualHost{Server: "apache", File: inventory.Text(file), Line: i + 1}
			for _, a := range f[1:] {
				v.Listen = append(v.Listen, strings.TrimSuffix(a, ">"))
			}
			continue
		}
		if v == nil {
			continue
		}
		switch {
		case name == "</virtualhost>":
			p.host.VirtualHosts = append(p.host.VirtualHosts, *v)
			v = nil
		case len(f) < 2:
		case name == "servername" || name == "serveralias":
			v.Names = append(v.Names, f[1:]...)
		case name == "documentroot":
			v.Root = unquote(f[1])
		case name == "proxypass" && len(f) > 2:
			v.Proxies = append(v.Proxies, f[2])
		case name == "sslengine":
			v.TLS = strings.EqualFold(f[1], "on")
		}
	}
}

// haproxy reads the frontend, listen and backend sections and their servers.
func (p *parser) haproxy(file, text string) {
	var v *inventory.VirtualHost
	end := func() {
		if v != nil {
			p.host.VirtualHosts = append(p.host.VirtualHosts, *v)
		}
		v = nil
	}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if line[0] != ' ' && line[0] != '\t' {
			end()
			if (f[0] == "frontend" || f[0] == "listen" || f[0] == "backend") && len(f) > 1 {
				v = &inventory.VirtualHost{Server: "haproxy", File: inventory.Text(file), Line: i + 1, Names: []string{f[0] + " " + f[1]}}
			}
			continue
		}
		switch {
		case v == nil || len(f) < 2:
		case f[0] == "bind":
			v.Listen = append(v.Listen, f[1])
			v.TLS = v.TLS || slices.Contains(f, "ssl")
		case f[0] == "server" && len(f) > 2:
			v.Proxies = append(v.Proxies, f[2])
		}
	}
	end()
}
