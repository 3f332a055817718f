package capture

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

var kinds = map[string]string{"f": "file", "d": "folder", "l": "link"}

// fileFields is the number of fields that find prints for a file.
const fileFields = 9

// files joins the output of find for the paths that the config names with the
// hashes of the files. A path that does not exist or cannot be read is missing.
func (p *parser) files() {
	if len(p.target.Files) == 0 {
		return
	}
	listed, _ := p.section("files")
	hashed, _ := p.section("sums")
	p.addMissingPaths("files", listed)
	sums := parseSums(string(hashed.out))
	found := map[inventory.Text]bool{}
	for _, fields := range records(string(listed.out), fileFields) {
		file, err := parseFile(fields)
		switch {
		case err != nil:
			p.addMissing(inventory.Missing{What: "files", Reason: inventory.Failed, Detail: err.Error()})
			return
		case fields[0] == "?":
			p.addMissing(inventory.Missing{What: string(file.Path), Reason: inventory.Absent, Detail: "no such file"})
			continue
		case fields[0] == "!":
			p.addMissing(inventory.Missing{What: string(file.Path), Reason: inventory.Skipped, Detail: "it lies on a network file system"})
			continue
		case found[file.Path]: // it is below two paths of the config
			continue
		}
		found[file.Path] = true
		if file.Kind == kinds["f"] {
			p.hash(&file, sums)
		}
		p.host.Files = append(p.host.Files, file)
	}
	p.addMissingPaths("sums", hashed)
	slices.SortFunc(p.host.Files, func(a, b inventory.File) int { return cmp.Compare(a.Path, b.Path) })
}

// hash sets the hash of a file. The hash is keyed if not everybody may read the
// file: its contents may be short enough to guess.
func (p *parser) hash(file *inventory.File, sums map[string]string) {
	path := string(file.Path)
	if neverRead.match(path) {
		p.host.Secrets = append(p.host.Secrets, inventory.Secret{Path: file.Path, Kind: "file"})
		return
	}
	sum := sums[path]
	if sum == "" {
		return
	}
	p.sums[path] = sum
	if strings.HasSuffix(file.Mode, "0") || strings.HasSuffix(file.Mode, "1") || strings.HasSuffix(file.Mode, "2") || strings.HasSuffix(file.Mode, "3") {
		file.HMAC = p.redactor.Hash(sum)
	} else {
		file.SHA256 = sum
	}
}

// addMissingPaths lists each line of a section's errors as missing. The section's
// output remains valid.
func (p *parser) addMissingPaths(name string, s section) {
	if s.missing(name) == nil {
		return
	}
	errs := lines(strings.ToValidUTF8(string(s.err), "?"))
	if len(errs) == 0 || s.status == 124 {
		p.addMissing(*s.missing(name))
		return
	}
	for _, line := range errs {
		p.addMissing(*section{status: s.status, err: []byte(line)}.missing(name))
	}
}

// parseFile reads the fields that find prints: kind, mode, uid, gid, owner, group,
// size, path, target. Of a path that was skipped ("?", "!") only the path is set.
func parseFile(f []string) (inventory.File, error) {
	if f[0] == "?" || f[0] == "!" {
		return inventory.File{Path: inventory.Text(f[7])}, nil
	}
	file := inventory.File{Path: inventory.Text(f[7]), Kind: kinds[f[0]], Owner: f[4], Group: f[5], Target: inventory.Text(f[8])}
	mode, err1 := strconv.ParseUint(f[1], 8, 16)
	uid, err2 := strconv.Atoi(f[2])
	gid, err3 := strconv.Atoi(f[3])
	size, err4 := strconv.ParseInt(f[6], 10, 64)
	if err := cmp.Or(err1, err2, err3, err4); err != nil {
		return inventory.File{}, fmt.Errorf("read answer of find for %.60q: %w", f[7], err)
	}
	if file.Kind == "" {
		return inventory.File{}, fmt.Errorf("read answer of find for %.60q: unknown kind %.10q", f[7], f[0])
	}
	file.Mode, file.UID, file.GID = fmt.Sprintf("%04o", mode), uid, gid
	if file.Kind == kinds["f"] {
		file.Size = size
	}
	return file, nil
}

// parseSums reads the output of sha256sum -z or md5sum -z into a map from path to
// hash.
func parseSums(text string) map[string]string {
	sums := map[string]string{}
	for record := range strings.SplitSeq(text, "\x00") {
		if hash, rest, ok := strings.Cut(record, " "); ok && (len(hash) == 64 || len(hash) == 32) && rest != "" {
			sums[rest[1:]] = hash // the first character marks text or binary
		}
	}
	return sums
}
