//go:build linux

package rehearsal

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// stage is the stand-in for one instance's CodeDeploy agent, taken through in-place deployments without AWS.
type stage struct {
	*agent
	t     *testing.T
	lines []string // what hooks printed in the last deployment
}

func newStage(t *testing.T) *stage {
	root := t.TempDir()
	return &stage{t: t, agent: &agent{root: t.TempDir(), install: root, env: append(os.Environ(), rootVariable+"="+root), note: t.Logf}}
}

// deploy takes a revision through the events that the CodeDeploy agent is given, up to the first that fails.
func (s *stage) deploy(id, dir string) (events []Event) {
	s.lines = nil
	d := deployment{Deployment: lifecycle.Deployment{ID: id, Application: "rehearsal", Group: "local", GroupID: "g-1"}, bundle: dir}
	for _, name := range lifecycle.InPlace() {
		if name == lifecycle.AllowTraffic || name == lifecycle.BlockTraffic {
			continue
		}
		e := Event{Name: name}
		s.execute(s.t.Context(), d, &e, func(p Progress) { s.lines = append(s.lines, p.Text) })
		events = append(events, e)
		if e.Verdict == Failed {
			break
		}
	}
	return events
}

// twice deploys a revision twice, and gives the last event of both.
func (s *stage) twice(dir string) (last Event) {
	for _, id := range []string{"d-1", "d-2"} {
		events := s.deploy(id, dir)
		if last = events[len(events)-1]; last.Verdict == Failed {
			break
		}
	}
	return last
}

func TestHooksAreCalledAsTheCodeDeployAgentCallsThem(t *testing.T) {
	script := "#!/bin/sh\necho $LIFECYCLE_EVENT $DEPLOYMENT_ID $APPLICATION_NAME $DEPLOYMENT_GROUP_NAME $DEPLOYMENT_GROUP_ID $(pwd)\n"
	appspec := "version: 0.0\nos: linux\nhooks:\n"
	for _, e := range lifecycle.Hookable() {
		appspec += "  " + string(e) + ":\n    - location: a.sh\n"
	}
	dir, s := bundle(t, map[string]string{"appspec.yml": appspec, "a.sh": script}), newStage(t)
	for i, id := range []string{"d-1", "d-2"} {
		for _, e := range s.deploy(id, dir) {
			old := e.Name == lifecycle.BeforeBlockTraffic || e.Name == lifecycle.AfterBlockTraffic || e.Name == lifecycle.ApplicationStop
			want, from := Succeeded, ""
			if old && i == 0 {
				want = Nothing // there is no last successful revision yet
			} else if old {
				from = "d-1"
			}
			if e.Verdict != want || e.From != from {
				t.Errorf("%s: %s of %s, from %q", id, e.Verdict, e.Name, e.From)
			}
		}
	}
	want := strings.Fields(inPlaceEvents)
	if len(s.lines) != len(want) {
		t.Fatalf("got %q", s.lines)
	}
	for i, e := range want {
		if s.lines[i] != e+" d-2 rehearsal local g-1 /" {
			t.Errorf("got %q", s.lines[i])
		}
	}
}

// In a rollback of a blue/green deployment hooks come from other revisions: of the original's the last that installed,
// of the replacement's the last that was downloaded.
func TestHooksOfARollback(t *testing.T) {
	s := newStage(t)
	s.deploy("d-1", everyEvent(t))
	d := deployment{Deployment: lifecycle.Deployment{ID: "d-2", GroupID: "g-1"}, rollback: true}
	for _, name := range []lifecycle.Event{lifecycle.BeforeAllowTraffic, lifecycle.AfterAllowTraffic, lifecycle.BeforeBlockTraffic, lifecycle.AfterBlockTraffic} {
		e := Event{Name: name}
		s.execute(t.Context(), d, &e, func(Progress) {})
		if e.Verdict != Succeeded || e.From != "d-1" {
			t.Errorf("got %+v", e)
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
			e := newStage(t).twice(bundle(t, c.files))
			if e.Verdict != Failed || e.Name != c.event || e.Code != c.code || !strings.Contains(e.Message, c.want) {
				t.Errorf("got %s, code %d, %q; want %s, code %d, %q", e.Name, e.Code, e.Message, c.event, c.code, c.want)
			}
		})
	}
}

// Files are installed as the CodeDeploy agent installs them, and taken away at the next Install.
func TestInstall(t *testing.T) {
	dir := bundle(t, map[string]string{
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
	})
	s := newStage(t)
	last := s.twice(dir)
	want := " 755\netc 755\netc/app.conf 755\nopt 755\nopt/app 755\nopt/app/one 640\nopt/app/sub 700\nopt/app/sub/two 755\nopt/app/written 644"
	if got := strings.Join(s.lines, "\n"); last.Verdict == Failed || got != want {
		t.Errorf("got:\n%s\nwant:\n%s\n%+v", got, want, last)
	}
}

func TestFilesThatExist(t *testing.T) {
	for behavior, want := range map[string]string{"DISALLOW": "", "OVERWRITE": "new", "RETAIN": "old"} {
		dir := bundle(t, map[string]string{"f": "new", "a.sh": "#!/bin/sh\ncat $WINGMAN_REHEARSAL_ROOT/opt/f\n", "b.sh": "#!/bin/sh\nmkdir -p $WINGMAN_REHEARSAL_ROOT/opt; printf old >$WINGMAN_REHEARSAL_ROOT/opt/f\n",
			"appspec.yml": "version: 0.0\nos: linux\nfile_exists_behavior: " + behavior + "\nfiles:\n  - {source: f, destination: /opt}\nhooks:\n  BeforeInstall:\n    - location: b.sh\n  AfterInstall:\n    - location: a.sh\n"})
		s := newStage(t)
		e := s.twice(dir)
		failed := e.Verdict == Failed
		if failed != (want == "") || strings.Join(s.lines, "") != want || failed && !strings.Contains(e.Message, "a specified file already exists at this location: /opt/f") {
			t.Errorf("%s: %q, %q", behavior, s.lines, e.Message)
		}
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
