package parity

import (
	"context"
	"fmt"
	"strings"

	"github.com/dcmigrate/migrate/remote"
)

// Folders on the new hosts.
const (
	beforeFolder  = "/var/lib/migrate/before"  // before-images: one folder per step
	filesFolder   = "/var/lib/migrate/files"   // per application, the digest of the files that are in place
	startedFolder = "/var/lib/migrate/started" // per application, the digest of the files that its services started with
)

// keepScript saves what stands at the paths on its input, before they are written for
// the first time: present.tar holds what exists, absent names what does not. It does
// not save a path that an earlier image names, because the step may have written it
// since. After a crash an image is complete or does not exist.
const keepScript = `set -eu
export LC_ALL=C
umask 077
b=%s
mkdir -p "$b"
rm -rf "$b"/tmp.*
t=$(mktemp -d "$b/tmp.XXXXXX")
sort -zu >"$t/list"
: >"$t/known"
for i in "$b"/image-*/paths; do if [ -e "$i" ]; then cat "$i" >>"$t/known"; fi; done
sort -zu -o "$t/known" "$t/known"
comm -z -23 "$t/list" "$t/known" >"$t/paths"
rm "$t/list" "$t/known"
if [ ! -s "$t/paths" ]; then rm -rf "$t"; exit 0; fi
: >"$t/present"
: >"$t/absent"
xargs -0 sh -c 't=$1; shift; for p; do
  if [ -e "/$p" ] || [ -L "/$p" ]; then printf "%%s\0" "$p" >>"$t/present"; else printf "%%s\0" "$p" >>"$t/absent"; fi
done' sh "$t" <"$t/paths"
tar --create --file="$t/present.tar" --directory=/ --no-recursion --null --verbatim-files-from --files-from="$t/present"
sync "$t"/*
n=0
for i in "$b"/image-*; do if [ -d "$i" ]; then n=$((n+1)); fi; done
mv "$t" "$b/image-$(printf %%04d "$n")"
sync "$b"
`

// restoreScript puts the before-images back, the latest first. It leaves folders that
// are no longer empty.
const restoreScript = `set -eu
export LC_ALL=C
b=%s
if [ -d "$b" ]; then
  for i in $(printf '%%s\n' "$b"/image-* | sort -r); do
    [ -d "$i" ] || continue
    sort -zr "$i/absent" | xargs -0r sh -c 'for p; do
      if [ -d "/$p" ] && [ ! -L "/$p" ]; then rmdir "/$p" 2>/dev/null || true; else rm -f "/$p"; fi
    done' sh
    tar --extract --file="$i/present.tar" --directory=/ --preserve-permissions --same-owner
  done
fi
`

// keep makes a before-image of the host's paths.
func keep(ctx context.Context, host remote.Host, folder string, paths []string) error {
	if err := host.Run(ctx, fmt.Sprintf(keepScript, remote.Quote(folder)), pathList(paths), nil); err != nil {
		return fmt.Errorf("keep before-images on %s: %w", host.Name(), err)
	}
	return nil
}

// restore puts the before-images of keep back, removes the accounts that ensureAccounts
// made, and deletes the marker and the images.
func restore(ctx context.Context, host remote.Host, folder, marker string) error {
	script := fmt.Sprintf(restoreScript, remote.Quote(folder)) + fmt.Sprintf(dropAccountsScript, remote.Quote(folder)) +
		"rm -f -- " + remote.Quote(marker) + "\nrm -rf -- " + remote.Quote(folder) + "\n"
	if err := host.Run(ctx, script, nil, nil); err != nil {
		return fmt.Errorf("put back before-images on %s: %w", host.Name(), err)
	}
	return nil
}

// mark writes text to a file on the host, atomically.
func mark(ctx context.Context, host remote.Host, path, text string) error {
	script := fmt.Sprintf("set -eu\numask 022\nf=%s\nmkdir -p \"${f%%/*}\"\ncat >\"$f.new\"\nsync \"$f.new\"\nmv \"$f.new\" \"$f\"\n", remote.Quote(path))
	if err := host.Run(ctx, script, strings.NewReader(text), nil); err != nil {
		return fmt.Errorf("write %s on %s: %w", path, host.Name(), err)
	}
	return nil
}
