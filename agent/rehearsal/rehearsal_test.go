//go:build linux

package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// bundle writes a revision; a file's name may end with its mode, as in start.sh:755.
func bundle(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func rehearseIt(t *testing.T, c Config) Result {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	c.Env = os.Environ()
	res, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if want := 0; len(left) > want && res.Logs == "" {
		t.Errorf("left behind: %v", left)
	}
	return res
}

// said gives what the hooks of the second deployment printed, line by line.
func said(c *Config) *[]string {
	var lines []string
	c.Show = func(p Progress) {
		if !p.Quiet && p.Text != "" {
			lines = append(lines, strings.TrimSuffix(p.Text, "\n"))
		}
	}
	return &lines
}

func event(t *testing.T, d Deployment, name lifecycle.Event) Event {
	t.Helper()
	for _, e := range d.Events {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("no %s in %+v", name, d)
	return Event{}
}

func TestHooksAreCalledAsTheCodeDeployAgentCallsThem(t *testing.T) {
	script := "#!/bin/sh\necho $LIFECYCLE_EVENT $DEPLOYMENT_ID $APPLICATION_NAME $DEPLOYMENT_GROUP_NAME $DEPLOYMENT_GROUP_ID $(pwd) $(cat ${0%/*}/of 2>/dev/null)\n"
	appspec := "version: 0.0\nos: linux\nhooks:\n"
	for _, e := range lifecycle.Hookable() {
		appspec += "  " + string(e) + ":\n    - location: a.sh\n"
	}
	c := Config{Dir: bundle(t, map[string]string{"appspec.yml": appspec, "a.sh": script})}
	lines := said(&c)
	res := rehearseIt(t, c)
	if !res.Succeeded || len(res.Deployments) != 2 {
		t.Fatalf("got %+v", res)
	}
	want := []string{"BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop", "BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService", "BeforeAllowTraffic", "AfterAllowTraffic"}
	if len(*lines) != len(want) {
		t.Fatalf("got %q", *lines)
	}
	for i, e := range want {
		if l := (*lines)[i]; l != e+" d-REHEARSE2 rehearsal this-machine 00000000-0000-0000-0000-000000000000 /" {
			t.Errorf("got %q", l)
		}
		from := ""
		if i < 3 {
			from = "d-REHEARSE1" // the last successful revision
		}
		if got := event(t, res.Deployments[1], lifecycle.Event(e)); got.From != from {
			t.Errorf("%s: from %q, want %q", e, got.From, from)
		}
		if first := event(t, res.Deployments[0], lifecycle.Event(e)); (first.Verdict == Nothing) != (i < 3) {
			t.Errorf("%s of the first deployment: %s", e, first.Verdict)
		}
	}
}

func TestFailures(t *testing.T) {
	hook := func(event, rest string) string {
		return "version: 0.0\nos: linux\nhooks:\n  " + event + ":\n    - location: a.sh\n" + rest
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		event lifecycle.Event
		code  int
		want  string
	}{
		{"a script that fails", map[string]string{"appspec.yml": hook("AfterInstall", ""), "a.sh": "#!/bin/sh\nexit 3\n"}, lifecycle.AfterInstall, scriptFailed, "Script at specified location: a.sh failed with exit code 3"},
		{"a script that is not there", map[string]string{"appspec.yml": hook("AfterInstall", "")}, lifecycle.AfterInstall, scriptMissing, "Script does not exist at specified location: "},
		{"a script that takes too long", map[string]string{"appspec.yml": hook("AfterInstall", "      timeout: 1\n"), "a.sh": "#!/bin/sh\nexec sleep 60\n"}, lifecycle.AfterInstall, scriptTimedOut, "failed to complete in 1 seconds"},
		{"a script that is killed", map[string]string{"appspec.yml": hook("AfterInstall", ""), "a.sh": "#!/bin/sh\nkill -9 $$\n"}, lifecycle.AfterInstall, scriptFailed, "failed with exit code \nwingman: killed by SIGKILL"},
		{"a child that holds the output", map[string]string{"appspec.yml": hook("AfterInstall", "      timeout: 1\n"), "a.sh": "#!/bin/sh\nsleep 60 &\n"}, lifecycle.AfterInstall, outputsLeftOpen, "the script has ended, but sleep (pid "},
		{"an interpreter that is not there", map[string]string{"appspec.yml": hook("AfterInstall", ""), "a.sh": "#!/bin/nosuch\n"}, lifecycle.AfterInstall, scriptFailed, "a.sh failed"},
		{"a folder", map[string]string{"appspec.yml": hook("AfterInstall", ""), "a.sh/b": ""}, lifecycle.AfterInstall, scriptFailed, "Errno::EACCES"},
		{"an event that is none", map[string]string{"appspec.yml": hook("Afterinstall", "")}, lifecycle.Install, unknownError, `unknown lifecycle events: ["Afterinstall"]`},
		{"a source that is not there", map[string]string{"appspec.yml": "version: 0.0\nos: linux\nfiles:\n  - {source: x, destination: /opt/x}\n"}, lifecycle.Install, unknownError, "appspec.yml:4:"},
		{"an unknown owner", map[string]string{"x": "", "appspec.yml": "version: 0.0\nos: linux\nfiles:\n  - {source: x, destination: /opt}\npermissions:\n  - {object: /opt/x, owner: nosuchuser}\n"}, lifecycle.Install, unknownError, "the owner nosuchuser does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "an unknown owner" && os.Geteuid() != 0 {
				t.Skip("only root sets owners")
			}
			res := rehearseIt(t, Config{Dir: bundle(t, c.files)})
			e, d, failed := res.Failure()
			if res.Succeeded || !failed || d.ID != before || e.Name != c.event || e.Code != c.code || !strings.Contains(e.Message, c.want) {
				t.Errorf("got %s, code %d, %q; want %s, code %d, %q", e.Name, e.Code, e.Message, c.event, c.code, c.want)
			}
			if last := d.Events[len(d.Events)-1]; last.Verdict != NotRun {
				t.Errorf("the last event: %s", last.Verdict)
			}
		})
	}
}

func TestFailAsAsked(t *testing.T) {
	plain := map[string]string{"appspec.yml": "version: 0.0\nos: linux\nhooks:\n  ApplicationStop:\n    - location: a.sh\n  AfterInstall:\n    - location: a.sh\n", "a.sh": "#!/bin/sh\n"}
	for _, e := range []lifecycle.Event{lifecycle.ApplicationStop, lifecycle.AfterInstall} {
		res := rehearseIt(t, Config{Dir: bundle(t, plain), Fail: e})
		got, d, failed := res.Failure()
		if !failed || d.ID != rehearse || got.Name != e || got.Code != scriptFailed || !strings.Contains(strings.Join(got.Console, "\n"), "[stdout]this failure was asked for: rehearse --fail "+string(e)) {
			t.Errorf("%s: got %+v", e, got)
		}
	}
	t.Setenv("TMPDIR", t.TempDir())
	for _, c := range []Config{
		{Dir: bundle(t, plain), Fail: lifecycle.ValidateService},
		{Dir: bundle(t, plain), Fail: lifecycle.AfterInstall, Events: []lifecycle.Event{lifecycle.ApplicationStop}},
		{Dir: t.TempDir()},
	} {
		if _, err := Run(context.Background(), c); !errors.Is(err, ErrUsage) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOnlySomeEvents(t *testing.T) {
	c := Config{Events: []lifecycle.Event{lifecycle.AfterInstall}, Dir: bundle(t, map[string]string{"a.sh": "#!/bin/sh\necho $LIFECYCLE_EVENT\n",
		"appspec.yml": "version: 0.0\nos: linux\nhooks:\n  BeforeInstall:\n    - location: a.sh\n  AfterInstall:\n    - location: a.sh\n"})}
	lines := said(&c)
	if res := rehearseIt(t, c); !res.Succeeded || strings.Join(*lines, " ") != "AfterInstall" {
		t.Errorf("got %q, %+v", *lines, res)
	}
}

// Files are installed as the CodeDeploy agent installs them, and taken away at the next Install.
func TestInstall(t *testing.T) {
	c := Config{Dir: bundle(t, map[string]string{
		"app/one": "1", "app/sub/two": "2", "etc/app.conf": "c", "old": "x",
		"appspec.yml": `version: 0.0
os: linux
files:
  - {source: app, destination: /opt/app}
  - {source: etc/app.conf, destination: /etc}
permissions:
  - {object: /opt/app, mode: 640, type: [file], except: [two]}
  - {object: /opt/app, pattern: "*", mode: 700, type: [directory]}
hooks:
  AfterInstall:
    - location: list.sh
`,
		"list.sh": "#!/bin/sh\ncd \"$WINGMAN_REHEARSAL_ROOT\"\nfind . -printf '%P %m\\n' | sort\ntouch opt/app/written\n",
	})}
	lines := said(&c)
	res := rehearseIt(t, c)
	want := " 755\netc 755\netc/app.conf 755\nopt 755\nopt/app 755\nopt/app/one 640\nopt/app/sub 700\nopt/app/sub/two 755\nopt/app/written 644"
	if got := strings.Join(*lines, "\n"); !res.Succeeded || got != want {
		t.Errorf("got:\n%s\nwant:\n%s\n%+v", got, want, res)
	}
}

func TestFilesThatExist(t *testing.T) {
	for behavior, want := range map[string]string{"DISALLOW": "", "OVERWRITE": "new", "RETAIN": "old"} {
		dir := bundle(t, map[string]string{"f": "new", "a.sh": "#!/bin/sh\ncat $WINGMAN_REHEARSAL_ROOT/opt/f\n", "b.sh": "#!/bin/sh\nmkdir -p $WINGMAN_REHEARSAL_ROOT/opt; printf old >$WINGMAN_REHEARSAL_ROOT/opt/f\n",
			"appspec.yml": "version: 0.0\nos: linux\nfile_exists_behavior: " + behavior + "\nfiles:\n  - {source: f, destination: /opt}\nhooks:\n  BeforeInstall:\n    - location: b.sh\n  AfterInstall:\n    - location: a.sh\n"})
		c := Config{Dir: dir}
		lines := said(&c)
		res := rehearseIt(t, c)
		e, _, failed := res.Failure()
		if failed != (want == "") || strings.Join(*lines, "") != want || failed && !strings.Contains(e.Message, "a specified file already exists at this location: /opt/f") {
			t.Errorf("%s: %q, %q", behavior, *lines, e.Message)
		}
	}
}

// What a hook left running is ended with the rehearsal, also where it is a session of its own and ignores TERM.
func TestNothingIsLeftRunning(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	res := rehearseIt(t, Config{Dir: bundle(t, map[string]string{
		"appspec.yml": "version: 0.0\nos: linux\nhooks:\n  ApplicationStart:\n    - location: a.sh\n",
		"a.sh":        "#!/bin/sh\nsetsid sh -c 'trap \"\" TERM; echo $$ >>" + pids + "; while :; do sleep 1; done' >/dev/null 2>&1 </dev/null &\nwhile [ ! -s " + pids + " ]; do sleep 0.01; done\n",
	})})
	if !res.Succeeded {
		t.Fatalf("got %+v", res)
	}
	b, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range strings.Fields(string(b)) {
		if env, err := os.ReadFile("/proc/" + pid + "/environ"); err == nil && len(env) > 0 {
			t.Errorf("%s still runs", pid)
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	t.Setenv("TMPDIR", t.TempDir())
	start := time.Now()
	res, err := Run(ctx, Config{Env: os.Environ(), Show: func(p Progress) {
		if p.Text == "here\n" {
			cancel()
		}
	}, Dir: bundle(t, map[string]string{"a.sh": "#!/bin/sh\necho here\nexec sleep 60\n", "appspec.yml": "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: a.sh\n"})})
	if err != nil || res.Succeeded || time.Since(start) > 30*time.Second {
		t.Errorf("got %+v, %v", res, err)
	}
}

// tailCases are recorded from the CodeDeploy agent: the lengths of all log entries, and of those that it kept.
func TestConsoleKeepsWhatTheCodeDeployAgentKeeps(t *testing.T) {
	dir := os.Getenv("WINGMAN_AGENT_CASES")
	if dir == "" {
		dir = filepath.Join("..", "testdata", "codedeploy-agent")
	}
	b, err := os.ReadFile(filepath.Join(dir, "log-tail-cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases [][2][]int
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		var console tail
		for _, n := range c[0] {
			console.add(strings.Repeat("x", n-len("\n")))
		}
		same := len(console.kept) == len(c[1])
		for k := range console.kept {
			same = same && len(console.kept[k])+1 == c[1][k]
		}
		if !same {
			t.Errorf("case %d: kept %d entries, the CodeDeploy agent %v", i, len(console.kept), c[1])
		}
	}
}

func TestLines(t *testing.T) {
	var got []string
	l := &lines{each: func(s string) { got = append(got, s) }}
	for _, chunk := range []string{"a\nb", "c\n\n", "\xff\n", strings.Repeat("x", longest+1), "end"} {
		if n, err := l.Write([]byte(chunk)); n != len(chunk) || err != nil {
			t.Fatal(n, err)
		}
	}
	l.end()
	if len(got) != 6 || got[0] != "a" || got[1] != "bc" || got[2] != "" || got[3] != "\uFFFD" || len(got[4]) != longest+1 || got[5] != "end" {
		t.Errorf("got %.40q", got)
	}
}
