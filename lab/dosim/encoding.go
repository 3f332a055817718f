package dosim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// decode reads a JSON body.
func decode(r *http.Request, into any) error {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		return &apiError{status: http.StatusBadRequest, id: "bad_request", message: "error parsing request body"}
	}
	return nil
}

// idOf parses a number in the path; it returns 0, which no object has, for other texts.
func idOf(r *http.Request, name string) int {
	id, err := strconv.Atoi(r.PathValue(name))
	if err != nil {
		return 0
	}
	return id
}

// page answers with the page of a list that the query asks for, links and the total.
func page[T any](r *http.Request, key string, items []T) (int, any, error) {
	number := func(name string, fallback int) int {
		n, err := strconv.Atoi(r.URL.Query().Get(name))
		if err != nil || n < 1 {
			return fallback
		}
		return n
	}
	current, size := number("page", 1), min(number("per_page", 20), 200)
	last := max(1, (len(items)+size-1)/size)
	link := func(n int) string {
		query := r.URL.Query()
		query.Set("page", strconv.Itoa(n))
		query.Set("per_page", strconv.Itoa(size))
		return "http://" + r.Host + r.URL.Path + "?" + query.Encode()
	}
	pages := map[string]string{}
	if current > 1 {
		pages["first"], pages["prev"] = link(1), link(min(current-1, last))
	}
	if current < last {
		pages["next"], pages["last"] = link(current+1), link(last)
	}
	links := map[string]any{}
	if len(pages) > 0 {
		links["pages"] = pages
	}
	from := min((current-1)*size, len(items))
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

// object answers with a single object.
func object(status int, key string, value any) (int, any, error) {
	return status, map[string]any{key: value}, nil
}

func noContent() (int, any, error) { return http.StatusNoContent, nil, nil }

// identifier is an id as clients write it: a text, a number, an object with an id, or null.
type identifier string

// UnmarshalJSON implements json.Unmarshaler.
func (f *identifier) UnmarshalJSON(data []byte) error {
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
		*f = identifier(v)
	case json.Number:
		*f = identifier(v)
	default:
		return fmt.Errorf("an identifier cannot be a %T", v)
	}
	return nil
}

// number is an integer that clients also write as a text, as the vendor accepts it.
type number int

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(data []byte) error {
	var text identifier
	if err := text.UnmarshalJSON(data); err != nil || text == "" {
		return err
	}
	value, err := strconv.Atoi(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a number", text)
	}
	*n = number(value)
	return nil
}
