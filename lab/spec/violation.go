package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// Side is the half of an exchange that a Violation or Deviation is about.
type Side string

// The two halves of an exchange.
const (
	Request  Side = "request"
	Response Side = "response"
)

// Violation is one breach of the document. It names places and rules, never
// values, which might be secret.
type Violation struct {
	Method, Path string
	Status       int // of the answer
	Side         Side
	Reason       string
}

func (e *Violation) Error() string {
	return fmt.Sprintf("%s of %s %s (answered %d): %s", e.Side, e.Method, e.Path, e.Status, e.Reason)
}

// Deviation is a known breach that is allowed to pass, because a real client or
// the real vendor does it.
type Deviation struct {
	Method string // "" is any
	Path   string // beginning of the path; "" is any
	Side   Side   // "" is either
	Reason string // part of the violation's reason; "" is any
	Why    string // for the reader: who does this
}

func (d Deviation) covers(v *Violation) bool {
	return (d.Method == "" || d.Method == v.Method) &&
		strings.HasPrefix(v.Path, d.Path) &&
		(d.Side == "" || d.Side == v.Side) &&
		strings.Contains(v.Reason, d.Reason)
}

// reasons flattens a validation error to one line per breach, without the
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

// flatten walks the library's error types; where says in which part of the message.
func flatten(err error, where string, out *[]string) {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself, layer by layer
	case openapi3.MultiError:
		for _, one := range e {
			flatten(one, where, out)
		}
	case *openapi3filter.RequestError:
		if e.Parameter != nil {
			where = e.Parameter.In + " parameter " + e.Parameter.Name
		}
		flattenInner(e.Err, e.Reason, where, out)
	case *openapi3filter.ResponseError:
		flattenInner(e.Err, e.Reason, where, out)
	case *openapi3.SchemaError:
		at := where + "/" + strings.Join(e.JSONPointer(), "/")
		*out = append(*out, strings.TrimSpace("at "+at+": "+e.Reason+origin(e)))
	default:
		*out = append(*out, strings.TrimSpace(where+" "+err.Error()))
	}
}

func flattenInner(inner error, reason, where string, out *[]string) {
	var multi openapi3.MultiError
	var schema *openapi3.SchemaError
	switch {
	case errors.As(inner, &multi):
		flatten(multi, where, out)
	case errors.As(inner, &schema):
		flatten(schema, where, out)
	case inner != nil:
		*out = append(*out, strings.TrimSpace(where+" "+reason+": "+inner.Error()))
	default:
		*out = append(*out, strings.TrimSpace(where+" "+reason))
	}
}

// origin names the breaches of each alternative of a oneOf, anyOf or allOf.
func origin(e *openapi3.SchemaError) string {
	var multi openapi3.MultiError
	if e.Origin == nil || !errors.As(e.Origin, &multi) {
		return ""
	}
	var parts []string
	for _, one := range multi {
		flatten(one, "", &parts)
	}
	return " (" + strings.Join(parts, "; ") + ")"
}
