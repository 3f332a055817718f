package traffic

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/wait"
)

// requestTimeout is how long a client waits for an answer.
const requestTimeout = 30 * time.Second

// Traffic runs the clients. Set the fields, Open, Close.
type Traffic struct {
	Edge    string        // host:port that every name is reached at
	Names   []string      // host names of the application
	Path    string        // the log that is written
	Clients int           // default 8
	Think   time.Duration // mean pause before each action of a client; default 150 ms
	// Likes adds increments of one shared row. They need a single writer at a time,
	// so they are wrong for way dual.
	Likes bool

	cancel    context.CancelFunc
	pauseLock sync.RWMutex // held for reading by a request, for writing while paused
	paused    bool
	group     *errgroup.Group
	client    *http.Client
	mu        sync.Mutex
	file      *os.File
	out       *bufio.Writer
	log       Log
}

// Open starts the clients.
func (t *Traffic) Open(ctx context.Context) (err error) {
	if t.file, err = os.Create(t.Path); err != nil {
		return fmt.Errorf("create traffic log: %w", err)
	}
	t.out = bufio.NewWriter(t.file)
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	t.client = &http.Client{
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 32,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, t.Edge)
			},
		},
	}
	if t.Clients == 0 {
		t.Clients = 8
	}
	if t.Think == 0 {
		t.Think = 150 * time.Millisecond
	}
	ctx, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
	t.group = &errgroup.Group{}
	for range t.Clients {
		t.group.Go(func() error { return t.visitor(ctx) })
	}
	return nil
}

// Pause waits for the requests in flight, at most for requestTimeout, and holds the
// clients until Resume. One goroutine must call Pause, Resume and Close.
func (t *Traffic) Pause() {
	if !t.paused {
		t.pauseLock.Lock()
		t.paused = true
	}
}

// Resume lets the clients continue.
func (t *Traffic) Resume() {
	if t.paused {
		t.paused = false
		t.pauseLock.Unlock()
	}
}

// Close waits for the requests in flight and for sign-ups to be confirmed, stops
// the clients and closes the log.
func (t *Traffic) Close() error {
	t.cancel()
	t.Resume()
	err := t.group.Wait()
	t.client.CloseIdleConnections()
	return errors.Join(err, t.out.Flush(), t.file.Close())
}

// Log returns the records so far.
func (t *Traffic) Log() Log {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(Log(nil), t.log...)
}

// visitor performs one action after another until ctx ends. It completes the
// action in progress.
func (t *Traffic) visitor(ctx context.Context) error {
	for think(ctx, t.Think) {
		name := t.Names[mrand.IntN(len(t.Names))]
		var err error
		switch n := mrand.IntN(10); {
		case n < 4:
			err = t.read(name)
		case n < 7:
			err = t.write(name, Publish, "/posts", url.Values{"title": {"A post – ☃"}, "body": {strings.Repeat("words ", 40)}})
		case n < 9 || !t.Likes:
			err = t.signup(ctx, name)
		default:
			err = t.write(name, Like, "/like", url.Values{})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// think waits about d, exponentially distributed; false when ctx ended.
func think(ctx context.Context, d time.Duration) bool {
	return wait.For(ctx, time.Duration(-math.Log(1-mrand.Float64())*float64(d))) == nil
}

func (t *Traffic) read(name string) error {
	path := "/"
	switch mrand.IntN(3) {
	case 0:
		path = fmt.Sprintf("/posts/%d", 1+mrand.IntN(20000))
	case 1:
		path = "/about"
	}
	_, _, err := t.do(Record{Kind: Read}, http.MethodGet, name, path, nil)
	return err
}

func (t *Traffic) write(name string, k Kind, path string, form url.Values) error {
	_, _, err := t.do(Record{Kind: k}, http.MethodPost, name, path, form)
	return err
}

// signup signs up, waits like a person who reads a mail, and confirms.
func (t *Traffic) signup(ctx context.Context, name string) error {
	r, body, err := t.do(Record{Kind: Signup}, http.MethodPost, name, "/signup", url.Values{"email": {rand.Text() + "@example.net"}})
	if err != nil || !r.OK() {
		return err
	}
	var answer struct{ Token string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("read sign-up's answer: %w", err)
	}
	think(ctx, 4*t.Think)
	_, _, err = t.do(Record{Kind: Confirm, Begun: r.Server}, http.MethodPost, name, "/confirm", url.Values{"token": {answer.Token}})
	return err
}

// do sends one request, never twice, and records it.
func (t *Traffic) do(r Record, method, name, path string, form url.Values) (Record, []byte, error) {
	if r.Kind.Write() {
		r.Op = rand.Text()
		form.Set("op", r.Op)
	}
	var reader io.Reader
	if form != nil {
		reader = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, "http://"+name+path, reader) // no context: a request in flight is finished
	if err != nil {
		return r, nil, fmt.Errorf("make request: %w", err)
	}
	req.GetBody = nil // the transport must not send a write again by itself
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	t.pauseLock.RLock()
	defer t.pauseLock.RUnlock()
	r.Start = time.Now()
	body, err := t.exchange(req, &r)
	r.End = time.Now()
	if err != nil {
		r.Status, r.Err = 0, err.Error()
	}
	return r, body, t.record(r)
}

func (t *Traffic) exchange(req *http.Request, r *Record) ([]byte, error) {
	res, err := t.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	r.Status, r.Server = res.StatusCode, res.Header.Get("X-Served-By")
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && !r.OK() {
		r.Err = strings.TrimSpace(string(body[:min(len(body), 80)]))
	}
	return body, err
}

func (t *Traffic) record(r Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = append(t.log, r)
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	if _, err := t.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write traffic log: %w", err)
	}
	return nil
}
