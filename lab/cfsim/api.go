package cfsim

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

// basePath is the path of the API's root.
const basePath = "/client/v4"

// maxBody is the maximum size of a request body, in bytes.
const maxBody = 16 << 20

// call is one request for a handler.
type call struct {
	*http.Request
	path    string // below basePath
	body    []byte
	pathIDs []string // the segments that the route's wildcards matched
	token   string
}

// answer is a handler's answer: result and paging, or plain text.
type answer struct {
	result any
	info   *resultInfo
	text   *string
}

// resultInfo is the paging part of a list's answer.
type resultInfo struct {
	Page       int `json:"page"`
	PerPage    int `json:"per_page"`
	Count      int `json:"count"`
	TotalCount int `json:"total_count"`
	TotalPages int `json:"total_pages"`
}

// envelope is the body of every JSON answer.
type envelope struct {
	Result     any         `json:"result"`
	Success    bool        `json:"success"`
	Errors     []message   `json:"errors"`
	Messages   []message   `json:"messages"`
	ResultInfo *resultInfo `json:"result_info,omitempty"`
}

// route is a method and path of the API; "*" matches one segment.
type route struct {
	method, path string
	handle       func(*Sim, *call) (answer, error)
}

var routes = []route{
	{http.MethodGet, "/user/tokens/verify", (*Sim).verifyToken},
	{http.MethodGet, "/zones", (*Sim).listZones},
	{http.MethodPost, "/zones", (*Sim).createZone},
	{http.MethodGet, "/zones/*", (*Sim).getZone},
	{http.MethodDelete, "/zones/*", (*Sim).deleteZone},
	{http.MethodPost, "/zones/*/purge_cache", (*Sim).purgeCache},
	{http.MethodGet, "/zones/*/dns_records", (*Sim).listRecords},
	{http.MethodPost, "/zones/*/dns_records", (*Sim).createRecord},
	{http.MethodPost, "/zones/*/dns_records/batch", (*Sim).batchRecords},
	{http.MethodGet, "/zones/*/dns_records/export", (*Sim).exportRecords},
	{http.MethodPost, "/zones/*/dns_records/import", (*Sim).importRecords},
	{http.MethodGet, "/zones/*/dns_records/usage", (*Sim).recordUsage},
	{http.MethodGet, "/zones/*/dns_records/*", (*Sim).getRecord},
	{http.MethodPut, "/zones/*/dns_records/*", (*Sim).replaceRecord},
	{http.MethodPatch, "/zones/*/dns_records/*", (*Sim).patchRecord},
	{http.MethodDelete, "/zones/*/dns_records/*", (*Sim).deleteRecord},
}

func (r route) match(method, path string) (ids []string, ok bool) {
	if r.method != method {
		return nil, false
	}
	want, got := strings.Split(r.path, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	for i := range want {
		switch {
		case want[i] == "*" && got[i] != "":
			ids = append(ids, got[i])
		case want[i] != got[i]:
			return nil, false
		}
	}
	return ids, true
}

// ServeHTTP serves the API.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeError(w, refusal(http.StatusRequestEntityTooLarge, codeBadBody, "Request body is too large."))
		return
	}
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, basePath), "/")
	entry := &Request{Time: s.options.Now(), Method: r.Method, Path: path, Query: r.URL.Query(), Body: body}
	s.log.add(entry)

	fault := s.faults.strike(r.Method, path)
	out := newBuffer()
	if fault == nil || !fault.misbehave(r.Context(), out) {
		s.serve(out, &call{Request: r, path: path, body: body})
	}
	if fault != nil && fault.Kind == DropAfter {
		panic(http.ErrAbortHandler)
	}
	s.log.answered(entry, out.status)
	out.send(w)
}

// serve answers a request by the API's rules.
func (s *Sim) serve(w http.ResponseWriter, c *call) {
	result, err := s.dispatch(w, c)
	var known *apiError
	switch {
	case errors.As(err, &known):
		writeError(w, known)
	case err != nil:
		writeError(w, refusal(http.StatusInternalServerError, codeInternal, "%v", err))
	case result.text != nil:
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, *result.text)
	default:
		writeJSON(w, http.StatusOK, envelope{Result: result.result, Success: true, ResultInfo: result.info})
	}
}

// dispatch applies the limits, authenticates, and calls the route's handler.
func (s *Sim) dispatch(w http.ResponseWriter, c *call) (answer, error) {
	now := s.options.Now()
	client, _, err := net.SplitHostPort(c.RemoteAddr)
	if err != nil {
		client = c.RemoteAddr
	}
	b := s.clients.take(client, now)
	if b.retryAfter > 0 {
		b.describe(w.Header())
		return answer{}, errSlowDown(b.retryAfter)
	}
	rights, err := s.authenticate(c)
	if err != nil {
		b.describe(w.Header())
		return answer{}, err
	}
	b = s.tokens.take(c.token, now)
	b.describe(w.Header())
	if b.retryAfter > 0 {
		return answer{}, errSlowDown(b.retryAfter)
	}
	for _, route := range routes {
		ids, ok := route.match(c.Method, c.path)
		if !ok || !strings.HasPrefix(c.URL.Path, basePath+"/") {
			continue
		}
		if rights == readOnly && c.Method != http.MethodGet {
			return answer{}, errAuthentication()
		}
		c.pathIDs = ids
		return route.handle(s, c)
	}
	return answer{}, errNoRoute(c.path)
}

type tokenRights int

const (
	readOnly tokenRights = iota + 1
	readWrite
)

// authenticate checks the bearer token. As at Cloudflare, a missing or malformed header
// gets other errors than an unknown token.
func (s *Sim) authenticate(c *call) (tokenRights, error) {
	header := c.Header.Get("Authorization")
	if header == "" {
		return 0, errAuthentication()
	}
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok || strings.TrimSpace(token) == "" {
		err := refusal(http.StatusBadRequest, codeBadHeaders, "Invalid request headers")
		err.errors[0].ErrorChain = []message{{Code: codeAuthFormat, Message: "Invalid format for Authorization header"}}
		return 0, err
	}
	c.token = token
	switch {
	case sameToken(token, s.options.Token):
		return readWrite, nil
	case sameToken(token, s.options.ReadToken):
		return readOnly, nil
	case c.path == "/user/tokens/verify":
		return 0, refusal(http.StatusUnauthorized, codeInvalidToken, "Invalid API Token")
	default:
		return 0, refusal(http.StatusForbidden, codeBadToken, "Invalid access token")
	}
}

func sameToken(got, want string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

func (s *Sim) verifyToken(*call) (answer, error) {
	return answer{result: map[string]string{"id": s.tokenID, "status": "active"}}, nil
}

// decode parses the request's JSON body into v.
func (c *call) decode(v any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return invalid(codeBadBody, "Request body is invalid.")
	}
	if err := json.Unmarshal(c.body, v); err != nil {
		return invalid(codeBadBody, "Request body is invalid: %v", err)
	}
	return nil
}

func writeError(w http.ResponseWriter, e *apiError) {
	if e.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", seconds(e.retryAfter))
	}
	writeJSON(w, e.status, envelope{Errors: e.errors})
}

func writeJSON(w http.ResponseWriter, status int, body envelope) {
	if body.Errors == nil {
		body.Errors = []message{}
	}
	if body.Messages == nil {
		body.Messages = []message{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only if the client has left
}
