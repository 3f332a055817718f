package dosim

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// decode reads a JSON body.
func decode(r *http.Request, into any) error {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		return &apiError{status: http.StatusBadRequest, id: "bad_request", message: "error parsing request body"}
	}
	return nil
}

// idOf reads a numeric part of the path; 0 is no object's.
func idOf(r *http.Request, name string) int {
	id, err := strconv.Atoi(r.PathValue(name))
	if err != nil {
		return 0
	}
	return id
}

// page answers a list: the page that the query asks for, links and the total.
func page[T any](r *http.Request, key string, items []T) (int, any, error) {
	number := func(name string, standard int) int {
		n, err := strconv.Atoi(r.URL.Query().Get(name))
		if err != nil || n < 1 {
			return standard
		}
		return n
	}
	at, size := number("page", 1), min(number("per_page", 20), 200)
	last := max(1, (len(items)+size-1)/size)
	link := func(n int) string {
		query := r.URL.Query()
		query.Set("page", strconv.Itoa(n))
		query.Set("per_page", strconv.Itoa(size))
		return "http://" + r.Host + r.URL.Path + "?" + query.Encode()
	}
	pages := map[string]string{}
	if at > 1 {
		pages["first"], pages["prev"] = link(1), link(min(at-1, last))
	}
	if at < last {
		pages["next"], pages["last"] = link(at+1), link(last)
	}
	links := map[string]any{}
	if len(pages) > 0 {
		links["pages"] = pages
	}
	from := min((at-1)*size, len(items))
	shown := append([]T{}, items[from:min(from+size, len(items))]...)
	return http.StatusOK, map[string]any{key: shown, "links": links, "meta": map[string]int{"total": len(items)}}, nil
}

func (s *Sim) emptyList(key string) handler {
	return func(r *http.Request) (int, any, error) {
		if id := r.PathValue("id"); id != "" && s.droplets[idOf(r, "id")] == nil {
			return 0, nil, notFound()
		}
		return page(r, key, []string{})
	}
}

// one is an answer with a single object.
func one(status int, key string, value any) (int, any, error) {
	return status, map[string]any{key: value}, nil
}

func done() (int, any, error) { return http.StatusNoContent, nil, nil }

// ref is an identifier as clients write it: a text, a number, an object with an id, or null.
type ref string

// UnmarshalJSON implements json.Unmarshaler.
func (f *ref) UnmarshalJSON(data []byte) error {
	var v any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return err
	}
	if object, ok := v.(map[string]any); ok {
		v = object["id"]
	}
	switch v := v.(type) {
	case nil:
		*f = ""
	case string:
		*f = ref(v)
	case json.Number:
		*f = ref(v)
	default:
		return fmt.Errorf("an identifier cannot be a %T", v)
	}
	return nil
}

func sortedValues[K cmp.Ordered, V any](m map[K]V) []V {
	out := make([]V, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[key])
	}
	return out
}

func (s *Sim) nextID() int {
	s.lastID++
	return s.lastID
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
