// Package traits splits a captured host into traits: a package, a service, a file.
// Comparing the traits of hosts shows what they have in common and where they
// differ. Every field of the inventory's model is in a trait or in Excluded with a
// reason. It needs only inventories, and the contents of files to ignore own names
// in them.
package traits

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/inventory"
)

// Trait is one thing that a host has.
type Trait struct {
	At     string // where it stands in the inventory: "packages", "os"
	Kind   string // for people: "package"
	Name   string // "nginx amd64"; empty if a host has exactly one of the kind
	Values []Value
}

// Value is a field of a trait. An empty Text means that it is not set.
type Value struct {
	Field string // as in the inventory's JSON: "version", "mode"
	Text  string
	Lines []string // the elements of a list; Text joins them

	object string // name of a file's contents in inventory.Objects
}

// Get returns the text of a field; empty if the trait does not have the field.
func (t Trait) Get(field string) string {
	for _, v := range t.Values {
		if v.Field == field {
			return v.Text
		}
	}
	return ""
}

// String returns "package nginx amd64".
func (t Trait) String() string { return strings.TrimSpace(t.Kind + " " + t.Name) }

// traitsOf returns the traits of a host, in the order of the model.
func traitsOf(h *inventory.Host) []Trait {
	var all []Trait
	for _, s := range shapes {
		s.find(reflect.ValueOf(h).Elem(), s.at, "", "", func(t Trait) { all = append(all, t) })
	}
	return all
}

// find walks from v down the fields in rest and calls found with each trait of the
// shape. path is what it has walked; parent is the name of the server that v
// belongs to.
func (s shape) find(v reflect.Value, rest, path, parent string, found func(Trait)) {
	if v.Kind() == reflect.Pointer {
		if !v.IsNil() {
			s.find(v.Elem(), rest, path, parent, found)
		}
		return
	}
	if rest == "" {
		s.addTraits(v, parent, found)
		return
	}
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			s.find(v.Index(i), rest, path, nameOf(v.Index(i), keyOf(path)), found)
		}
		return
	}
	step, rest, _ := strings.Cut(rest, ".")
	s.find(fieldOf(v, step), rest, strings.TrimPrefix(path+"."+step, "."), parent, found)
}

// addTraits makes a trait of v, or one of each of its elements.
func (s shape) addTraits(v reflect.Value, parent string, found func(Trait)) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			s.addTraits(v.Index(i), parent, found)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			found(Trait{At: s.at, Kind: s.kind, Name: joinNames(parent, k.String()), Values: []Value{{Field: "value", Text: textOf(v.MapIndex(k))}}})
		}
	case reflect.Struct:
		t := Trait{At: s.at, Kind: s.kind, Name: joinNames(parent, nameOf(v, s.key))}
		for _, f := range strings.Fields(s.fields) {
			value := fieldOf(v, f)
			t.Values = append(t.Values, Value{Field: f, Text: textOf(value), Lines: linesOf(value)})
		}
		found(t)
	default:
		found(Trait{At: s.at, Kind: s.kind, Name: joinNames(parent, textOf(v))})
	}
}

// keyOf returns the fields that identify an element at a place of the inventory.
func keyOf(at string) string {
	for _, s := range shapes {
		if s.at == at {
			return s.key
		}
	}
	return ""
}

func joinNames(a, b string) string { return strings.TrimSpace(a + " " + b) }

func nameOf(v reflect.Value, key string) string {
	var parts []string
	for _, f := range strings.Fields(key) {
		if t := textOf(fieldOf(v, f)); t != "" {
			parts = append(parts, t)
		}
	}
	return strings.Join(parts, " ")
}

// field returns the field of a struct by its name in JSON.
func fieldOf(v reflect.Value, name string) reflect.Value {
	t := v.Type()
	known, ok := fieldIndexes.Load(t)
	if !ok {
		byName := map[string]int{}
		for i := range t.NumField() {
			tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			byName[tag] = i
		}
		known, _ = fieldIndexes.LoadOrStore(t, byName)
	}
	if byName, ok := known.(map[string]int); ok {
		if i, ok := byName[name]; ok {
			return v.Field(i)
		}
	}
	panic("traits: the inventory's " + t.Name() + " has no field " + name) // the tests read every field
}

// fieldIndexes caches for each type the indexes of its fields by JSON name.
var fieldIndexes sync.Map

func textOf(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UTC().Format(time.RFC3339)
	case inventory.Cause:
		return x.String()
	case []string:
		return strings.Join(x, ", ")
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		if v.Bool() {
			return "yes"
		}
		return "no"
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	}
	return fmt.Sprint(v.Interface())
}

func linesOf(v reflect.Value) []string {
	if list, ok := v.Interface().([]string); ok {
		return list
	}
	return nil
}
