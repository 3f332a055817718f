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

// redactStrings redacts secrets in every string of the model: what was parsed as a
// command, a comment or a rule may contain one.
func (p *parser) redactStrings() {
	replaceStrings(reflect.ValueOf(p.host).Elem(), func(text string) string {
		text, _ = p.redactor.Command(text)
		return text
	})
}

// replaceStrings replaces every string below v, values of maps included.
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

// withoutHashes returns files without hashes and names of contents. These contain
// no secret, and scanning them would take longer than scanning all else.
func withoutHashes(files []inventory.File) []inventory.File {
	files = slices.Clone(files)
	for i := range files {
		files[i].SHA256, files[i].HMAC, files[i].Content = "", "", ""
	}
	return files
}

// scanAgain scans the inventory as it will be written, by gitleaks' rules, and
// redacts what it finds.
func (p *parser) scanAgain() error {
	var text bytes.Buffer
	// Packages, groups, modules and images are most of the text and contain no secret.
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

// setting redacts the secret in a setting of a database server.
func (p *parser) setting(server string, s inventory.Setting) inventory.Setting {
	value, found := p.redactor.Setting(s.Name, s.Value)
	for _, f := range found {
		p.host.Secrets = append(p.host.Secrets, inventory.Secret{Path: inventory.Text(server), Kind: f.Kind, Key: s.Name, Token: f.Token})
	}
	s.Value = value
	return s
}

// Audit reads all files below dir and returns the secrets in them: those that the
// scanner's rules find, and those that r redacted elsewhere. It returns none unless
// redaction has a bug, and none if dir does not exist. The Path of a Secret is the
// file.
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
