package guard

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scriptFolder is a guard's folder with a client that writes down what it is told, and the
// script that runs in it.
type scriptFolder struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
}

// startScriptFolder makes the folder with a deadline that has passed, without a state.
// client is the body of the client's script, after what it reads is known as $told.
func startScriptFolder(t *testing.T, client string) *scriptFolder {
	f := &scriptFolder{t: t, dir: t.TempDir()}
	f.write("guard.sh", guardScript)
	f.write("settings", "dropin=\nclient="+f.dir+"/client\n")
	f.write("client", `#!/bin/sh
side=${1#--defaults-file=}
while read -r told; do
	`+client+`
done
`)
	require.NoError(t, os.Chmod(f.dir+"/client", 0o700))
	for _, side := range []string{"from", "to"} {
		f.write(side+".cnf", "")
		f.write(side+".sql", "open "+side+"\n")
	}
	f.write("mark.sql", "mark\n")
	f.write("deadline", "1\n")
	return f
}

func (f *scriptFolder) write(name, text string) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600))
}

// start runs the script until the test ends.
func (f *scriptFolder) start() {
	f.t.Helper()
	f.cmd = exec.Command("sh", f.dir+"/guard.sh", f.dir)
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(f.t, f.cmd.Start())
	group := f.cmd.Process.Pid
	f.t.Cleanup(func() { _ = syscall.Kill(-group, syscall.SIGKILL) })
}

func (f *scriptFolder) eventually(what string, holds func() bool) {
	f.t.Helper()
	require.Eventually(f.t, holds, 15*time.Second, 20*time.Millisecond, what)
}

func (f *scriptFolder) has(name string) bool {
	_, err := os.Stat(filepath.Join(f.dir, name))
	return err == nil
}

// told reports whether a client was told to open a side.
func (f *scriptFolder) told(side string) bool {
	text, _ := os.ReadFile(f.dir + "/told")
	return strings.Contains(string(text), "open "+side)
}

// takesNote is the body of a client that answers.
const takesNote = `echo "$told" >>"${0%/*}/told"; echo 1`

// A state that is hidden by a rename, a full disk, a client that hangs, a guard that is
// killed: the guard keeps its promise.
func TestGuardScriptKeepsItsPromise(t *testing.T) { // I3
	for name, initial := range map[token]token{tokenArmed: tokenReleased, tokenReturning: tokenReleased, tokenHandover: tokenGuarding, tokenReverting: tokenGuarding} {
		t.Run("no state is seen before "+string(name), func(t *testing.T) {
			f := startScriptFolder(t, takesNote)
			f.start()
			f.eventually("it holds a connection", func() bool { return f.has("told") })
			f.write("state.new", "")
			require.NoError(t, os.Rename(f.dir+"/state.new", filepath.Join(f.dir, string(name))))
			f.eventually("it acts", func() bool { return f.has(string(initial)) })
			f.eventually("it opens its side", func() bool {
				return f.told(map[token]string{tokenReleased: "from", tokenGuarding: "to"}[initial])
			})
			require.NoError(t, os.Rename(filepath.Join(f.dir, string(initial)), f.dir+"/done"))
			require.NoError(t, f.cmd.Wait())
		})
	}
	for name, breaks := range map[string]struct {
		client string
		before func(f *scriptFolder)
	}{
		"the disk is full": {takesNote, func(f *scriptFolder) {
			require.NoError(f.t, os.Mkdir(f.dir+"/log", 0o700))     // nothing can be logged
			require.NoError(f.t, os.Mkdir(f.dir+"/from.in", 0o700)) // no connection is held
			require.NoError(f.t, os.Mkdir(f.dir+"/pid.new", 0o700))
		}},
		"the deadline cannot be read": {takesNote, func(f *scriptFolder) { require.NoError(f.t, os.Remove(f.dir+"/deadline")) }},
		"a new login is refused, and the held connection stands": {
			`full="${0%/*}/full-$side"; if [ -e "$full" ]; then exit 1; fi; : >"$full"
			while :; do echo "$told" >>"${0%/*}/told"; echo 1; read -r told || exit 0; done`,
			func(*scriptFolder) {},
		},
		"the server never answers a connection that is held": {
			`case $(tr '\0' ' ' </proc/$$/cmdline) in *--unbuffered*) exec sleep 600 ;; esac; ` + takesNote,
			func(*scriptFolder) {},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := startScriptFolder(t, breaks.client)
			f.write(string(tokenArmed), "")
			breaks.before(f)
			f.start()
			f.eventually("it opens its side", func() bool { return f.told("from") })
		})
	}
	t.Run("it is killed, and started again", func(t *testing.T) {
		f := startScriptFolder(t, takesNote)
		f.write("deadline", fmt.Sprintf("%d\n", int64(1)<<40))
		f.write(string(tokenHandover), "")
		f.start()
		f.eventually("it holds a connection", func() bool { return f.has("told") })
		require.NoError(t, syscall.Kill(-f.cmd.Process.Pid, syscall.SIGKILL))
		_ = f.cmd.Wait() // killed
		require.NoError(t, os.Remove(f.dir+"/told"))
		f.write("deadline", "1\n")
		f.start()
		f.eventually("it opens its side", func() bool { return f.told("to") })
		require.False(t, f.told("from"))
	})
	t.Run("its folder is removed", func(t *testing.T) {
		f := startScriptFolder(t, takesNote)
		f.write(string(tokenReleased), "")
		f.start()
		f.eventually("it opens its side", func() bool { return f.told("from") })
		require.NoError(t, os.RemoveAll(f.dir))
		require.NoError(t, f.cmd.Wait())
	})
}
