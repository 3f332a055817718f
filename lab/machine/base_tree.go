package machine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// DefaultCache is the folder that keeps base trees between runs.
const DefaultCache = "/var/cache/migrate-lab"

// The parts of a base tree. A host's root is an overlay: its own changes over one of
// the upper layers over the core.
const (
	coreLayer    = "core"
	siteLayer    = "site"
	dropletLayer = "droplet"
)

// Base returns the folder of the base tree below cacheDir. If the current recipe has
// no tree yet, Base builds it, which takes some minutes and needs the machine's Debian
// mirror; progress receives a line for each part.
//
// The builder uses a temporary name and renames the tree when it is complete, so that
// a killed builder leaves nothing that looks like a tree. A second builder waits for
// the first.
func Base(ctx context.Context, cacheDir string, progress func(string)) (string, error) {
	if err := Require(); err != nil {
		return "", err
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", fmt.Errorf("create cache: %w", err)
	}
	r := currentRecipe()
	dir := filepath.Join(cacheDir, "tree-"+r.digest())
	if exists(dir) {
		return dir, nil
	}
	l, err := acquireLock(ctx, dir+".lock", func(holder string) { progress("waiting for " + holder + ", which builds the base tree") })
	if err != nil {
		return "", err
	}
	defer l.Close()
	if exists(dir) {
		return dir, nil
	}
	temporary := dir + ".tmp"
	if err := os.RemoveAll(temporary); err != nil {
		return "", fmt.Errorf("remove unfinished tree: %w", err)
	}
	b := builder{recipe: r, dir: temporary, progress: progress}
	if err := b.build(ctx); err != nil {
		return "", fmt.Errorf("build base tree: %w", err)
	}
	if err := os.Rename(temporary, dir); err != nil {
		return "", fmt.Errorf("publish base tree: %w", err)
	}
	return dir, syncDir(cacheDir)
}

// builder builds the base tree of a recipe in dir.
type builder struct {
	recipe   recipe
	dir      string
	mirrors  mirrors
	progress func(string)
}

// build makes the core, the package archive inside it, and the layers on it.
func (b *builder) build(ctx context.Context) error {
	var err error
	if b.mirrors, err = readMirrors("/"); err != nil {
		return err
	}
	for _, part := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"bootstrap Debian " + b.recipe.Suite, b.bootstrap},
		{"install the packages of every host", b.core},
		{"download the packages that hosts may install", b.packagePool},
		{"install the packages of old site hosts", b.site},
		{"install the packages of droplets", b.droplet},
	} {
		b.progress("base tree: " + part.what)
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.what, err)
		}
	}
	return nil
}

func (b *builder) treePath(parts ...string) string {
	return filepath.Join(append([]string{b.dir}, parts...)...)
}

// bootstrap makes a minimal Debian with apt.
func (b *builder) bootstrap(ctx context.Context) error {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return fmt.Errorf("create tree: %w", err)
	}
	// In a mount and process namespace of its own debootstrap takes its mounts and
	// children with it when it is killed.
	_, err := runCommand(ctx, "", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"debootstrap", "--variant=minbase", "--include=ca-certificates", b.recipe.Suite, b.treePath(coreLayer), b.mirrors.main)
	return err
}

// core installs the packages of every host from the machine's mirrors.
func (b *builder) core(ctx context.Context) error {
	root := b.treePath(coreLayer)
	sources := fmt.Sprintf("deb %[1]s %[2]s main\ndeb %[1]s %[2]s-updates main\n", b.mirrors.main, b.recipe.Suite)
	if b.mirrors.security != "" {
		sources += fmt.Sprintf("deb %s %s-security main\n", b.mirrors.security, b.recipe.Suite)
	}
	resolver, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return fmt.Errorf("read resolver: %w", err)
	}
	err = writeFiles(root, map[string]string{"/etc/apt/sources.list": sources, "/etc/resolv.conf": string(resolver)})
	if err != nil {
		return err
	}
	if err := writeFiles(root, b.recipe.CoreFiles); err != nil {
		return err
	}
	if err := b.runInLayer(ctx, coreLayer, "apt-get update -q && apt-get dist-upgrade -qy && apt-get install -qy "+strings.Join(b.recipe.Core, " ")); err != nil {
		return err
	}
	return maskUnits(root, b.recipe.Masked)
}

// packagePool downloads the packages that hosts may install and makes an archive of
// them inside the core. It becomes the only archive in the tree's sources.list.
func (b *builder) packagePool(ctx context.Context) error {
	root := b.treePath(coreLayer)
	// One call for each package, because some of them conflict.
	var script strings.Builder
	script.WriteString("apt-get clean\n")
	for _, name := range append(b.recipe.Pool, b.recipe.Droplet...) {
		fmt.Fprintf(&script, "apt-get install -qy --download-only %s\n", name)
	}
	fmt.Fprintf(&script, "mkdir -p %[1]s && mv /var/cache/apt/archives/*.deb %[1]s/ && chmod 644 %[1]s/*.deb\n", archiveDir)
	if err := b.runInLayer(ctx, coreLayer, script.String()); err != nil {
		return err
	}
	if err := indexArchive(ctx, filepath.Join(root, archiveDir)); err != nil {
		return err
	}
	if err := writeFiles(root, map[string]string{"/etc/apt/sources.list": archiveSource, "/etc/resolv.conf": ""}); err != nil {
		return err
	}
	// Each host gets its own host keys and machine-id.
	return b.runInLayer(ctx, coreLayer, `rm -rf /var/lib/apt/lists/* && apt-get update -q
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /etc/hostname
: > /etc/machine-id
rm -rf /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log /usr/sbin/policy-rc.d`)
}

// site adds the layer of old site hosts.
func (b *builder) site(ctx context.Context) error {
	return b.layer(ctx, siteLayer, b.recipe.Site, b.recipe.SiteFiles)
}

// droplet adds the layer of droplets, which resemble a fresh cloud image.
func (b *builder) droplet(ctx context.Context) error {
	return b.layer(ctx, dropletLayer, b.recipe.Droplet, b.recipe.DropletFiles)
}

// layer installs packages in an overlay on the core. It writes the files first,
// because a package may read its configuration when it is installed.
func (b *builder) layer(ctx context.Context, name string, packages []string, files map[string]string) error {
	if err := os.MkdirAll(b.treePath(name), 0o755); err != nil {
		return fmt.Errorf("create layer: %w", err)
	}
	if err := writeFiles(b.treePath(name), files); err != nil {
		return err
	}
	return b.runInLayer(ctx, name, "apt-get install -qy "+strings.Join(packages, " ")+`
rm -f /etc/ssh/ssh_host_* /usr/sbin/policy-rc.d
rm -rf /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log /var/lib/cloud/*
: > /etc/machine-id`)
}

// runInLayer runs a shell script as root in the core, or in a layer over the core,
// with /proc and without starting services. Mounts and processes live in namespaces
// of their own and end with them.
func (b *builder) runInLayer(ctx context.Context, layer, script string) error {
	setup := `set -e
core=$1 root=$1 upper=$2 work=$3 script=$4
if [ -n "$upper" ]; then
	root=$work/root
	mkdir -p "$root" "$work/work"
	mount -t overlay overlay -o "lowerdir=$core,upperdir=$upper,workdir=$work/work,index=off,redirect_dir=off,metacopy=off" "$root"
fi
mount -t proc proc "$root/proc"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
exec chroot "$root" /bin/sh -ec "$script" </dev/null`
	upper, work := "", ""
	if layer != coreLayer {
		upper, work = b.treePath(layer), b.treePath("work-"+layer)
		defer os.RemoveAll(work) // the next builder removes what is left
	}
	_, err := runCommand(ctx, "", "unshare", "--mount", "--pid", "--fork", "--kill-child",
		"/bin/sh", "-c", setup, "sh", b.treePath(coreLayer), upper, work, script)
	return err
}
