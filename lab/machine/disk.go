package machine

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// cloudInitSeedDir is where cloud-init's NoCloud source looks.
const cloudInitSeedDir = "/var/lib/cloud/seed/nocloud"

// disk is a host's root: an overlay of the host's own changes over a base tree.
type disk struct {
	base  string // the base tree
	layer Layer
	dir   string // the host's folder: upper, work, root
}

func (d disk) root() string { return filepath.Join(d.dir, "root") }

// create makes the folders of the overlay.
func (d disk) create() error {
	for _, name := range []string{"upper", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(d.dir, name), 0o755); err != nil {
			return fmt.Errorf("create disk: %w", err)
		}
	}
	return nil
}

// mount mounts the root unless it is mounted.
func (d disk) mount() error {
	mounted, err := mountsBelow(d.root())
	if err != nil || len(mounted) > 0 {
		return err
	}
	options := fmt.Sprintf("lowerdir=%s:%s,upperdir=%s,workdir=%s,index=off,redirect_dir=off,metacopy=off",
		filepath.Join(d.base, d.layer.String()), filepath.Join(d.base, coreLayer),
		filepath.Join(d.dir, "upper"), filepath.Join(d.dir, "work"))
	if err := unix.Mount("overlay", d.root(), "overlay", 0, options); err != nil {
		return fmt.Errorf("mount disk: %w", err)
	}
	return nil
}

// unmountBelow unmounts everything at and below dir, the innermost first.
func unmountBelow(dir string) error {
	mounted, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	for i := len(mounted) - 1; i >= 0; i-- {
		err := unix.Unmount(mounted[i], unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EBUSY) {
			err = unix.Unmount(mounted[i], unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
		}
		if err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmount %s: %w", mounted[i], err)
		}
	}
	return nil
}

// mountsBelow lists the mounts at and below dir in the order they were made.
func mountsBelow(dir string) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var found []string
	for line := range strings.SplitSeq(string(text), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if point := unescape.Replace(fields[4]); point == dir || strings.HasPrefix(point, dir+"/") {
			found = append(found, point)
		}
	}
	return found, nil
}

// prepare writes the host's own files: name, machine-id, keys, cloud-init's seed, and
// the files of its spec. The root must be mounted.
func (d disk) prepare(s Spec, gateway string) error {
	root, err := os.OpenRoot(d.root())
	if err != nil {
		return fmt.Errorf("open disk: %w", err)
	}
	defer root.Close() //nolint:errcheck // only a handle
	machineID := make([]byte, 16)
	rand.Read(machineID) // never fails, see crypto/rand
	files := map[string]File{
		"/etc/hostname":    {Content: []byte(s.Name + "\n")},
		"/etc/machine-id":  {Content: []byte(hex.EncodeToString(machineID) + "\n"), Mode: 0o444},
		"/etc/resolv.conf": {Content: []byte("nameserver " + gateway + "\noptions timeout:1 attempts:1\n")},
		"/etc/hosts": {Content: []byte("127.0.0.1 localhost\n127.0.1.1 " + s.Name +
			"\n::1 localhost ip6-localhost ip6-loopback\n")},
	}
	if len(s.AuthorizedKeys) > 0 {
		files["/root/.ssh/authorized_keys"] = File{Content: []byte(strings.Join(s.AuthorizedKeys, "\n") + "\n"), Mode: 0o600}
	}
	if s.CloudInit != nil {
		meta := s.CloudInit.MetaData
		if meta == "" {
			meta = fmt.Sprintf("instance-id: %s-%x\nlocal-hostname: %s\n", s.Name, machineID[:4], s.Name)
		}
		files[cloudInitSeedDir+"/meta-data"] = File{Content: []byte(meta)}
		files[cloudInitSeedDir+"/user-data"] = File{Content: []byte(s.CloudInit.UserData), Mode: 0o600}
	} else {
		if s.Layer == Droplet {
			files["/etc/cloud/cloud-init.disabled"] = File{}
		}
		if err := addHostKeys(files, s.Name); err != nil {
			return err
		}
	}
	for p, f := range s.Files {
		files[p] = f
	}
	owners, err := readOwners(root)
	if err != nil {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if err := writeHostFile(root, p, files[p], owners); err != nil {
			return fmt.Errorf("write %s: %w", p, err)
		}
	}
	// sshd refuses keys in a folder that others can write.
	if len(s.AuthorizedKeys) > 0 {
		if err := root.Chmod("root/.ssh", 0o700); err != nil {
			return fmt.Errorf("protect keys: %w", err)
		}
	}
	return nil
}

// addHostKeys adds new SSH host keys to files.
func addHostKeys(files map[string]File, comment string) error {
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make host key: %w", err)
	}
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make host key: %w", err)
	}
	for name, key := range map[string]any{"ed25519": edwards, "ecdsa": elliptic} {
		block, err := ssh.MarshalPrivateKey(key, "root@"+comment)
		if err != nil {
			return fmt.Errorf("encode host key: %w", err)
		}
		signer, err := ssh.NewSignerFromKey(key)
		if err != nil {
			return fmt.Errorf("read host key: %w", err)
		}
		file := "/etc/ssh/ssh_host_" + name + "_key"
		files[file] = File{Content: pem.EncodeToMemory(block), Mode: 0o600}
		files[file+".pub"] = File{Content: ssh.MarshalAuthorizedKey(signer.PublicKey())}
	}
	return nil
}

// writeHostFile writes one file or link, with its folders, mode and owner.
func writeHostFile(root *os.Root, name string, f File, owners owners) error {
	name = strings.TrimPrefix(name, "/")
	uid, gid, err := owners.lookup(f.Owner)
	if err != nil {
		return err
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	// Remove first: the path may be a link out of the tree.
	if err := root.Remove(name); err != nil && !errors.Is(err, syscall.ENOENT) {
		return err
	}
	if f.Link != "" {
		return root.Symlink(f.Link, name)
	}
	mode := f.Mode.Perm()
	if mode == 0 {
		mode = 0o644
	}
	if err := root.WriteFile(name, f.Content, mode); err != nil {
		return err
	}
	if err := root.Chmod(name, mode); err != nil {
		return err
	}
	return root.Lchown(name, uid, gid)
}

// owners holds the ids of a tree's users and groups, by name.
type owners struct {
	users  map[string][2]int // uid and primary gid
	groups map[string]int
}

func readOwners(root *os.Root) (owners, error) {
	o := owners{users: map[string][2]int{}, groups: map[string]int{}}
	for _, file := range []string{"etc/passwd", "etc/group"} {
		text, err := root.ReadFile(file)
		if err != nil {
			return o, fmt.Errorf("read owners: %w", err)
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			fields := strings.Split(line, ":")
			if len(fields) < 4 {
				continue
			}
			id, err := strconv.Atoi(fields[2])
			if err != nil {
				return o, fmt.Errorf("read owners: %w", err)
			}
			if file == "etc/group" {
				o.groups[fields[0]] = id
				continue
			}
			gid, err := strconv.Atoi(fields[3])
			if err != nil {
				return o, fmt.Errorf("read owners: %w", err)
			}
			o.users[fields[0]] = [2]int{id, gid}
		}
	}
	return o, nil
}

// lookup resolves "user" or "user:group"; both may be numbers.
func (o owners) lookup(owner string) (uid, gid int, err error) {
	if owner == "" {
		return 0, 0, nil
	}
	user, group, hasGroup := strings.Cut(owner, ":")
	if ids, ok := o.users[user]; ok {
		uid, gid = ids[0], ids[1]
	} else if uid, err = strconv.Atoi(user); err != nil {
		return 0, 0, fmt.Errorf("no user %q", user)
	}
	if !hasGroup {
		return uid, gid, nil
	}
	if id, ok := o.groups[group]; ok {
		return uid, id, nil
	}
	if gid, err = strconv.Atoi(group); err != nil {
		return 0, 0, fmt.Errorf("no group %q", group)
	}
	return uid, gid, nil
}
