package inventory

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const schemaFile = "../docs/inventory.schema.json"

// schemaOf returns the JSON Schema (draft 2020-12) of a type.
func schemaOf(t reflect.Type, defs map[string]any) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[Text]():
		return map[string]any{"oneOf": []any{
			map[string]any{"type": "string"},
			map[string]any{"type": "object", "properties": map[string]any{"base64": map[string]any{"type": "string"}}, "required": []string{"base64"}},
		}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), defs)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), defs)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem(), defs)}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Struct:
		if _, done := defs[t.Name()]; !done {
			defs[t.Name()] = nil // ends the recursion of a type that contains itself
			properties, required := map[string]any{}, []string{}
			for i := range t.NumField() {
				name, rest, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
				if name == "-" {
					continue
				}
				properties[name] = schemaOf(t.Field(i).Type, defs)
				if rest != "omitempty" {
					required = append(required, name)
				}
			}
			defs[t.Name()] = map[string]any{"type": "object", "properties": properties, "required": required}
		}
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	}
	panic("no schema of " + t.String())
}

// docs/inventory.schema.json describes the Go types.
func TestSchema(t *testing.T) {
	defs := map[string]any{}
	schema := schemaOf(reflect.TypeFor[Host](), defs)
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Inventory of one host, as migrate inventory capture writes it"
	schema["$comment"] = "Fields may be added: readers pass over what they do not know. A file can be read by programs of its \"compatible\" version and newer."
	schema["$defs"] = defs
	got, err := json.MarshalIndent(schema, "", "  ")
	require.NoError(t, err)
	got = append(got, '\n')
	if *update {
		require.NoError(t, os.WriteFile(schemaFile, got, 0o644))
	}
	want, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run: go test ./inventory -run TestSchema -update")
}

// A captured host is valid by the schema, also with a newer field; a wrong one is not.
func TestSchemaFits(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	var document struct {
		Ref  string           `json:"$ref"`
		Defs openapi3.Schemas `json:"$defs"`
	}
	// The validator knows OpenAPI: there, shared schemas have another place.
	require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(string(text), "#/$defs/", "#/components/schemas/")), &document))
	api := &openapi3.T{OpenAPI: "3.0.3", Info: &openapi3.Info{Title: "x", Version: "1"}, Paths: openapi3.NewPaths(), Components: &openapi3.Components{Schemas: document.Defs}}
	require.NoError(t, openapi3.NewLoader().ResolveRefsIn(api, nil))
	schema := api.Components.Schemas["Host"].Value
	var host map[string]any
	captured, err := os.ReadFile(capturedHost)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(captured, &host))
	require.NoError(t, schema.VisitJSON(host))
	host["a_newer_field"] = true
	require.NoError(t, schema.VisitJSON(host))
	host["packages"] = "none"
	require.Error(t, schema.VisitJSON(host))
}
