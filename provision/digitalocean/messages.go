package digitalocean

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/digitalocean/godo"
)

// maxMessage is the longest message that an error shows, in bytes.
const maxMessage = 300

// messagesHeader carries the messages of a refusal past godo, which knows one alone.
const messagesHeader = "Migrate-Messages"

// keepMessages reads the messages of a refusal from its body, which stays readable. The
// vendor writes {"message": …}, and some of its services {"error": …, "messages": […],
// "root_causes": […]} or {"errors": […]}.
func keepMessages(resp *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(data), rest), rest}
	var body map[string]any
	if json.Unmarshal(data, &body) != nil {
		return nil //nolint:nilerr // a proxy's page has no messages
	}
	var all []string
	add := func(v any) {
		text, _ := v.(string)
		if object, ok := v.(map[string]any); ok {
			text, _ = object["message"].(string)
		}
		if text = strings.Join(strings.Fields(text), " "); text == "" {
			return
		}
		known := func(other string) bool { return strings.Contains(other, text) }
		if !slices.ContainsFunc(all, known) {
			all = append(all, text)
		}
	}
	for _, key := range []string{"message", "error", "messages", "errors", "root_causes"} {
		if list, ok := body[key].([]any); ok {
			for _, v := range list {
				add(v)
			}
			continue
		}
		add(body[key])
	}
	if len(all) > 0 {
		resp.Header.Set(messagesHeader, strings.Join(all, "; "))
	}
	return nil
}

// messageOf returns the vendor's messages in one line of at most maxMessage bytes. It
// replaces an HTML page, which comes from a proxy.
func messageOf(answer *godo.ErrorResponse, header http.Header) string {
	text := header.Get(messagesHeader)
	if text == "" {
		text = strings.Join(strings.Fields(answer.Message), " ")
	}
	if text == "" && answer.NestedError != nil {
		text = answer.NestedError.Message
	}
	if strings.HasPrefix(text, "<") {
		return "not from the API, but a page of a proxy"
	}
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}
