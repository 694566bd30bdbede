//go:build linux

package proc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "drain-main" {
		DrainMain(os.Stdin)
		return
	}
	os.Exit(m.Run())
}

func script(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func runScript(t *testing.T, text string, change func(*Spec)) (Ending, string) {
	t.Helper()
	var out bytes.Buffer
	s := Spec{Argv: []string{script(t, "s.sh", text)}, Script: true, Env: os.Environ(), Output: &out, Timeout: 20 * time.Second,
		Drain: []string{os.Args[0], "drain-main"}}
	if change != nil {
		change(&s)
	}
	e := Run(context.Background(), s)
	return e, out.String()
}

func TestEndings(t *testing.T) {
	short := func(s *Spec) { s.Timeout, s.Grace = 300*time.Millisecond, 300*time.Millisecond }
	for _, c := range []struct {
		name, text   string
		change       func(*Spec)
		how          How
		code         int
		reason, want string
	}{
		{"ok", "#!/bin/sh\necho out; echo err >&2; echo end\n", nil, Exited, 0, "exit code 0", "out\nerr\nend\n"},
		{"seven", "#!/bin/sh\nexit 7\n", nil, Exited, 7, "exit code 7", ""},
		{"term", "#!/bin/sh\nkill -TERM $$\n", nil, Signaled, -1, "killed by SIGTERM", ""},
		{"kill", "#!/bin/sh\nkill -KILL $$\n", nil, Signaled, -1, "killed by SIGKILL (perhaps out of memory: see dmesg)", ""},
		{"no shebang", "echo $0\n", nil, Exited, 0, "exit code 0", "/s.sh\n"},
		{"bytes", "#!/bin/sh\nprintf 'a\\000\\377\\033[31mb'\n", nil, Exited, 0, "exit code 0", "a\x00\xff\x1b[31mb"},
		{"dev stderr", "#!/bin/sh\necho a; echo b > /dev/stderr; echo c | tee /dev/stderr\n", nil, Exited, 0, "", "a\nb\nc\nc\n"},
		{"stdin", "#!/bin/sh\ncat; echo done\n", nil, Exited, 0, "", "done\n"},
		{"timeout", "#!/bin/sh\necho start; sleep 60\n", short, TimedOut, -1, "timed out after 300ms", "start\n"},
		{"ignores TERM", "#!/bin/sh\ntrap '' TERM\necho start; while :; do sleep 1; done\n", short, TimedOut, -1, "timed out after 300ms (it ignored TERM and was killed)", "start\n"},
		{"handles TERM", "#!/bin/sh\ntrap 'echo bye; exit 0' TERM\necho start; sleep 60 & wait\n", short, TimedOut, -1, "timed out after 300ms", "start\nbye\n"},
		{"child ignores TERM", "#!/bin/sh\n(trap '' TERM; while :; do sleep 1; done) &\nsleep 60\n", short, TimedOut, -1, "timed out after 300ms (what it had started ignored TERM and was killed)", ""},
		{"CRLF", "#!/bin/sh\r\necho x\r\n", nil, NotStarted, -1, "Windows line endings (CRLF)", ""},
		{"CRLF env", "#!/usr/bin/env sh\r\necho x\r\n", nil, Exited, 127, "ends in CRLF", ""},
		{"bad interpreter", "#!/nonexistent/interp\n", nil, NotStarted, -1, "interpreter /nonexistent/interp, which does not exist", ""},
		{"foreign", "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00\xb7\x00" + strings.Repeat("\x00", 60), nil, NotStarted, -1, "EM_AARCH64", ""},
		{"tee", "#!/bin/bash\nexec > >(tee log)\necho first; echo last\n", func(s *Spec) { s.Dir = filepath.Dir(s.Argv[0]) }, Exited, 0, "", "first\nlast\n"},
		{"nouser", ":\n", func(s *Spec) { s.User = "nosuchuser" }, NotStarted, -1, "user nosuchuser does not exist", ""},
		{"missing", ":\n", func(s *Spec) { s.Argv = []string{"/nope/x y"} }, NotStarted, -1, "script does not exist: /nope/x y", ""},
		{"directory", ":\n", func(s *Spec) { s.Argv = []string{"/tmp"} }, NotStarted, -1, "/tmp is a directory", ""},
		{"command", ":\n", func(s *Spec) { s.Script, s.Argv = false, []string{"printf", "x"} }, Exited, 0, "", "x"},
		{"no command", ":\n", func(s *Spec) { s.Script, s.Argv, s.Env = false, []string{"printf"}, []string{"PATH=/nope"} }, NotStarted, -1, "command not found", ""},
		{"bad folder", ":\n", func(s *Spec) { s.Dir = "/nope" }, NotStarted, -1, "working folder", ""},
		{"noexec bit", "echo x\n", func(s *Spec) { _ = os.Chmod(s.Argv[0], 0o644) }, Exited, 0, "", "x\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, out := runScript(t, c.text, c.change)
			if e.How != c.how || e.Code != c.code || !strings.Contains(e.Reason, c.reason) {
				t.Errorf("%+v, want %s %d %q", e, c.how, c.code, c.reason)
			}
			if c.how != Exited || c.code == 0 {
				if !strings.HasSuffix(out, c.want) || c.want == "" && out != "" {
					t.Errorf("output %q, want %q", out, c.want)
				}
			}
			if e.PID > 0 && c.how == TimedOut && groupAlive(e.PID) {
				t.Error("something of the group lives")
			}
		})
	}
}

func TestMetacharactersInNames(t *testing.T) {
	for _, name := range []string{"my s.sh", "s.sh; touch x", "$(touch x)"} {
		var out bytes.Buffer
		path := script(t, name, "#!/bin/sh\necho \"$0\"\n")
		e := Run(context.Background(), Spec{Argv: []string{path}, Script: true, Dir: filepath.Dir(path), Output: &out})
		if !e.OK() || out.String() != path+"\n" {
			t.Errorf("%+v %q", e, out.String())
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "x")); err == nil {
			t.Error("injected")
		}
	}
}

// A daemon that holds stdout does not hold us up, and lives on although it prints.
func TestHolderLivesOn(t *testing.T) {
	dir := t.TempDir()
	go1, done := filepath.Join(dir, "go"), filepath.Join(dir, "done")
	for _, p := range []string{go1, done} {
		if err := syscall.Mkfifo(p, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, out := runScript(t, "#!/bin/sh\n(setsid sh -c 'read x <"+go1+"; echo late || exit 1; echo later || exit 1; echo alive >"+done+"' &)\necho started\n", nil)
	if !e.OK() || out != "started\n" || len(e.Holders) == 0 || e.Duration > time.Second || !strings.Contains(e.HoldersNote(), "still hold") {
		t.Fatalf("%+v %q", e, out)
	}
	if err := os.WriteFile(go1, []byte("x\n"), 0); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(done); err != nil || string(b) != "alive\n" {
		t.Fatalf("%q %v", b, err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestOutputThatFails(t *testing.T) {
	e, _ := runScript(t, "#!/bin/sh\nhead -c 5000000 /dev/zero\n", func(s *Spec) { s.Output = failing{} })
	if !e.OK() {
		t.Errorf("%+v", e)
	}
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) { c.n += int64(len(b)); return len(b), nil }

func TestFlatMemory(t *testing.T) {
	var before, after runtime.MemStats
	var c counter
	runtime.GC()
	runtime.ReadMemStats(&before)
	e, _ := runScript(t, "#!/bin/sh\nhead -c 100000000 /dev/zero\n", func(s *Spec) { s.Output = &c })
	runtime.ReadMemStats(&after)
	if !e.OK() || c.n != 100000000 || after.TotalAlloc-before.TotalAlloc > 4<<20 {
		t.Errorf("%+v, %d bytes, %d allocated", e, c.n, after.TotalAlloc-before.TotalAlloc)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	go func() {
		_, _ = r.Read(make([]byte, 10))
		cancel()
		_, _ = io.Copy(io.Discard, r)
	}()
	s := Spec{Argv: []string{script(t, "s.sh", "#!/bin/sh\necho x; sleep 60\n")}, Script: true, Output: w}
	if e := Run(ctx, s); e.How != Cancelled || e.Reason != "cancelled" || e.Signal != "SIGTERM" {
		t.Errorf("%+v", e)
	}
	if e := Run(ctx, s); e.How != NotStarted {
		t.Errorf("%+v", e)
	}
}

// systemd tells a scope's script and its runner at once, and the script may be quicker.
func TestCancelThatTheScriptHeardOfFirst(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("systemd is Linux'")
	}
	for end, signal := range map[string]string{"kill -TERM $$": "SIGTERM", "exit 143": ""} {
		path := script(t, "s.sh", "#!/bin/sh\n"+end+"\n")
		for _, told := range []bool{true, false} {
			ctx, cancel := context.WithCancel(context.Background())
			if told {
				time.AfterFunc(300*time.Millisecond, cancel)
			}
			e := Run(ctx, Spec{Argv: []string{path}, Script: true, Output: io.Discard})
			cancel()
			if told != (e.How == Cancelled) || e.Signal != signal {
				t.Errorf("%q, told: %v: %+v", end, told, e)
			}
		}
	}
}

func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may run a step as another user")
	}
	path := script(t, "s.sh", "#!/bin/sh\nid -un; echo $USER $HOME $SHELL; echo e > /dev/stderr\n")
	var out bytes.Buffer
	s := Spec{Argv: []string{path}, Script: true, User: "nobody", Output: &out, Env: []string{"PATH=/usr/bin:/bin"}}
	e := Run(context.Background(), s)
	if e.How != NotStarted || !strings.Contains(e.Reason, "no x permission on the folder") {
		t.Errorf("%+v", e)
	}
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o755)
	}
	e = Run(context.Background(), s)
	if !e.OK() || !strings.HasPrefix(out.String(), "nobody\nnobody /") || !strings.HasSuffix(out.String(), "\ne\n") {
		t.Errorf("%+v %q", e, out.String())
	}
}
