package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"github.com/dcmigrate/migrate/secret"
)

// Error is one thing that is wrong with the configuration. File is empty for
// values that are not in a file yet.
type Error struct {
	File, Text, Hint string
	Line             int
}

func (e *Error) Error() string {
	switch {
	case e.File == "":
		return e.Text
	case e.Line == 0:
		return e.File + ": " + e.Text
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text)
}

// Wrong returns an error about a setting that hosts or vendors show to be wrong. at
// is its path, such as "dns.exclude[0]".
func (c *Config) Wrong(at, text, hint string) error {
	return &Error{File: c.File, Line: c.lines.of(at), Text: text, Hint: hint}
}

// Load reads, completes and validates the configuration of a move by one of ways.
// It returns the first error that it finds, an *Error. Secrets come from the
// environment variables that the file names. They may be missing: the verbs that
// need one refuse then.
func Load(file string, ways Ways) (*Config, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{File: file, Text: "no such file", Hint: "migrate init"}
	}
	if err != nil {
		var cause *fs.PathError // its text repeats the file's name
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, &Error{File: file, Text: err.Error(), Hint: "name the configuration: migrate --config FILE"}
	}
	c, err := parse(file, data)
	if err != nil {
		return nil, err
	}
	if err := c.defaults(ways); err != nil {
		return nil, err
	}
	if err := c.validate(ways); err != nil {
		return nil, err
	}
	c.secrets()
	if c.Digest, err = c.digest(); err != nil {
		return nil, err
	}
	return c, nil
}

func parse(file string, data []byte) (*Config, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, yamlError(file, err)
	}
	c := &Config{File: file, lines: locate(&doc)}
	c.DNS.Purge = true
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, yamlError(file, err)
	}
	c.File = file
	return c, nil
}

var (
	lineOf  = regexp.MustCompile(`line (\d+): (.*)`)
	unknown = regexp.MustCompile(`field (\S+) not found in type \S+`)
	twice   = regexp.MustCompile(`mapping key "(.*)" already defined at line (\d+)`)
	badType = regexp.MustCompile("cannot unmarshal !!(\\w+)(?: `(.*)`)? into (\\S+)$")
)

// yamlError turns the library's first message into one line that names file and
// line, in the words of the format instead of Go's.
func yamlError(file string, err error) error {
	e := &Error{File: file, Text: err.Error(), Hint: "every setting is explained in the file that migrate init writes"}
	if m := lineOf.FindStringSubmatch(e.Text); m != nil {
		e.Line, e.Text = atoi(m[1]), m[2]
		if strings.HasPrefix(err.Error(), "yaml: line") { // of the format, not of a value
			e.Text = "not YAML: " + e.Text
		}
	}
	if m := unknown.FindStringSubmatch(e.Text); m != nil {
		e.Text = "unknown setting " + m[1]
	}
	if m := twice.FindStringSubmatch(e.Text); m != nil {
		e.Text = fmt.Sprintf("setting %s stands twice, first at line %s", m[1], m[2])
	}
	if m := badType.FindStringSubmatch(e.Text); m != nil {
		found := kinds[m[1]]
		if m[2] != "" {
			found += fmt.Sprintf(" %q", m[2])
		}
		e.Text = fmt.Sprintf("%s where %s is expected", found, plainType(m[3]))
	}
	return e
}

var kinds = map[string]string{"str": "text", "int": "number", "float": "number", "bool": "true/false", "seq": "a list", "map": "settings", "null": "nothing", "timestamp": "a date"}

func plainType(t string) string {
	switch {
	case t == "int":
		return "a whole number"
	case t == "bool":
		return "true or false"
	case t == "string":
		return "text"
	case t == "time.Duration":
		return "a duration such as 10s"
	case strings.HasPrefix(t, "[]"):
		return "a list"
	}
	return "a group of settings"
}

func atoi(s string) (n int) {
	_, _ = fmt.Sscan(s, &n) // only digits get here
	return n
}

// environment is the only reader of environment variables.
func environment() *viper.Viper {
	v := viper.New()
	v.AutomaticEnv()
	return v
}

func (c *Config) secrets() {
	env := environment()
	get := func(name string) secret.Value {
		if name == "" {
			return secret.Value{}
		}
		return secret.New(env.GetString(name))
	}
	c.Provision.DigitalOcean.Token = get(c.Provision.DigitalOcean.TokenEnv)
	c.DNS.Cloudflare.Token = get(c.DNS.Cloudflare.TokenEnv)
	for i := range c.Databases {
		d := &c.Databases[i]
		d.Source.Password, d.Target.Password = get(d.Source.PasswordEnv), get(d.Target.PasswordEnv)
	}
}

func (c *Config) digest() (string, error) {
	data, err := yaml.Marshal(c) // secrets and the file's name are not in it
	if err != nil {
		return "", fmt.Errorf("encode configuration: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

func (c *Config) defaults(ways Ways) error {
	str := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	dur := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	num := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	str(&c.StateDir, ".migrate")
	str(&c.SSH.User, "root")
	str(&c.SSH.IdentityFile, "~/.ssh/id_ed25519")
	str(&c.SSH.KnownHosts, "~/.ssh/known_hosts")
	num(&c.SSH.Port, 22)
	dur(&c.SSH.ConnectTimeout, 10*time.Second)
	do := &c.Provision.DigitalOcean
	str(&do.TokenEnv, "DIGITALOCEAN_TOKEN")
	str(&do.Endpoint, "https://api.digitalocean.com/")
	str(&c.DNS.Cloudflare.TokenEnv, "CLOUDFLARE_API_TOKEN")
	str(&c.DNS.Cloudflare.Endpoint, "https://api.cloudflare.com/client/v4/")
	dur(&c.DNS.TTL, time.Minute)
	for i := range c.Databases {
		d := &c.Databases[i]
		str(&d.Seed, seedAuto)
		str(&d.RunOn, onController)
		dur(&d.Throttle.ReplicaLag, 10*time.Second)
		num(&d.Throttle.Workers, 4)
		num(&d.Throttle.ThreadsRunning, 64)
		for _, s := range []*DatabaseServer{&d.Source, &d.Target} {
			str(&s.Socket, "/run/mysqld/mysqld.sock")
			str(&s.User, "root")
			num(&s.Port, 3306)
		}
	}
	if len(ways) > 0 {
		str(&c.Cutover.Way, ways[0].Name)
	}
	dur(&c.Cutover.MaxLag, time.Second)
	dur(&c.Cutover.SteadyFor, 3*time.Second)
	dur(&c.Cutover.Budget, 10*time.Second)
	dur(&c.Cutover.VerifyAge, time.Hour)
	dur(&c.Cutover.Stragglers, 10*time.Second)
	return c.absolute()
}

// absolute makes paths absolute: ~ is the operator's home, the rest is
// relative to the file's folder.
func (c *Config) absolute() error {
	dir, err := filepath.Abs(filepath.Dir(c.File))
	if err != nil {
		return &Error{File: c.File, Text: err.Error()}
	}
	home := environment().GetString("HOME")
	for _, p := range []*string{&c.StateDir, &c.SSH.IdentityFile, &c.SSH.KnownHosts} {
		if rest, ok := strings.CutPrefix(*p, "~/"); ok {
			*p = filepath.Join(home, rest)
		}
		if !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	return nil
}
