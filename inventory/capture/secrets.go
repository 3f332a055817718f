package capture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/redact"
)

// clean takes secrets out of every text of the model: what a parser took for a
// command, a comment or a rule may hold one.
func (p *parser) redactStrings() {
	replaceStrings(reflect.ValueOf(p.host).Elem(), func(text string) string {
		text, _ = p.redactor.Command(text)
		return text
	})
}

// walk replaces every string below v, map values included.
func replaceStrings(v reflect.Value, replace func(string) string) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() && v.Len() > 3 {
			if text := v.String(); text != "" {
				if clean := replace(text); clean != text {
					v.SetString(clean)
				}
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			replaceStrings(v.Field(i), replace)
		}
	case reflect.Slice:
		for i := range v.Len() {
			replaceStrings(v.Index(i), replace)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			replaceStrings(v.Elem(), replace)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if e := v.MapIndex(k); e.Kind() == reflect.String {
				v.SetMapIndex(k, reflect.ValueOf(replace(e.String())))
			}
		}
	}
}

// withoutHashes are files without what this program itself made of their
// contents: no secret, and more to look through than all else.
func withoutHashes(files []inventory.File) []inventory.File {
	files = slices.Clone(files)
	for i := range files {
		files[i].SHA256, files[i].HMAC, files[i].Content = "", "", ""
	}
	return files
}

// recheck looks at the inventory as it will be written, with the eyes of the
// scanner that is not ours, and takes out what that finds.
func (p *parser) scanAgain() error {
	var text bytes.Buffer
	// What packages name and count is most of it, and holds no secret.
	short := *p.host
	short.Packages, short.Groups, short.Kernel.Modules, short.Images = nil, nil, nil, nil
	short.Configuration, short.Files = withoutHashes(short.Configuration), withoutHashes(short.Files)
	if err := inventory.WriteJSON(&text, short); err != nil {
		return fmt.Errorf("check for secrets: %w", err)
	}
	if _, found := p.redactor.Scan(text.String()); len(found) == 0 {
		return nil
	}
	text.Reset()
	if err := inventory.WriteJSON(&text, p.host); err != nil {
		return fmt.Errorf("check for secrets: %w", err)
	}
	clean, found := p.redactor.Scan(text.String())
	again := &inventory.Host{}
	if err := json.Unmarshal([]byte(clean), again); err != nil {
		return fmt.Errorf("take secrets out: %w", err)
	}
	for _, f := range found {
		again.Secrets = append(again.Secrets, inventory.Secret{Path: "inventory", Kind: f.Kind, Token: f.Token})
	}
	p.host = again
	p.sortLists()
	return nil
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

// Audit reads again all that was written below dir and returns the secrets that
// a scanner, or the memory of this run, still finds there: none, unless there is
// a fault in the layers before. The Secret's Path is the file in dir.
func Audit(dir string, r *redact.Redactor) ([]inventory.Secret, error) {
	var leaks []inventory.Secret
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // the operator's own folder
		if err != nil {
			return fmt.Errorf("audit inventory: %w", err)
		}
		for _, f := range r.Leaks(string(text)) {
			leaks = append(leaks, inventory.Secret{Path: inventory.Text(path), Line: f.Line, Kind: f.Kind, Token: f.Token})
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return leaks, err
}
