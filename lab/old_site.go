package lab

import (
	"context"
	_ "embed" // the blog's schema
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// hostNames are the host names that clients request. All are proxied: by an A
// record, a CNAME and a wildcard, in two zones.
var hostNames = []string{"blog.test", "www.blog.test", "anna.blog.test", "shop.test"}

//go:embed blog/schema.sql
var schema string

const nginxSite = `server {
	listen 80 default_server;
	listen [::]:80 default_server;
	add_header X-Served-By $server_addr always;
	location / {
		proxy_pass http://127.0.0.1:8080;
		proxy_http_version 1.1;
		proxy_set_header Host $host;
		proxy_set_header Connection "";
	}
}
`

const blogUnit = `[Unit]
Description=The blog
After=network.target

[Service]
EnvironmentFile=/etc/blog/blog.env
ExecStart=/opt/blog/blog
User=www-data
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`

const mariadbConf = `[mysqld]
bind-address = 0.0.0.0
server_id = 1
gtid_domain_id = 1
log_bin = mysqld-bin
log_slave_updates = 1
binlog_format = ROW
event_scheduler = ON
innodb_buffer_pool_size = 64M
`

const startBlog = "systemctl daemon-reload && systemctl enable --now blog.service && systemctl reload-or-restart nginx"

func webSpec(key string, app []byte, password secret.Value) machine.Spec {
	env := fmt.Sprintf("BLOG_DSN=blog:%s@tcp(%s:3306)/blog\nBLOG_LISTEN=127.0.0.1:8080\n", password.Open(), DBAddress)
	return machine.Spec{
		Name: "web1", Layer: machine.OldSite, Addresses: []netip.Addr{netip.MustParseAddr(WebAddress)},
		AuthorizedKeys: []string{key}, Memory: 1 << 30, CPUs: 1,
		Files: map[string]machine.File{
			"/opt/blog/blog":                     {Content: app, Mode: 0o755},
			"/etc/blog/blog.env":                 {Content: []byte(env), Mode: 0o640, Owner: "root:www-data"},
			"/etc/systemd/system/blog.service":   {Content: []byte(blogUnit)},
			"/etc/nginx/sites-available/default": {Content: []byte(nginxSite)},
		},
	}
}

func dbSpec(key string) machine.Spec {
	return machine.Spec{
		Name: "db1", Layer: machine.OldSite, Addresses: []netip.Addr{netip.MustParseAddr(DBAddress)},
		AuthorizedKeys: []string{key}, Memory: 2 << 30, CPUs: 1,
		Files: map[string]machine.File{"/etc/mysql/mariadb.conf.d/60-blog.cnf": {Content: []byte(mariadbConf)}},
	}
}

// loadDatabase waits for the server, and loads the blog's schema, some years of
// posts, and the application's user.
func (l *Lab) loadDatabase(ctx context.Context, password secret.Value) error {
	l.options.Progress("filling the blog's database")
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	user := fmt.Sprintf("CREATE USER 'blog'@'10.213.%%' IDENTIFIED BY '%s';\nGRANT SELECT, INSERT, UPDATE, DELETE ON blog.* TO 'blog'@'10.213.%%';\n", password.Open())
	const load = "until mariadb-admin ping --silent >/dev/null 2>&1; do sleep 0.2; done; exec mariadb --batch"
	if err := l.DB.Exec(ctx, load, strings.NewReader(schema+user), nil); err != nil {
		return fmt.Errorf("fill the database: %w", err)
	}
	return nil
}

// buildBlog compiles the application into the file out and returns the binary. It
// is static, so that it runs on every host.
func buildBlog(ctx context.Context, out string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "github.com/dcmigrate/migrate/lab/blog")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Dir = moduleRoot()
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, report.WithHint(fmt.Errorf("build the blog: %w: %s", err, text), "run the lab from a folder of its checkout, with go in PATH")
	}
	binary, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("read the blog's binary: %w", err)
	}
	return binary, nil
}

// moduleRoot returns the nearest folder at or above the working directory that
// holds go.mod.
func moduleRoot() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	return "."
}

// zones returns the records of the blog's two zones at Cloudflare. ttl is that of
// the hosts' DNS-only records, in seconds.
func zones(ttl int) map[string][]cfsim.Record {
	return map[string][]cfsim.Record{
		"blog.test": {
			{Type: "A", Name: "blog.test", Content: WebAddress, TTL: 1, Proxied: true, Comment: "the blog"},
			{Type: "CNAME", Name: "www.blog.test", Content: "blog.test", TTL: 1, Proxied: true},
			{Type: "A", Name: "*.blog.test", Content: WebAddress, TTL: 1, Proxied: true, Comment: "customers' blogs"},
			{Type: "A", Name: "origin.blog.test", Content: WebAddress, TTL: ttl},
			{Type: "A", Name: "db.blog.test", Content: DBAddress, TTL: ttl},
			{Type: "A", Name: "legacy.blog.test", Content: "192.0.2.77", TTL: 300},
			{Type: "MX", Name: "blog.test", Content: "mail.blog.test", Priority: 10, TTL: 300},
			{Type: "A", Name: "mail.blog.test", Content: "192.0.2.25", TTL: 300},
			{Type: "TXT", Name: "blog.test", Content: `"v=spf1 ip4:` + WebAddress + ` -all"`, TTL: 300},
		},
		"shop.test": {
			{Type: "A", Name: "shop.test", Content: WebAddress, TTL: 1, Proxied: true},
			{Type: "TXT", Name: "shop.test", Content: `"hello"`, TTL: 300},
		},
	}
}

// serve answers on listener until Shutdown.
func serve(listener net.Listener, h http.Handler) *http.Server {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(listener) }() // ends with ErrServerClosed at Shutdown
	return srv
}
