package machine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// archiveDir is where a tree keeps the packages that its hosts may install. It is
// an apt archive, so that hosts install packages without a network.
const archiveDir = "/var/cache/debian"

// archiveSource is the only line of the trees' sources.list. It can be trusted
// because apt verified the packages when it downloaded them.
const archiveSource = "deb [trusted=yes] file:" + archiveDir + " ./\n"

// indexArchive writes the Packages and Release files of a flat archive in dir, see
// https://wiki.debian.org/DebianRepository/Format.
func indexArchive(ctx context.Context, dir string) error {
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return fmt.Errorf("list packages: %w", err)
	}
	if len(debs) == 0 {
		return fmt.Errorf("index packages: none in %s", dir)
	}
	var packages bytes.Buffer
	for _, deb := range debs {
		fields, err := runCommand(ctx, "", "dpkg-deb", "--field", deb)
		if err != nil {
			return fmt.Errorf("read package: %w", err)
		}
		size, sum, err := fileDigest(deb)
		if err != nil {
			return err
		}
		fmt.Fprintf(&packages, "%s\nFilename: ./%s\nSize: %d\nSHA256: %x\n\n",
			strings.TrimRight(fields, "\n"), filepath.Base(deb), size, sum)
	}
	if err := writeFile(filepath.Join(dir, "Packages"), packages.Bytes(), 0o644); err != nil {
		return err
	}
	release := fmt.Sprintf("Origin: lab\nLabel: lab\nSuite: stable\nCodename: %s\nArchitectures: amd64 arm64 all\nComponents: main\nSHA256:\n %x %d Packages\n",
		suite, sha256.Sum256(packages.Bytes()), packages.Len())
	return writeFile(filepath.Join(dir, "Release"), []byte(release), 0o644)
}

// fileDigest returns the size in bytes and the SHA-256 of a file.
func fileDigest(path string) (int64, []byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, nil, fmt.Errorf("open package: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return 0, nil, fmt.Errorf("read package: %w", err)
	}
	return n, h.Sum(nil), nil
}
