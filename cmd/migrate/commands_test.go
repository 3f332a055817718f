package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/plan"
)

// The scripts' own commands.

// exits runs a command line and checks what all of them promise: the exit code, at most
// one error line and one hint line, nothing else on standard error, and no secret
// anywhere: exits CODE migrate ARG...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
	checkStderr(ts, want)
	noSecrets(ts)
}

// checkStderr: one error line, then one hint line at most, in plain words.
func checkStderr(ts *testscript.TestScript, code int) {
	var failures, hints int
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		switch {
		case strings.HasPrefix(line, "migrate: note: ") && failures == 0:
			continue // what was tried again, while it went on
		case strings.HasPrefix(line, "migrate: error: ") && hints == 0:
			failures++
		case strings.HasPrefix(line, "migrate: hint: "):
			hints++
		default:
			ts.Fatalf("a line of standard error is neither error nor hint: %s", line)
		}
		for _, jargon := range []string{" json:", " yaml:", "*json", "*yaml", "!!", "main.", "config.", "map[", "0x", "%!", "godo", "panic", "goroutine", "<nil>", "dial tcp"} {
			if strings.Contains(line, jargon) {
				ts.Fatalf("standard error speaks of the inside (%s): %s", jargon, line)
			}
		}
		if strings.Count(line, "migrate: error") > 1 || repeats(line) {
			ts.Fatalf("a line says the same twice: %s", line)
		}
	}
	want := 1
	if code == exitOK || code == exitChanges {
		want = 0
	}
	if failures != want || hints > failures {
		ts.Fatalf("%d error lines and %d hint lines; want %d errors, at most a hint each", failures, hints, want)
	}
}

// repeats reports whether an error's line has a part of its chain twice.
func repeats(line string) bool {
	seen := map[string]bool{}
	for part := range strings.SplitSeq(strings.TrimSpace(line), ": ") {
		if seen[part] {
			return true
		}
		seen[part] = len(part) > 3
	}
	return false
}

// noSecrets is I7 for what was printed and for every file that was written.
func noSecrets(ts *testscript.TestScript) {
	texts := map[string]string{"stdout": ts.ReadFile("stdout"), "stderr": ts.ReadFile("stderr")}
	ts.Check(filepath.WalkDir(ts.MkAbs("."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		texts[path] = string(data)
		return err
	}))
	for where, text := range texts {
		for _, token := range []string{doToken, cfToken, wrong} {
			if strings.Contains(text, token) {
				ts.Fatalf("I7: a token stands in %s", where)
			}
		}
	}
}

// untouched is I6: neither vendor was asked to change anything, and nothing was
// written in the database.
func untouched(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: untouched")
	}
	w := ts.Value(simulatorsKey{}).(*simulators)
	for _, r := range w.do.Mutations() {
		ts.Fatalf("I6: DigitalOcean was asked: %s %s", r.Method, r.Path)
	}
	for _, r := range w.cf.Mutations() {
		ts.Fatalf("I6: Cloudflare was asked: %s %s", r.Method, r.Path)
	}
	if w.db == nil {
		return
	}
	if gtid := w.db.Value("SELECT @@gtid_binlog_pos"); gtid != w.gtid {
		ts.Fatalf("I6: the database was written: %s became %s", w.gtid, gtid)
	}
}

// edit replaces a text that stands once in a file: edit FILE OLD NEW
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if n := strings.Count(text, args[1]); n != 1 {
		ts.Fatalf("%q stands %d times in %s", args[1], n, args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o600))
}

// isJSON checks that the last command printed JSON, one value or one on each line:
// isjson [lines]
func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: isjson [lines]")
	}
	text := []byte(ts.ReadFile("stdout"))
	if len(args) == 0 {
		if !json.Valid(text) {
			ts.Fatalf("standard output is not JSON")
		}
		return
	}
	n := 0
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); n++ {
		if !json.Valid(lines.Bytes()) {
			ts.Fatalf("line %d is not JSON: %s", n+1, lines.Text())
		}
	}
	if n == 0 {
		ts.Fatalf("nothing was printed")
	}
}

// madeUpInventory replaces a capture where no host can be reached: capture NAME...
func madeUpInventory(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		ts.Check(inventory.Save(ts.MkAbs(".migrate/inventory"), &inventory.Host{
			Version: inventory.Version, Name: name, CapturedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			OS:  inventory.OS{ID: "debian", Release: "12", Codename: "bookworm", Name: "Debian GNU/Linux 12", Architecture: "x86_64"},
			CPU: inventory.CPU{Count: 1}, Memory: inventory.Memory{Total: 1 << 30},
			Disks: []inventory.Disk{{Mount: "/", Device: "/dev/vda1", FS: "ext4", Size: 20 << 30, Used: 2 << 30}},
		}))
	}
}

// serve makes a folder the archive at $ARCHIVE: serve FOLDER
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve FOLDER")
	}
	server := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	ts.Defer(server.Close)
	ts.Setenv("ARCHIVE", server.URL)
}

// hold takes the migration's lock, as another operator would, until the script ends: hold WHO
func hold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold WHO")
	}
	lock, err := plan.TakeLock(ts.MkAbs(".migrate/lock"), plan.Holder{Who: args[0], PID: os.Getpid(), Verb: verb.Apply, Since: time.Now()})
	ts.Check(err)
	ts.Defer(func() { _ = lock.Release() })
}

// journal writes the events that runs of these kinds leave: KIND has finished,
// KIND/begun has changed something and is unfinished: journal KIND[/begun]...
func journal(ts *testscript.TestScript, neg bool, args []string) {
	reverts := map[string]string{verb.Cutover: verb.Rollback, verb.Rollback: verb.Cutover}
	j, err := plan.OpenJournal(ts.MkAbs(".migrate/journal.jsonl"), "tester")
	ts.Check(err)
	for i, arg := range args {
		kind, begun, _ := strings.Cut(arg, "/")
		run := fmt.Sprintf("%s-%d", kind, i+1)
		key := plan.Key{Kind: kind, Stage: "stage", Step: "step"}
		events := []plan.Event{
			{Type: plan.RunStarted, Digest: "0123456789abcdef"},
			{Type: plan.StepStarted, Step: key},
			{Type: plan.StepApplied, Step: key},
			{Type: plan.StepVerified, Step: key},
			{Type: plan.RunFinished, Reverts: reverts[kind]},
		}
		if begun != "" {
			events = events[:2]
		}
		for _, e := range events {
			e.Run, e.Kind = run, kind
			ts.Check(j.Append(e))
		}
	}
	ts.Check(j.Close())
}

// tear leaves a file as a crash in the middle of its last write does: tear FILE
func tear(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tear FILE")
	}
	text := ts.ReadFile(args[0])
	ts.Check(os.Truncate(ts.MkAbs(args[0]), int64(len(text)-5)))
}

// record adds an A record as somebody else at the vendor would: record NAME ADDRESS
func record(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: record NAME ADDRESS")
	}
	w := ts.Value(simulatorsKey{}).(*simulators)
	body := fmt.Sprintf(`{"type":"A","name":%q,"content":%q,"ttl":3600}`, args[0], args[1])
	req := httptest.NewRequest(http.MethodPost, "/client/v4/zones/"+w.zone+"/dns_records", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+cfToken)
	req.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	w.cf.ServeHTTP(answer, req)
	if answer.Code != http.StatusOK {
		ts.Fatalf("add record: %d %s", answer.Code, answer.Body)
	}
	w.cf.ResetRequests()
}
