package parity

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/address"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/report"
)

// packScript writes a tar stream of the paths on its input, without the content of
// folders. tar exits with 1 if a file changed or vanished while it was read: the next
// Check finds the difference.
const packScript = `set -eu
export LC_ALL=C
tar --create --file=- --directory=/ --format=gnu --hard-dereference --no-recursion --ignore-failed-read \
  --null --verbatim-files-from --files-from=- 2>/dev/null || [ $? -eq 1 ]
`

// unpackScript extracts a tar stream as root, with owners by name.
const unpackScript = `set -eu
export LC_ALL=C
tar --extract --file=- --directory=/ --preserve-permissions --same-owner
`

// pathList renders the paths as packScript and keepScript read them: relative to /,
// each with a NUL after it.
func pathList(paths []string) io.Reader {
	var b bytes.Buffer
	for _, p := range paths {
		b.WriteString(strings.TrimPrefix(p, "/"))
		b.WriteByte(0)
	}
	return &b
}

// readTar calls read with a tar stream of the host's paths.
func readTar(ctx context.Context, host remote.Host, paths []string, read func(io.Reader) error) error {
	g, ctx := errgroup.WithContext(ctx)
	r, w := io.Pipe()
	g.Go(func() error {
		err := host.Run(ctx, packScript, pathList(paths), w)
		w.CloseWithError(err) // nil is the end of the stream
		if errors.Is(err, io.ErrClosedPipe) {
			return nil // read has failed: its error says more
		}
		return err
	})
	g.Go(func() error {
		err := read(r)
		if err == nil {
			_, err = io.Copy(io.Discard, r) // the padding after tar's end mark
		}
		r.CloseWithError(err)
		return err
	})
	return g.Wait()
}

// readRewriting reads the files that may name an old address, and returns what the
// rewriter makes of them.
func readRewriting(ctx context.Context, host remote.Host, paths []string, rw address.Rewriter) (rewriting, error) {
	result := rewriting{changed: map[string]string{}, unchanged: map[string][]string{}}
	if len(paths) == 0 {
		return result, nil
	}
	err := readTar(ctx, host, paths, func(r io.Reader) error {
		for in := tar.NewReader(r); ; {
			h, err := in.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if h.Typeflag != tar.TypeReg || h.Size > maxText {
				continue
			}
			text, err := io.ReadAll(in)
			if err != nil {
				return err
			}
			result.add("/"+h.Name, string(text), rw)
		}
	})
	if err != nil {
		return result, fmt.Errorf("read files of %s: %w", host.Name(), err)
	}
	return result, nil
}

// hashOf is the SHA-256 of a text, as sha256sum prints it.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// copyFiles streams the paths from source to target through this process's memory, and
// rewrites the files in rewrite on the way.
func copyFiles(ctx context.Context, source, target remote.Host, paths []string, rewrite map[string]string, rw address.Rewriter) error {
	err := readTar(ctx, source, paths, func(r io.Reader) error {
		rewritten, w := io.Pipe()
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error {
			err := target.Run(ctx, unpackScript, rewritten, nil)
			rewritten.CloseWithError(cmp.Or(err, io.ErrClosedPipe))
			return err
		})
		g.Go(func() error {
			err := rewriteTar(ctx, r, w, int64(len(paths)), rewrite, rw)
			w.CloseWithError(err) // nil is the end of the stream
			if errors.Is(err, io.ErrClosedPipe) {
				return nil // the target's error says more
			}
			return err
		})
		return g.Wait()
	})
	if err != nil {
		return fmt.Errorf("copy files from %s to its clone: %w", source.Name(), err)
	}
	return nil
}

// rewriteTar copies a tar stream and rewrites the files in rewrite.
func rewriteTar(ctx context.Context, r io.Reader, w io.Writer, total int64, rewrite map[string]string, rw address.Rewriter) error {
	in, out := tar.NewReader(r), tar.NewWriter(w)
	for done := int64(1); ; done++ {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err != nil {
			return fmt.Errorf("read stream: %w", err)
		}
		h.Format = tar.FormatUnknown // the writer chooses: names may be long
		h.PAXRecords = nil
		h.ModTime, h.AccessTime, h.ChangeTime = h.ModTime.Truncate(time.Second), time.Time{}, time.Time{}
		var content io.Reader = in
		if _, ok := rewrite["/"+h.Name]; ok && h.Typeflag == tar.TypeReg && h.Size <= maxText {
			text, err := io.ReadAll(in)
			if err != nil {
				return fmt.Errorf("read %s: %w", h.Name, err)
			}
			rewritten, _ := rw.Rewrite(string(text))
			h.Size, content = int64(len(rewritten)), strings.NewReader(rewritten)
		}
		if err := out.WriteHeader(h); err != nil {
			return fmt.Errorf("write %s: %w", h.Name, err)
		}
		if _, err := io.Copy(out, content); err != nil {
			return fmt.Errorf("write %s: %w", h.Name, err)
		}
		report.Show(ctx, report.Progress{Done: done, Total: total, Unit: "files", What: "/" + h.Name})
	}
}
