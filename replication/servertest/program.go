package servertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// cacheDir holds what is made once on a machine, outside of the repository.
const cacheDir = "/var/cache/migrate-lab"

// program runs a flavor's server.
type program interface {
	// command is the command of the server with arguments.
	command(args ...string) *exec.Cmd
	// paths are the settings of the places of the program's own files.
	paths() map[string]string
	// template returns the path of an initialised data directory, to be copied.
	template(ctx context.Context) (string, error)
}

// findProgram returns the flavor's program. It may have to download that of MySQL first.
func findProgram(ctx context.Context, flavor Flavor) (program, error) {
	switch flavor {
	case MariaDB:
		return findMariaDB()
	case MySQL:
		return findMySQL(ctx)
	}
	return nil, fmt.Errorf("unknown flavor %q", flavor)
}

// mariadb is Debian's mariadb-server.
type mariadb struct{ server, install string }

func findMariaDB() (program, error) {
	server, err := lookPath("mariadbd")
	if err != nil {
		return nil, err
	}
	install, err := lookPath("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	return mariadb{server, install}, nil
}

// lookPath finds a program in PATH or in the sbin folders, which a user's PATH often lacks.
func lookPath(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed (Debian package mariadb-server)", name)
}

func (m mariadb) command(args ...string) *exec.Cmd { return exec.Command(m.server, args...) }

func (m mariadb) paths() map[string]string { return nil }

func (m mariadb) template(ctx context.Context) (string, error) {
	return makeTemplate(ctx, MariaDB, m.server, func(dir string) error {
		args := []string{
			"--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
			"--skip-name-resolve", "--innodb-log-file-size=16M", "--datadir=" + dir,
		}
		if os.Geteuid() == 0 {
			args = append(args, "--user=root")
		}
		return runQuietly(exec.CommandContext(ctx, m.install, args...))
	})
}

// mysqlTree is Debian sid's mysql-server-core in a tree of its own.
type mysqlTree struct{ root string }

func findMySQL(ctx context.Context) (program, error) {
	if runtime.GOOS != "linux" {
		return nil, errors.New("the MySQL tree is Debian's: Linux only")
	}
	tree := mysqlTree{filepath.Join(cacheDir, "mysql-sid")}
	if tree.complete() {
		return tree, nil
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%s is not there, and only root can make it", tree.root)
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		return nil, errors.New("debootstrap is not installed (Debian package debootstrap)")
	}
	err := makeOnce(ctx, tree.root, tree.complete, func(dir string) error {
		return runQuietly(exec.CommandContext(ctx, "debootstrap", "--variant=minbase",
			"--include=mysql-server-core", "sid", dir))
	})
	return tree, err
}

func (m mysqlTree) server() string { return filepath.Join(m.root, "usr/sbin/mysqld") }

func (m mysqlTree) complete() bool {
	_, err := os.Stat(m.server())
	return err == nil
}

// command runs the tree's server under the tree's loader and libraries.
func (m mysqlTree) command(args ...string) *exec.Cmd {
	library := filepath.Join(m.root, "usr/lib", multiarch())
	loader := filepath.Join(m.root, "lib64/ld-linux-x86-64.so.2")
	if runtime.GOARCH == "arm64" {
		loader = filepath.Join(m.root, "lib/ld-linux-aarch64.so.1")
	}
	return exec.Command(loader, append([]string{"--library-path", library, m.server()}, args...)...)
}

// multiarch is Debian's name of the architecture.
func multiarch() string {
	if runtime.GOARCH == "arm64" {
		return "aarch64-linux-gnu"
	}
	return "x86_64-linux-gnu"
}

func (m mysqlTree) paths() map[string]string {
	return map[string]string{
		"basedir":          filepath.Join(m.root, "usr"),
		"plugin_dir":       filepath.Join(m.root, "usr/lib/mysql/plugin"),
		"lc_messages_dir":  filepath.Join(m.root, "usr/share/mysql"),
		"secure_file_priv": "", // the built-in folder is not in this tree
	}
}

func (m mysqlTree) template(ctx context.Context) (string, error) {
	return makeTemplate(ctx, MySQL, m.server(), func(dir string) error {
		args := []string{
			"--no-defaults", "--initialize-insecure", "--innodb-redo-log-capacity=32M",
			"--datadir=" + dir,
		}
		for name, value := range m.paths() {
			args = append(args, "--"+name+"="+value)
		}
		if os.Geteuid() == 0 {
			args = append(args, "--user=root")
		}
		if err := runQuietly(m.command(args...)); err != nil {
			return err
		}
		return os.Remove(filepath.Join(dir, "auto.cnf")) // so that every copy makes its own server_uuid
	})
}

// makeTemplate returns the path of the flavor's template data directory. If there is none
// for this version of the server's binary, initialise makes it.
func makeTemplate(ctx context.Context, flavor Flavor, server string, initialise func(dir string) error) (string, error) {
	info, err := os.Stat(server)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("migrate-servertest-%d", os.Geteuid()),
		fmt.Sprintf("%s-%d-%d", flavor, info.Size(), info.ModTime().Unix()))
	exists := func() bool {
		_, err := os.Stat(dir)
		return err == nil
	}
	if exists() {
		return dir, nil
	}
	return dir, makeOnce(ctx, dir, exists, initialise)
}

// makeOnce makes the folder target once, however many processes want it at the same time:
// build makes it under another name, and it is renamed when it is complete.
func makeOnce(ctx context.Context, target string, exists func() bool, build func(dir string) error) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(target+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", lock.Name(), ctx.Err())
		case <-tick.C:
		}
	}
	if exists() {
		return nil
	}
	temporary := target + ".new"
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	if err := build(temporary); err != nil {
		_ = os.RemoveAll(temporary)
		return err
	}
	return os.Rename(temporary, target)
}

// runQuietly runs cmd. The end of its output is part of the error.
func runQuietly(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		const maxBytes = 2000
		if len(out) > maxBytes {
			out = out[len(out)-maxBytes:]
		}
		return fmt.Errorf("run %s: %w: %s", cmd.Path, err, out)
	}
	return nil
}
