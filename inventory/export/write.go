package export

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dcmigrate/migrate/report"
)

// Write writes the files into a folder that only its owner can read: they hold no
// secrets, but also what only root can read on the hosts. The folder must be empty or
// not exist. After an error it does not have a part of the files.
func (r *Result) Write(dir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write export: %w", err)
		}
	}()
	entries, err := os.ReadDir(dir)
	switch {
	case err == nil && len(entries) > 0:
		return report.WithHint(fmt.Errorf("%s is not empty", dir), "name a new folder, or remove that one")
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o750); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(parent, ".export-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	if err := r.writeBelow(temporary); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Rename(temporary, dir)
}

// writeBelow writes all files below a folder, whatever their names.
func (r *Result) writeBelow(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	for _, name := range r.Names {
		if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return errors.Join(err, root.Close())
		}
		if err := root.WriteFile(name, []byte(r.Files[name]), 0o600); err != nil {
			return errors.Join(err, root.Close())
		}
	}
	return root.Close()
}
