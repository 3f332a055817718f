// Blog is the application that the lab moves: readers read posts, visitors sign up
// in two steps, authors publish, readers like. It needs a MariaDB server (BLOG_DSN)
// and listens on BLOG_LISTEN.
//
// It tolerates a move of way "dual": ids come from auto-increment, every write is
// an insert or an update of a row that one visitor owns, and a confirmation waits
// for a sign-up that is still crossing over from the other side. Only likes, which
// update a shared row, need a single writer at a time.
package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(log); err != nil {
		log.Error("blog ends", "err", err)
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	cfg, err := mysql.ParseDSN(os.Getenv("BLOG_DSN"))
	if err != nil {
		return err
	}
	cfg.ParseTime, cfg.Timeout = true, 5*time.Second
	conn, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(conn)
	defer db.Close() //nolint:errcheck // the process ends
	db.SetMaxOpenConns(20)
	db.SetConnMaxLifetime(4 * time.Second) // sessions turn over, so that SET GLOBAL reaches them

	srv := &http.Server{Addr: os.Getenv("BLOG_LISTEN"), Handler: newBlog(db, log), ReadHeaderTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- srv.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
