package inventory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Objects is a folder of file contents without secrets. Each file is named by the
// SHA-256 of its contents, so equal files of many hosts are stored once.
type Objects struct{ dir string }

// NewObjects returns the store in dir. Put creates the folder.
func NewObjects(dir string) *Objects { return &Objects{dir: dir} }

var objectName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Put stores contents and returns their name, the SHA-256 in hexadecimal. It
// writes nothing if they are stored already.
func (o *Objects) Put(contents []byte) (string, error) {
	sum := sha256.Sum256(contents)
	name := hex.EncodeToString(sum[:])
	dir := filepath.Join(o.dir, name[:2])
	if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
		return name, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("keep contents: %w", err)
	}
	if err := writeFile(dir, name, contents); err != nil {
		return "", fmt.Errorf("keep contents: %w", err)
	}
	return name, nil
}

// Get returns the contents that Put stored under name. It fails if the file was
// changed since, which its name proves.
func (o *Objects) Get(name string) ([]byte, error) {
	if !objectName.MatchString(name) {
		return nil, fmt.Errorf("read contents: %q is no name of contents", name)
	}
	contents, err := os.ReadFile(filepath.Join(o.dir, name[:2], name))
	if err != nil {
		return nil, fmt.Errorf("read contents: %w", err)
	}
	if sum := sha256.Sum256(contents); hex.EncodeToString(sum[:]) != name {
		return nil, fmt.Errorf("read contents %s: %w", name, errChanged)
	}
	return contents, nil
}

var errChanged = errors.New("the file was changed since it was written")
