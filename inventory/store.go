package inventory

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/report"
)

var hostName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// Save writes the inventory of a host to dir/NAME.json (mode 0600), whole or not
// at all. It creates dir if needed (mode 0700), and refuses a name that is no
// plain file name.
func Save(dir string, host *Host) error {
	if !hostName.MatchString(host.Name) {
		return fmt.Errorf("save inventory: %q is no name of a host", host.Name)
	}
	var text bytes.Buffer
	if err := WriteJSON(&text, host); err != nil {
		return fmt.Errorf("save inventory of %s: %w", host.Name, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("save inventory of %s: %w", host.Name, err)
	}
	if err := writeFile(dir, host.Name+".json", text.Bytes()); err != nil {
		return fmt.Errorf("save inventory of %s: %w", host.Name, err)
	}
	return nil
}

// WriteJSON writes one host, or a list of them, as indented JSON.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeFile replaces dir/name. A crash leaves the old file or the new one, never
// a part.
func writeFile(dir, name string, data []byte) (err error) {
	f, err := os.CreateTemp(dir, "."+name+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Load reads all inventories that Save wrote to dir, sorted by name. It returns
// none if dir does not exist, and fails if one of the files cannot be read.
func Load(dir string) ([]*Host, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("load inventory: %w", err)
	}
	var hosts []*Host
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || filepath.Ext(e.Name()) != ".json" {
			continue
		}
		h, err := LoadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	slices.SortFunc(hosts, func(a, b *Host) int { return strings.Compare(a.Name, b.Name) })
	return hosts, nil
}

// LoadFile reads the inventory of one host from a file that Save wrote. Fields of
// a newer version are listed in Host.Unknown. It fails, with a hint, if the file
// is damaged or of a version that this program cannot read.
func LoadFile(file string) (*Host, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("load inventory: %w", err)
	}
	const again = "remove the file and run: migrate inventory capture"
	var head struct {
		Version    int `json:"version"`
		Compatible int `json:"compatible"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, report.WithHint(fmt.Errorf("load inventory %s: %w", file, err), again)
	}
	switch {
	case head.Version > Version && (head.Compatible == 0 || head.Compatible > Version):
		err := fmt.Errorf("load inventory %s: version %d is newer than this program's %d", file, head.Version, Version)
		return nil, report.WithHint(err, "use the newer migrate, or run: migrate inventory capture")
	case head.Version > 0 && head.Version < Version:
		err := fmt.Errorf("load inventory %s: version %d is older than this program's %d", file, head.Version, Version)
		return nil, report.WithHint(err, "run again: migrate inventory capture")
	}
	host := &Host{}
	if err := json.Unmarshal(text, host); err != nil || host.Version < Version || !hostName.MatchString(host.Name) {
		err = cmp.Or(err, errors.New("it is no inventory of a host"))
		return nil, report.WithHint(fmt.Errorf("load inventory %s: %w", file, err), again)
	}
	var all any
	if err := json.Unmarshal(text, &all); err == nil {
		host.Unknown = unknownFields(all, reflect.TypeFor[Host](), "")
	}
	return host, nil
}

// unknownFields lists the fields of a JSON value that a type lacks, each once, as
// paths such as "packages.flavour".
func unknownFields(value any, t reflect.Type, at string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	var found []string
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			found = append(found, unknownFields(e, t, at)...)
		}
	case map[string]any:
		if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
			return nil
		}
		known := map[string]reflect.Type{}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			known[name] = t.Field(i).Type
		}
		for name, e := range v {
			if field, ok := known[name]; ok && name != "-" {
				found = append(found, unknownFields(e, field, at+name+".")...)
			} else {
				found = append(found, at+name)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
