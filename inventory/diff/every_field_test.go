package diff

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/traits"
)

// leaf is a field of a filled host that holds a value.
type leaf struct {
	at     string
	change func()
}

// fillFields gives every field a value and every list an element, and returns the
// leaves.
func fillFields(v reflect.Value, at string) []leaf {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		return []leaf{{at, func() { v.Set(reflect.ValueOf(time.Unix(1, 0))) }}}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fillFields(v.Elem(), at)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return fillFields(v.Index(0), at)
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf("value"))
		return []leaf{{at, func() { v.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf("other")) }}}
	case v.Kind() == reflect.Struct:
		var all []leaf
		for i := range v.NumField() {
			if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); tag != "-" {
				all = append(all, fillFields(v.Field(i), strings.TrimPrefix(at+"."+tag, "."))...)
			}
		}
		return all
	case v.Kind() == reflect.Bool:
		return []leaf{{at, func() { v.SetBool(true) }}}
	case v.CanInt():
		v.SetInt(int64(len(at)))
		return []leaf{{at, func() { v.SetInt(1_000_000) }}}
	case v.Kind() == reflect.String:
		v.Set(reflect.ValueOf("x" + strconv.Itoa(len(at))).Convert(v.Type()))
		return []leaf{{at, func() { v.Set(reflect.ValueOf("other").Convert(v.Type())) }}}
	}
	panic("no value of " + v.Type().String())
}

// dependentFields matter only where another field is empty.
var dependentFields = map[string]bool{"configuration.hmac": true, "configuration.content": true, "files.hmac": true, "files.content": true}

// A change of any field of the model is a difference, except for the fields that
// are excluded with a reason.
func TestEveryFieldMakesDifference(t *testing.T) {
	count := len(fillFields(reflect.ValueOf(&inventory.Host{}).Elem(), ""))
	require.Greater(t, count, 150)
	for i := range count {
		before, after := &inventory.Host{}, &inventory.Host{}
		fillFields(reflect.ValueOf(before).Elem(), "")
		leaves := fillFields(reflect.ValueOf(after).Elem(), "")
		leaves[i].change()
		before.Missing, after.Missing = nil, nil
		r := Compare(sideOf(before), sideOf(after))
		at := leaves[i].at
		top, _, _ := strings.Cut(at, ".")
		left := traits.Excluded[at] != "" || traits.Excluded[top] != "" || dependentFields[at]
		require.Equal(t, left, len(r.Differences) == 0, at)
		requireMirrored(t, r, Compare(sideOf(after), sideOf(before)))
	}
}

// Every rule names a field that exists.
func TestRulesNameExistingFields(t *testing.T) {
	places := traits.Places()
	for at := range fixedRules {
		require.Contains(t, places, at)
	}
	for _, at := range append(append([]string{}, wholeKinds...), append(directedFields, orderedLists...)...) {
		require.Contains(t, places, at)
	}
}
