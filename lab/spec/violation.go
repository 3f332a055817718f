package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// Side is the half of an exchange that a violation or a Deviation is about.
type Side string

// The two halves of an exchange.
const (
	Request  Side = "request"
	Response Side = "response"
)

// violation is one breach of the document. It names places and rules, but no
// values, which might be secret.
type violation struct {
	Method, Path string
	Status       int // of the answer
	Side         Side
	Reason       string
}

// Error implements error.
func (e *violation) Error() string {
	return fmt.Sprintf("%s of %s %s (answered %d): %s", e.Side, e.Method, e.Path, e.Status, e.Reason)
}

// Deviation is a known breach that may pass, because a real client or the real
// vendor commits it.
type Deviation struct {
	Method string // "" is any
	Path   string // beginning of the path; "" is any
	Side   Side   // "" is either
	Reason string // part of the violation's reason; "" is any
	Why    string // who commits it, for the reader
}

func (d Deviation) covers(v *violation) bool {
	return (d.Method == "" || d.Method == v.Method) &&
		strings.HasPrefix(v.Path, d.Path) &&
		(d.Side == "" || d.Side == v.Side) &&
		strings.Contains(v.Reason, d.Reason)
}

// reasons returns one line for each breach in a validation error, without the
// schemas and values that the library would print.
func reasons(err error) []string {
	if err == nil {
		return nil
	}
	var out []string
	flatten(err, "", &out)
	slices.Sort(out)
	return slices.Compact(out)
}

// flatten appends the breaches in the tree of the library's errors to out. location
// is the part of the message that err is about.
func flatten(err error, location string, out *[]string) {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself, layer by layer
	case openapi3.MultiError:
		for _, inner := range e {
			flatten(inner, location, out)
		}
	case *openapi3filter.RequestError:
		if e.Parameter != nil {
			location = e.Parameter.In + " parameter " + e.Parameter.Name
		}
		flattenInner(e.Err, e.Reason, location, out)
	case *openapi3filter.ResponseError:
		flattenInner(e.Err, e.Reason, location, out)
	case *openapi3.SchemaError:
		at := location + "/" + strings.Join(e.JSONPointer(), "/")
		*out = append(*out, strings.TrimSpace("at "+at+": "+e.Reason+alternatives(e)))
	default:
		*out = append(*out, strings.TrimSpace(location+" "+err.Error()))
	}
}

func flattenInner(inner error, reason, location string, out *[]string) {
	var multi openapi3.MultiError
	var schema *openapi3.SchemaError
	switch {
	case errors.As(inner, &multi):
		flatten(multi, location, out)
	case errors.As(inner, &schema):
		flatten(schema, location, out)
	case inner != nil:
		*out = append(*out, strings.TrimSpace(location+" "+reason+": "+inner.Error()))
	default:
		*out = append(*out, strings.TrimSpace(location+" "+reason))
	}
}

// alternatives lists the breaches of each alternative of a oneOf, anyOf or allOf.
func alternatives(e *openapi3.SchemaError) string {
	var multi openapi3.MultiError
	if e.Origin == nil || !errors.As(e.Origin, &multi) {
		return ""
	}
	var parts []string
	for _, inner := range multi {
		flatten(inner, "", &parts)
	}
	return " (" + strings.Join(parts, "; ") + ")"
}
