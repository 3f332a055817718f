package machine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// DefaultCache is where base trees are kept between runs.
const DefaultCache = "/var/cache/migrate-lab"

// The parts of a base tree. A host's root is an overlay of its own changes on
// one of the upper layers on the core.
const (
	coreLayer    = "core"
	siteLayer    = "site"
	dropletLayer = "droplet"
)

// Base returns the folder of the base tree below cacheDir and builds it first
// when there is none for the present recipe. Building takes some minutes and
// needs the machine's Debian mirror; progress gets a line for each part of it.
//
// The tree is built under another name and renamed when it is complete, so a
// builder that was killed leaves nothing that could be mistaken for a tree. A
// second builder waits for the first.
func Base(ctx context.Context, cacheDir string, progress func(string)) (string, error) {
	if err := Require(); err != nil {
		return "", err
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", fmt.Errorf("create cache: %w", err)
	}
	r := theRecipe()
	dir := filepath.Join(cacheDir, "tree-"+r.digest())
	if exists(dir) {
		return dir, nil
	}
	l, err := lock(ctx, dir+".lock", func(holder string) { progress("waiting for " + holder + ", which builds the base tree") })
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

// exists says whether path is there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// builder follows a recipe in dir.
type builder struct {
	recipe   recipe
	dir      string
	mirrors  mirrors
	progress func(string)
}

// build makes the core, the archive of packages in it, and the layers on it.
func (b *builder) build(ctx context.Context) error {
	var err error
	if b.mirrors, err = findMirrors("/"); err != nil {
		return err
	}
	for _, part := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"bootstrap Debian " + b.recipe.Suite, b.bootstrap},
		{"install the packages of every host", b.core},
		{"download the packages that hosts may install", b.pool},
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

func (b *builder) path(parts ...string) string {
	return filepath.Join(append([]string{b.dir}, parts...)...)
}

// bootstrap makes the smallest Debian that has apt.
func (b *builder) bootstrap(ctx context.Context) error {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return fmt.Errorf("create tree: %w", err)
	}
	// A mount namespace and process namespace of its own: whatever kills
	// debootstrap, its mounts and children go with it.
	_, err := run(ctx, "", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"debootstrap", "--variant=minbase", "--include=ca-certificates", b.recipe.Suite, b.path(coreLayer), b.mirrors.main)
	return err
}

// core installs what every host has, from the machine's mirrors.
func (b *builder) core(ctx context.Context) error {
	root := b.path(coreLayer)
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
	if err := b.chroot(ctx, coreLayer, "apt-get update -q && apt-get dist-upgrade -qy && apt-get install -qy "+strings.Join(b.recipe.Core, " ")); err != nil {
		return err
	}
	return mask(root, b.recipe.Masked)
}

// pool downloads what hosts may install and makes an archive of it inside the
// core; from here on, no tree knows another archive.
func (b *builder) pool(ctx context.Context) error {
	root := b.path(coreLayer)
	// One call for each package: some of them exclude each other.
	var script strings.Builder
	script.WriteString("apt-get clean\n")
	for _, name := range append(b.recipe.Pool, b.recipe.Droplet...) {
		fmt.Fprintf(&script, "apt-get install -qy --download-only %s\n", name)
	}
	fmt.Fprintf(&script, "mkdir -p %[1]s && mv /var/cache/apt/archives/*.deb %[1]s/ && chmod 644 %[1]s/*.deb\n", poolDir)
	if err := b.chroot(ctx, coreLayer, script.String()); err != nil {
		return err
	}
	if err := indexPool(ctx, filepath.Join(root, poolDir)); err != nil {
		return err
	}
	if err := writeFiles(root, map[string]string{"/etc/apt/sources.list": poolSource, "/etc/resolv.conf": ""}); err != nil {
		return err
	}
	// Host keys and machine-id belong to one host.
	return b.chroot(ctx, coreLayer, `rm -rf /var/lib/apt/lists/* && apt-get update -q
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /etc/hostname
: > /etc/machine-id
rm -rf /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log /usr/sbin/policy-rc.d`)
}

// site adds the layer of old site hosts.
func (b *builder) site(ctx context.Context) error {
	return b.layer(ctx, siteLayer, b.recipe.Site, b.recipe.SiteFiles)
}

// droplet adds the layer of droplets, which look like a fresh cloud image.
func (b *builder) droplet(ctx context.Context) error {
	return b.layer(ctx, dropletLayer, b.recipe.Droplet, b.recipe.DropletFiles)
}

// layer installs packages in an overlay on the core. The files come first: a
// package may read its configuration when it is installed.
func (b *builder) layer(ctx context.Context, name string, packages []string, files map[string]string) error {
	if err := os.MkdirAll(b.path(name), 0o755); err != nil {
		return fmt.Errorf("create layer: %w", err)
	}
	if err := writeFiles(b.path(name), files); err != nil {
		return err
	}
	return b.chroot(ctx, name, "apt-get install -qy "+strings.Join(packages, " ")+`
rm -f /etc/ssh/ssh_host_* /usr/sbin/policy-rc.d
rm -rf /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log /var/lib/cloud/*
: > /etc/machine-id`)
}

// chroot runs a shell script as root in a layer (on the core, when it is not
// the core itself), with /proc and with services kept from starting. Mounts and
// processes live in namespaces of their own and end with them.
func (b *builder) chroot(ctx context.Context, layer, script string) error {
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
		upper, work = b.path(layer), b.path("work-"+layer)
		defer os.RemoveAll(work) // the next builder removes what is left
	}
	_, err := run(ctx, "", "unshare", "--mount", "--pid", "--fork", "--kill-child",
		"/bin/sh", "-c", setup, "sh", b.path(coreLayer), upper, work, script)
	return err
}
