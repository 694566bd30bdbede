package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/codedeploy-wingman/wingman/agent/proc"
)

func ask(t *testing.T, s Settings, env ...string) Observation {
	t.Helper()
	c, err := New(s, env, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c.Check(t.Context())
}

func TestCommand(t *testing.T) {
	for _, c := range []struct {
		script  string
		verdict Verdict
		reason  string
	}{
		{"echo 'HTTP OK: 12 ms | time=0.012s;;;'", Pass, "HTTP OK: 12 ms"},
		{"true", Pass, "exit code 0"},
		{"echo '| only=performance'", Pass, "exit code 0"},
		{"echo; echo '  second  '; echo third", Pass, "second"},
		{"echo 'DISK WARNING - 9% free'; exit 1", Fail, "DISK WARNING - 9% free (exit code 1, WARNING)"},
		{"echo no >&2; exit 2", Fail, "no (exit code 2, CRITICAL)"},
		{"echo plugin broken; exit 3", Inconclusive, "plugin broken (exit code 3, UNKNOWN)"},
		{"exit 7", Fail, "exit code 7, no output"},
		{"exit 126", Inconclusive, "exit code 126, cannot be executed, no output"},
		{"exec 2>&1; exit 127", Inconclusive, "exit code 127, command not found, no output"},
		{"printf '\\033[31mred\\033[0m\\377\\n'; exit 2", Fail, "red\uFFFD (exit code 2, CRITICAL)"},
		{"head -c 1000000 /dev/zero | tr '\\0' x; exit 0", Pass, strings.Repeat("x", 119) + "…"},
	} {
		o := ask(t, Settings{Command: &Command{Argv: []string{"/bin/sh", "-c", c.script}}, Timing: Timing{Timeout: 20 * time.Second}}, "PATH=/usr/bin:/bin")
		if o.Verdict != c.verdict || o.Reason != c.reason {
			t.Errorf("%s: got %s %q, want %s %q", c.script, o.Verdict, o.Reason, c.verdict, c.reason)
		}
		if len(o.Detail) > maxDetail+3 {
			t.Errorf("%s: %d bytes of detail", c.script, len(o.Detail))
		}
	}
}

func TestCommandThatDoesNotRun(t *testing.T) {
	if o := ask(t, Settings{Command: &Command{Argv: []string{"/nonexistent/plugin"}}}); o.Verdict != Inconclusive || o.Reason == "" {
		t.Errorf("got %+v", o)
	}
	if o := ask(t, Settings{Command: &Command{Argv: []string{"/bin/sh", "-c", "kill -9 $$"}}}); o.Verdict != Fail || !strings.Contains(strings.ToLower(o.Reason), "kill") {
		t.Errorf("got %+v", o)
	}
	slow := Settings{Command: &Command{Argv: []string{"/bin/sh", "-c", "echo begun; exec sleep 60"}}, Timing: Timing{Timeout: 300 * time.Millisecond}}
	if o := ask(t, slow, "PATH=/usr/bin:/bin"); o.Verdict != Fail || o.Reason != "no answer within 300ms" || o.Detail != "begun" {
		t.Errorf("got %+v", o)
	}
	for _, c := range []struct {
		ending proc.Ending
		want   Observation
	}{
		{proc.Ending{How: proc.NotStarted}, Observation{Verdict: Inconclusive, Reason: "cannot start"}},
		{proc.Ending{How: proc.Signaled, Signal: "SIGSEGV"}, Observation{Verdict: Fail, Reason: "killed by SIGSEGV"}},
	} {
		if got := notExited(t.Context(), c.ending, time.Second); got != c.want {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
}

func TestHead(t *testing.T) {
	h := &head{limit: 5}
	for _, part := range []string{"abc", "", "def", "ghi"} {
		if n, err := h.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if string(h.kept) != "abcde" {
		t.Errorf("kept %q", h.kept)
	}
}

func FuzzFirstLine(f *testing.F) {
	for _, text := range []string{"", "OK | a=1", "\n\n x \n", "\x1b[31mno", "\xff", strings.Repeat("é", 200), "a\rb"} {
		f.Add(text, 2)
	}
	f.Fuzz(func(t *testing.T, output string, code int) {
		line := firstLine(output)
		readable(t, line)
		if n := utf8.RuneCountInString(line); n > maxLine {
			t.Errorf("%d characters", n)
		}
		o := nagios(code, output)
		readable(t, o.Reason)
		if o.Reason == "" || (o.Verdict == Pass) != (code == 0) || !utf8.ValidString(o.Detail) {
			t.Errorf("got %+v", o)
		}
	})
}

// fakeSystemctl returns an environment whose systemctl prints the file show, and a way to write that.
func fakeSystemctl(t *testing.T) (env []string, show func(string)) {
	dir := t.TempDir()
	file := filepath.Join(dir, "show")
	script := "#!/bin/sh\n[ \"$*\" = 'show -p " + unitProperties + " -- hello.service' ] || { echo \"asked $*\"; exit 64; }\n. " + file + "\n"
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"PATH=" + dir + ":/usr/bin:/bin"}, func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// shown is a script that prints what systemctl would: "active running 0 abc 17 success".
func shown(unit string) string {
	names := []string{"ActiveState", "SubState", "NRestarts", "InvocationID", "MainPID", "Result"}
	text := "echo LoadState=loaded\n"
	for i, value := range strings.Fields(unit) {
		text += "echo " + names[i] + "=" + strings.Trim(value, "-") + "\n"
	}
	return text
}

func TestSystemd(t *testing.T) {
	env, show := fakeSystemctl(t)
	c, err := New(Settings{Systemd: &Systemd{Unit: "hello.service"}}, env, "")
	if err != nil {
		t.Fatal(err)
	}
	for i, look := range []struct {
		show    string
		verdict Verdict
		reason  string
	}{
		{shown("inactive dead 0 - 0 success"), Fail, "inactive (dead), want active"},
		{shown("activating start 0 aa 17 success"), Fail, "activating (start), want active"},
		{shown("active running 0 aa 17 success"), Pass, "active (running)"},
		{shown("active running 0 aa 17 success"), Pass, "active (running)"},
		{shown("activating auto-restart 0 aa 0 exit-code"), Fail, "activating (auto-restart), Result exit-code, want active"},
		{shown("active running 1 bb 18 success"), Fail, "restarted meanwhile (NRestarts 0 -> 1)"},
		{shown("active running 1 bb 18 success"), Pass, "active (running)"},
		{shown("active running 0 cc 19 success"), Fail, "restarted meanwhile (NRestarts 1 -> 0)"},
		{shown("active running 0 dd 20 success"), Fail, "restarted meanwhile (started anew, MainPID 19 -> 20)"},
		{shown("active running 0 dd 20 success"), Pass, "active (running)"},
		{shown("failed failed 3 ee 0 exit-code"), Fail, "failed, Result exit-code, restarted meanwhile (NRestarts 0 -> 3)"},
		{shown("active running 0 ff 21 success"), Pass, "active (running)"}, // started by hand: the count begins again
		{"echo LoadState=not-found; echo ActiveState=inactive", Fail, "no such unit"},
		{"echo LoadState=masked; echo ActiveState=inactive; echo SubState=dead", Fail, "inactive (masked), want active"},
		{"echo LoadState=bad-setting; echo ActiveState=inactive", Fail, "inactive (unit bad-setting), want active"},
		{"echo 'System has not been booted with systemd as init system (PID 1).'; exit 1", Inconclusive, "cannot ask systemd: System has not been booted with systemd as init system (PID 1). (systemctl: exit code 1)"},
		{"echo what", Inconclusive, `cannot understand systemctl: "what"`},
		{"kill -9 $$", Fail, ""},
	} {
		show(look.show)
		o := c.Check(t.Context())
		if o.Verdict != look.verdict || look.reason != "" && o.Reason != look.reason {
			t.Errorf("look %d: got %s %q, want %s %q", i, o.Verdict, o.Reason, look.verdict, look.reason)
		}
	}
}

func TestSystemdWithoutSystemctl(t *testing.T) {
	o := ask(t, Settings{Systemd: &Systemd{Unit: "hello.service"}}, "PATH="+t.TempDir())
	if o.Verdict != Inconclusive || !strings.HasPrefix(o.Reason, "cannot ask systemd: ") {
		t.Errorf("got %+v", o)
	}
}

func FuzzParseUnit(f *testing.F) {
	f.Add("LoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=0\nInvocationID=aa\nMainPID=1\nResult=success\n")
	f.Add("LoadState=not-found\nActiveState=inactive\n")
	f.Add("Warning: x\nLoadState=loaded\r\nActiveState=\xff\x1b[31m\nNRestarts=-99999999999999999999\n")
	f.Fuzz(func(t *testing.T, output string) {
		u, err := parseUnit(output)
		if err != nil {
			readable(t, err.Error())
			return
		}
		for _, before := range []*unit{nil, &u, {load: "loaded", active: "active", restarts: 1}} {
			o := judge(before, u)
			readable(t, o.Reason)
			if o.Reason == "" || o.Verdict == Pass && u.active != "active" {
				t.Errorf("got %+v of %+v", o, u)
			}
		}
		if o := judge(&u, u); u.active == "active" && u.load != "not-found" && o.Verdict != Pass {
			t.Errorf("nothing changed, got %+v", o)
		}
	})
}
