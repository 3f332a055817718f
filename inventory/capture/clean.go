package capture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/dcmigrate/migrate/inventory"
)

// clean takes secrets out of every text of the model: what a parser took for a
// command, a comment or a rule may hold one.
func (p *parser) clean() {
	walk(reflect.ValueOf(p.host).Elem(), func(text string) string {
		text, _ = p.redactor.Command(text)
		return text
	})
}

// walk replaces every string below v, map values included.
func walk(v reflect.Value, replace func(string) string) {
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
			walk(v.Field(i), replace)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), replace)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), replace)
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
func (p *parser) recheck() error {
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
	p.sort()
	return nil
}
