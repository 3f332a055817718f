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

// fill gives every field a value and every list an element, and lists the leaves.
func fill(v reflect.Value, at string) []leaf {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		return []leaf{{at, func() { v.Set(reflect.ValueOf(time.Unix(1, 0))) }}}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fill(v.Elem(), at)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return fill(v.Index(0), at)
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf("value"))
		return []leaf{{at, func() { v.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf("other")) }}}
	case v.Kind() == reflect.Struct:
		var all []leaf
		for i := range v.NumField() {
			if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); tag != "-" {
				all = append(all, fill(v.Field(i), strings.TrimPrefix(at+"."+tag, "."))...)
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

// hidden are fields that say something only where another is empty.
var hidden = map[string]bool{"configuration.hmac": true, "configuration.content": true, "files.hmac": true, "files.content": true}

// TestEveryFieldMakesADifference: a change of any field of the model is seen,
// but of those that are left out with a reason.
func TestEveryFieldMakesADifference(t *testing.T) {
	count := len(fill(reflect.ValueOf(&inventory.Host{}).Elem(), ""))
	require.Greater(t, count, 150)
	for i := range count {
		before, after := &inventory.Host{}, &inventory.Host{}
		fill(reflect.ValueOf(before).Elem(), "")
		leaves := fill(reflect.ValueOf(after).Elem(), "")
		leaves[i].change()
		before.Missing, after.Missing = nil, nil
		r := Compare(one(before), one(after))
		at := leaves[i].at
		top, _, _ := strings.Cut(at, ".")
		left := traits.NotSaid[at] != "" || traits.NotSaid[top] != "" || hidden[at]
		require.Equal(t, left, len(r.Differences) == 0, at)
		mirrored(t, r, Compare(one(after), one(before)))
	}
}

// TestClassesAreOfFields: no rule is of a field that is not there.
func TestClassesAreOfFields(t *testing.T) {
	places := traits.Places()
	for at := range always {
		require.Contains(t, places, at)
	}
	for _, at := range append(append([]string{}, wholeKind...), append(directed, inOrder...)...) {
		require.Contains(t, places, at)
	}
}
