// Package traits takes a captured host apart into its traits: a package, a
// service, a file. What two hosts have in common and where they differ is asked
// of these.
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

// Trait is one thing that a host has, or the one of its kind.
type Trait struct {
	At     string // where it stands in the inventory: "packages", "os"
	Kind   string // what it is called: "package"
	Name   string // "nginx amd64"; empty where there is just one of the kind
	Values []Value
}

// Value is what a trait's field says. Empty: nothing.
type Value struct {
	Field string // as in the inventory's JSON: "version", "mode"
	Text  string
	Lines []string // of a field that is a list; Text joins them

	object string // where a file's contents are kept
}

// Get returns the text of a field.
func (t Trait) Get(field string) string {
	for _, v := range t.Values {
		if v.Field == field {
			return v.Text
		}
	}
	return ""
}

// String is "package nginx amd64".
func (t Trait) String() string { return strings.TrimSpace(t.Kind + " " + t.Name) }

// Of lists the traits of a host, in the order of the model.
func Of(h *inventory.Host) []Trait {
	var all []Trait
	for _, s := range shapes {
		s.find(reflect.ValueOf(h).Elem(), s.at, "", "", func(t Trait) { all = append(all, t) })
	}
	return all
}

// find walks down from v to what the shape is of. done is the way so far, above
// the name of the server that v is of.
func (s shape) find(v reflect.Value, rest, done, above string, found func(Trait)) {
	if v.Kind() == reflect.Pointer {
		if !v.IsNil() {
			s.find(v.Elem(), rest, done, above, found)
		}
		return
	}
	if rest == "" {
		s.each(v, above, found)
		return
	}
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			s.find(v.Index(i), rest, done, name(v.Index(i), keyOf(done)), found)
		}
		return
	}
	step, rest, _ := strings.Cut(rest, ".")
	s.find(field(v, step), rest, strings.TrimPrefix(done+"."+step, "."), above, found)
}

// each makes a trait of v, or one of each of its elements.
func (s shape) each(v reflect.Value, above string, found func(Trait)) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			s.each(v.Index(i), above, found)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			found(Trait{At: s.at, Kind: s.kind, Name: join(above, k.String()), Values: []Value{{Field: "value", Text: text(v.MapIndex(k))}}})
		}
	case reflect.Struct:
		t := Trait{At: s.at, Kind: s.kind, Name: join(above, name(v, s.key))}
		for _, f := range strings.Fields(s.has) {
			value := field(v, f)
			t.Values = append(t.Values, Value{Field: f, Text: text(value), Lines: lines(value)})
		}
		found(t)
	default:
		found(Trait{At: s.at, Kind: s.kind, Name: join(above, text(v))})
	}
}

// keyOf is the fields that name one of what stands at a place.
func keyOf(at string) string {
	for _, s := range shapes {
		if s.at == at {
			return s.key
		}
	}
	return ""
}

func join(a, b string) string { return strings.TrimSpace(a + " " + b) }

func name(v reflect.Value, key string) string {
	var parts []string
	for _, f := range strings.Fields(key) {
		if t := text(field(v, f)); t != "" {
			parts = append(parts, t)
		}
	}
	return strings.Join(parts, " ")
}

// field returns the field of a struct by its name in JSON.
func field(v reflect.Value, name string) reflect.Value {
	t := v.Type()
	known, ok := indexes.Load(t)
	if !ok {
		byName := map[string]int{}
		for i := range t.NumField() {
			tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			byName[tag] = i
		}
		known, _ = indexes.LoadOrStore(t, byName)
	}
	if byName, ok := known.(map[string]int); ok {
		if i, ok := byName[name]; ok {
			return v.Field(i)
		}
	}
	panic("traits: the inventory's " + t.Name() + " has no field " + name) // the tests look at every one
}

// indexes are of the fields of types, by their names in JSON.
var indexes sync.Map

func text(v reflect.Value) string {
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

func lines(v reflect.Value) []string {
	if list, ok := v.Interface().([]string); ok {
		return list
	}
	return nil
}
