package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
)

// crossingTimeout is how long a confirmation waits for a sign-up on the other side
// that replication has not brought here yet.
const crossingTimeout = 3 * time.Second

type blog struct {
	db  *sql.DB
	log *slog.Logger
}

func newBlog(db *sql.DB, log *slog.Logger) http.Handler {
	b := &blog{db, log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.latest)
	mux.HandleFunc("GET /posts/{id}", b.post)
	mux.HandleFunc("GET /about", b.about)
	mux.HandleFunc("GET /healthz", b.healthz)
	mux.HandleFunc("POST /posts", b.publish)
	mux.HandleFunc("POST /signup", b.signup)
	mux.HandleFunc("POST /confirm", b.confirm)
	mux.HandleFunc("POST /like", b.like)
	return mux
}

type post struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
	Body  string `json:"body,omitempty"`
}

func (b *blog) latest(w http.ResponseWriter, r *http.Request) {
	rows, err := b.db.QueryContext(r.Context(), "SELECT id, title FROM posts ORDER BY id DESC LIMIT 10")
	if err != nil {
		b.fail(w, err)
		return
	}
	defer rows.Close() //nolint:errcheck // read to the end below
	posts := []post{}
	for rows.Next() {
		var p post
		if err := rows.Scan(&p.ID, &p.Title); err != nil {
			b.fail(w, err)
			return
		}
		posts = append(posts, p)
	}
	b.answer(w, posts, rows.Err())
}

func (b *blog) post(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	p := post{ID: id}
	err = b.db.QueryRowContext(r.Context(), "SELECT title, body FROM posts WHERE id = ?", id).Scan(&p.Title, &p.Body)
	if errors.Is(err, sql.ErrNoRows) {
		http.NotFound(w, r)
		return
	}
	b.answer(w, p, err)
}

// about serves the one page that caches may keep.
func (b *blog) about(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	b.answer(w, map[string]string{"about": "a small blog"}, nil)
}

func (b *blog) healthz(w http.ResponseWriter, r *http.Request) {
	var n int
	err := b.db.QueryRowContext(r.Context(), "SELECT COUNT(*) FROM (SELECT 1 FROM posts LIMIT 1) p").Scan(&n)
	b.answer(w, map[string]bool{"ok": err == nil}, err)
}

func (b *blog) publish(w http.ResponseWriter, r *http.Request) {
	_, err := b.db.ExecContext(r.Context(), "INSERT INTO posts (op, title, body, created_at) VALUES (?, ?, ?, UTC_TIMESTAMP(6))",
		r.FormValue("op"), r.FormValue("title"), r.FormValue("body"))
	b.answer(w, map[string]bool{"ok": true}, err)
}

func (b *blog) signup(w http.ResponseWriter, r *http.Request) {
	token := rand.Text()
	_, err := b.db.ExecContext(r.Context(), "INSERT INTO users (op, email, token, created_at) VALUES (?, ?, ?, UTC_TIMESTAMP(6))",
		r.FormValue("op"), r.FormValue("email"), token)
	b.answer(w, map[string]string{"token": token}, err)
}

func (b *blog) confirm(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), crossingTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		res, err := b.db.ExecContext(ctx, "UPDATE users SET confirmed_op = ?, confirmed_at = UTC_TIMESTAMP(6) WHERE token = ?", r.FormValue("op"), r.FormValue("token"))
		if err != nil && ctx.Err() == nil {
			b.fail(w, err)
			return
		}
		if err == nil {
			if n, err := res.RowsAffected(); err != nil || n > 0 {
				b.answer(w, map[string]bool{"ok": true}, err)
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			http.Error(w, "no such sign-up", http.StatusNotFound)
			return
		}
	}
}

// like adds one to a shared tally, which would show a lost update.
func (b *blog) like(w http.ResponseWriter, r *http.Request) {
	tx, err := b.db.BeginTx(r.Context(), nil)
	if err != nil {
		b.fail(w, err)
		return
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	if _, err = tx.Exec("UPDATE tallies SET n = n + 1 WHERE name = 'likes'"); err == nil {
		_, err = tx.Exec("INSERT INTO likes (op, created_at) VALUES (?, UTC_TIMESTAMP(6))", r.FormValue("op"))
	}
	if err == nil {
		err = tx.Commit()
	}
	b.answer(w, map[string]bool{"ok": true}, err)
}

func (b *blog) answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		b.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		b.log.Warn("write answer", "err", err)
	}
}

// readOnlyErrorNumber is a fenced server's error for a write (ER_OPTION_PREVENTS_STATEMENT).
const readOnlyErrorNumber = 1290

func (b *blog) fail(w http.ResponseWriter, err error) {
	var e *mysql.MySQLError
	if errors.As(err, &e) && e.Number == readOnlyErrorNumber {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "read-only for a moment", http.StatusServiceUnavailable)
		return
	}
	b.log.Error("request", "err", err)
	http.Error(w, "internal error", http.StatusInternalServerError)
}
