package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/codedeploy-wingman/wingman/agent/check"
	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// full has every key of the form.
const full = `version: 1
env: {PORT: "8080", BASE: "http://127.0.0.1:${PORT}", RETRIES: 3, DEBUG: true}
redact: [DB_PASSWORD]
events:
  ApplicationStart:
    - name: start
      script: scripts/start.sh
      user: app
      timeout: 2m
      retry: {attempts: 3, delay: 2s}
      env: {MODE: "fast ${PORT}"}
      when: {role: replacement, creator: [user, autoscaling], tags: {Stage: prod}}
      continue_on_error: true
    - command: [sh, -c, "echo $HOME $$PPID ${MODE}", 7]
      env: {MODE: x}
  ApplicationStop: []
  ValidateService:
    - name: healthy
      check:
        http: {url: "${BASE}/healthz", method: POST, headers: {Host: example.org}, status: 200, body: ok, tls_skip_verify: true}
        startup_timeout: 1m
        success_threshold: 2
        failure_threshold: 4
        interval: 100ms
        timeout: 2s
        bake_time: 10s
    - check: {http: "${BASE}/"}
    - check: {tcp: "127.0.0.1:${PORT}"}
    - check: {tcp: {address: "127.0.0.1:1"}}
    - check: {systemd: hello.service}
    - check: {systemd: {unit: hello.service}}
    - check: {command: [check_disk, -w, 10]}
    - check: {command: {argv: [check_disk], user: nagios}}
    - check: {build: {url: "${BASE}/version", equals: "${DEPLOYMENT_ID}"}}
    - check: {build: {url: "${BASE}/version", contains: "v1"}}
on_failure:
  - script: scripts/rescue.sh
always:
  - script: scripts/tidy.sh
`

// unguarded is a host whose plans hold nothing but what the files say.
func unguarded() Host {
	h := DefaultHost()
	h.Guard.Mode = guard.Disabled
	return h
}

func parseRevision(t *testing.T, text string) Revision {
	t.Helper()
	r, err := ParseRevision([]byte(text), "wingman.yml")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func request(r Revision, e lifecycle.Event) Request {
	return Request{Event: e, Dir: "/rev", Deployment: lifecycle.Deployment{ID: "d-1", Application: "shop", Group: "blue"}, Revision: r, Host: unguarded(), Budget: time.Minute, BudgetFrom: "appspec.yml"}
}

func TestEveryKeyIsRead(t *testing.T) {
	p, err := Make(request(parseRevision(t, full), lifecycle.ApplicationStart))
	if err != nil {
		t.Fatal(err)
	}
	at := func(line, column int) problem.Position {
		return problem.Position{File: "wingman.yml", Line: line, Column: column}
	}
	once := Retry{1, time.Second}
	want := Plan{Event: lifecycle.ApplicationStart, Revision: "/rev", Source: "wingman.yml", Redact: []string{"DB_PASSWORD"}, Budget: time.Minute, BudgetFrom: "appspec.yml", Log: DefaultHost().Log,
		Env: map[string]string{"PORT": "8080", "BASE": "http://127.0.0.1:8080", "RETRIES": "3", "DEBUG": "true"},
		Steps: []Step{
			{Position: at(6, 7), Name: "start", Script: "scripts/start.sh", User: "app", Timeout: 2 * time.Minute, Retry: Retry{3, 2 * time.Second}, Env: map[string]string{"MODE": "fast 8080"},
				Command: []string{}, When: When{Roles: []lifecycle.Role{"replacement"}, Creators: []string{"user", "autoscaling"}, Tags: map[string]string{"Stage": "prod"}}, ContinueOnError: true},
			{Position: at(14, 7), Name: "sh", Command: []string{"sh", "-c", "echo $HOME $PPID x", "7"}, Retry: once, Env: map[string]string{"MODE": "x"}},
		},
		OnFailure: []Step{{Position: at(37, 5), Name: "scripts/rescue.sh", Script: "scripts/rescue.sh", Command: []string{}, Retry: once}},
		Always:    []Step{{Position: at(39, 5), Name: "scripts/tidy.sh", Script: "scripts/tidy.sh", Command: []string{}, Retry: once}},
	}
	if d := cmp.Diff(want, p); d != "" {
		t.Error(d)
	}
}

func TestChecksAreReadInBothForms(t *testing.T) {
	p, err := Make(request(parseRevision(t, full), lifecycle.ValidateService))
	if err != nil {
		t.Fatal(err)
	}
	usual := check.Timing{}.WithDefaults()
	want := []check.Settings{
		{HTTP: &check.HTTP{URL: "http://127.0.0.1:8080/healthz", Method: "POST", Headers: map[string]string{"Host": "example.org"}, Status: "200", Body: "ok", TLSSkipVerify: true},
			Timing: check.Timing{StartupTimeout: time.Minute, SuccessThreshold: 2, FailureThreshold: 4, Interval: 100 * time.Millisecond, Timeout: 2 * time.Second, BakeTime: 10 * time.Second}},
		{HTTP: &check.HTTP{URL: "http://127.0.0.1:8080/"}, Timing: usual},
		{TCP: &check.TCP{Address: "127.0.0.1:8080"}, Timing: usual},
		{TCP: &check.TCP{Address: "127.0.0.1:1"}, Timing: usual},
		{Systemd: &check.Systemd{Unit: "hello.service"}, Timing: usual},
		{Systemd: &check.Systemd{Unit: "hello.service"}, Timing: usual},
		{Command: &check.Command{Argv: []string{"check_disk", "-w", "10"}}, Timing: usual},
		{Command: &check.Command{Argv: []string{"check_disk"}, User: "nagios"}, Timing: usual},
		{Build: &check.Build{URL: "http://127.0.0.1:8080/version", Equals: "d-1"}, Timing: usual},
		{Build: &check.Build{URL: "http://127.0.0.1:8080/version", Contains: "v1"}, Timing: usual},
	}
	var got []check.Settings
	var names []string
	for _, s := range p.Steps {
		got, names = append(got, *s.Check), append(names, s.Name)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"healthy", "http http://127.0.0.1:8080/", "tcp 127.0.0.1:8080", "tcp 127.0.0.1:1", "systemd hello.service", "systemd hello.service (2)",
		"command check_disk -w 10", "command check_disk", "build http://127.0.0.1:8080/version", "build http://127.0.0.1:8080/version (2)"}, names); d != "" {
		t.Error(d)
	}
}

// step is the beginning of a wingman.yml; one step in flow style follows it.
const step = "version: 1\nevents:\n  AfterInstall:\n    - "

// Each fault is told with its place, what is wrong, and what to write.
func TestFaultsOfWingmanYML(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an empty file", "", "w.yml:1:1: the file is empty\n    version: 1"},
		{"comments only", "# nothing\n", "w.yml:1:1: the file is empty"},
		{"no version", "events: {}", "w.yml:1:1: there is no version"},
		{"a later version", "version: 2", "w.yml:1:10: version 2: this wingman reads version 1\n    install a newer"},
		{"a text as version", "version: '1'", `here stands the text "1", wanted is the number 1`},
		{"not YAML", "version: 1\nevents: [", "w.yml:2: not YAML"},
		{"a tab", "version: 1\nevents:\n\tAfterInstall: []", "w.yml:3: not YAML: found character that cannot start any token\n    a tab? indent with spaces"},
		{"a list", "- version: 1", "w.yml:1:1: here stands a list, wanted is a mapping with version"},
		{"a second document", "version: 1\n---\nversion: 1\n", "a second YAML document"},
		{"a broken second document", "version: 1\n---\n[", "not YAML"},
		{"a key twice", "version: 1\nenv: {}\nenv: {}", "w.yml:3:1: env stands here for the second time: the first is in line 2"},
		{"a key that is a list", "version: 1\n[a]: 1", "a key is a plain word, not a list"},
		{"a misspelt key", "version: 1\nevnts: {}", `w.yml:2:1: unknown key "evnts": did you mean events?`},
		{"a key from elsewhere", "version: 1\nhooks: {}", `unknown key "hooks": did you mean events?`},
		{"a key like no other", "version: 1\nzzz: {}", `unknown key "zzz": here may stand version, env`},
		{"a key without a value", "version: 1\nevents:", "w.yml:2:1: events has no value"},
		{"CodeDeploy's own event", "version: 1\nevents:\n  Install: []", "w.yml:3:3: Install is CodeDeploy's own lifecycle event: it takes no steps"},
		{"a misspelt event", "version: 1\nevents:\n  ValidateServices: []", "did you mean ValidateService?"},
		{"steps that are no list", "version: 1\nevents:\n  AfterInstall: {script: a.sh}", "w.yml:3:17: here stands a mapping, wanted is a list"},
		{"a step that is a text", step + "a.sh", `w.yml:4:7: here stands the text "a.sh", wanted is a mapping with name`},
		{"a step without action", step + "name: x", "w.yml:4:7: a step needs one of script, command, check, suspend_processes, resume_processes\n    - script: scripts/start.sh"},
		{"two actions", step + "{script: a.sh, command: [b]}", "a step does one thing, not script and command"},
		{"runas", step + "{script: a.sh, runas: app}", `w.yml:4:22: unknown key "runas": did you mean user?`},
		{"location", step + "location: a.sh", "did you mean script?"},
		{"a misspelt key of a step", step + "{script: a.sh, timeot: 1s}", "did you mean timeout?"},
		{"a check's key beside it", step + "{check: {tcp: 'a:1'}, interval: 1s}", "interval belongs to a check\n    check: {…, interval: …}"},
		{"a kind of check as a step", step + "http: http://a/", "http is a kind of check\n    check: {http: …}"},
		{"a time without unit", step + "{script: a.sh, timeout: 30}", "w.yml:4:31: 30 is a number without a unit\n    30s, 30m or 30ms"},
		{"no time", step + "{script: a.sh, timeout: soon}", `here stands the text "soon", wanted is a time such as 250ms`},
		{"a negative time", step + "{script: a.sh, timeout: -3s}", "wanted is a time such as"},
		{"no time at all", step + "{script: a.sh, timeout: 0s}", "0s is too short: at least 1ms"},
		{"a text as number", step + "{script: a.sh, retry: {attempts: '3'}}", "wanted is a whole number from 1 to 1000"},
		{"a number for retry", step + "{script: a.sh, retry: 3}", "here stands 3, wanted is a mapping with attempts, delay"},
		{"yes for true", step + "{script: a.sh, continue_on_error: yes}", "wanted is true or false"},
		{"a script outside", step + "script: ../a.sh", "the script ../a.sh is not in the revision"},
		{"a script of the host", step + "script: /opt/a.sh", "the script /opt/a.sh is not in the revision: paths are relative to the folder that holds appspec.yml\n    copy it"},
		{"an empty command", step + "command: []", "an empty list"},
		{"a command's empty word", step + "command: ['']", "the command's first word is empty"},
		{"a shell string", step + "command: echo hello", "here stands the text \"echo hello\", wanted is a list\n    for a shell's line: [sh, -c, \"echo hello\"]"},
		{"a role that is none", step + "{script: a.sh, when: {role: blue}}", "wanted is one of original, replacement, in_place, unknown"},
		{"a creator that is none", step + "{script: a.sh, when: {creator: me}}", "wanted is one of user, autoscaling"},
		{"a check of no kind", step + "check: {interval: 1s}", "a check needs one of http, tcp, command, systemd, build"},
		{"a check of two kinds", step + "check: {tcp: 'a:1', systemd: a}", "a check is of one kind, not tcp and systemd at once"},
		{"a check as a user", step + "{check: {tcp: 'a:1'}, user: app}", "a check has no user of its own"},
		{"a check with retry", step + "{check: {tcp: 'a:1'}, retry: {attempts: 2}}", "a check tries again by itself until its startup_timeout"},
		{"a URL that is none", step + "check: {http: '127.0.0.1:8080/x'}", "is no http:// or https:// URL"},
		{"an address without port", step + "check: {tcp: localhost}", `tcp: "localhost" is no host:port`},
		{"a status that is none", step + "check: {http: {url: 'http://a/', status: fine}}", "status"},
		{"a build without a value", step + "check: {build: {url: 'http://a/'}}", "a build check needs one of equals and contains\n    equals: \"${DEPLOYMENT_ID}\""},
		{"a check without url", step + "check: {http: {body: x}}", "there is no url"},
		{"a variable that is none", step + "command: [echo, '${PROT}']\nenv: {PORT: 1}", "w.yml:4:23: ${PROT} stands for nothing: it is neither in env nor a variable of CodeDeploy's: did you mean ${PORT}?\n    env: {PROT: \"…\"}, or $${PROT}"},
		{"a brace that stays open", step + "command: [echo, '${PORT']", "${ without a }"},
		{"a shell's expression", step + "command: [echo, '${PORT:-80}']", "between the braces stands the name of a variable"},
		{"variables in a circle", "version: 1\nenv: {A: '${B}', B: '${A}'}", "refers to itself"},
		{"CodeDeploy's variable", "version: 1\nenv: {DEPLOYMENT_ID: x}", "w.yml:2:7: DEPLOYMENT_ID is CodeDeploy's own variable"},
		{"a variable without value", "version: 1\nenv: {A: }", "A has no value\n    A: \"\""},
		{"a variable's bad name", "version: 1\nenv: {A-B: 1}", "wanted is the name of a variable"},
		{"a variable that is a list", "version: 1\nenv: {A: [1]}", "here stands a list, wanted is a text"},
		{"redact that is no name", "version: 1\nredact: ['a b']", "wanted is the name of a variable"},
		{"a NUL", "version: 1\nenv: {A: \"\\0\"}", "a text with a NUL in it"},
		{"a merge of nothing", "version: 1\nenv: {<<: 3}", "<< wants a mapping"},
		{"too long a file", "version: 1\n#" + strings.Repeat("x", maxFile), "more than 1 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseRevision([]byte(c.text), "w.yml")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got:  %v\nwant: %s", err, c.want)
			}
		})
	}
}

func TestAllFaultsAreSaidAtOnce(t *testing.T) {
	_, err := ParseRevision([]byte("version: 1\nevnts: {}\nevents:\n  AfterInstall:\n    - {script: a.sh, timeout: 3}\n    - {}\n"), "w.yml")
	l, ok := err.(problem.List)
	if !ok || len(l) != 3 || l[0].Line != 2 || l[1].Line != 5 || l[2].Line != 6 {
		t.Errorf("got %v", err)
	}
}

func TestAliasesAndMerges(t *testing.T) {
	r := parseRevision(t, `version: 1
events:
  AfterInstall:
    - &slow {script: a.sh, timeout: 5m, env: {A: 1}}
    - {<<: *slow, script: b.sh}
    - {<<: [*slow], name: third}
  BeforeInstall: [*slow]
`)
	got := r.Events[lifecycle.AfterInstall]
	if got[1].Script != "b.sh" || got[1].Timeout != 5*time.Minute || got[2].Name != "third" || got[2].Script != "a.sh" || r.Events[lifecycle.BeforeInstall][0].Script != "a.sh" {
		t.Errorf("got %+v", got)
	}
}

func TestHostSettings(t *testing.T) {
	h, err := ParseHost([]byte(`
policy: {users: [app], allow_root: false, max_timeout: 10m}
default_events:
  ApplicationStop:
    - script: /etc/wingman/stop.sh
executor: inline
codedeploy_agent: {restart_after: 5m}
log: {max_size: 1GiB, keep: 3}
`), "host.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := Host{File: "host.yml", Guard: guard.Defaults(), Policy: Policy{Users: []string{"app"}, MaxTimeout: 10 * time.Minute}, Log: Log{1 << 30, 3},
		Executor: Inline, CodeDeploy: CodeDeployAgent{RestartAfter: 5 * time.Minute},
		DefaultEvents: map[lifecycle.Event][]Step{lifecycle.ApplicationStop: {{Position: problem.Position{File: "host.yml", Line: 5, Column: 7}, Script: "/etc/wingman/stop.sh", Retry: Retry{1, time.Second}}}}}
	if d := cmp.Diff(want, h); d != "" {
		t.Error(d)
	}
	for _, c := range []struct{ text, want string }{
		{"log: {max_size: 5}", "wanted is a size such as 64MiB"},
		{"log: {max_size: 1KB}", "1KB is too small"},
		{"log: {max_size: 99999999999999GiB}", "a size that fits on a disk"},
		{"log: {keep: 0}", "whole number from 1"},
		{"events: {}", "did you mean default_events?"},
		{"policy: {max_timeout: 1ms}", "too short"},
		{"executor: services", "one of service, inline"},
		{"runner: inline", "did you mean executor?"},
		{"codedeploy_agent: {restart_after: 30s}", "30s is too short: at least 1m0s"},
		{"codedeploy_agent: {restart: always}", "did you mean restart_after?"},
		{"agent: {restart_after: 5m}", "did you mean codedeploy_agent?"},
		{"restart_after: 5m", "did you mean codedeploy_agent: {restart_after: …}?"},
		{"checks_dir: /etc/wingman/checks.d", `unknown key "checks_dir"`},
	} {
		if _, err := ParseHost([]byte(c.text), "host.yml"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.text, err, c.want)
		}
	}
	if h, err := ParseHost([]byte("# all as it is\n"), "host.yml"); err != nil || h.Log.Keep != 20 || h.Executor != Service || h.CodeDeploy.RestartAfter != 0 {
		t.Errorf("a file of comments: %+v, %v", h, err)
	}
}

func TestWhereStepsComeFrom(t *testing.T) {
	h, err := ParseHost([]byte("guard: {mode: disabled}\ndefault_events: {AfterInstall: [{command: [echo, '${PORT}']}], BeforeInstall: [{command: ['true']}]}"), "host.yml")
	if err != nil {
		t.Fatal(err)
	}
	r := parseRevision(t, "version: 1\nenv: {PORT: 1}\nevents: {BeforeInstall: []}")
	for event, want := range map[lifecycle.Event]string{lifecycle.AfterInstall: "default_events in host.yml", lifecycle.BeforeInstall: "wingman.yml", lifecycle.ApplicationStop: BuiltIn} {
		req := request(r, event)
		req.Host = h
		p, err := Make(req)
		if err != nil || p.Source != want {
			t.Errorf("%s: from %q, %v; want %q", event, p.Source, err, want)
		}
		if n := len(p.Steps); (n == 1) != (event == lifecycle.AfterInstall) {
			t.Errorf("%s: %d steps", event, n)
		}
	}
	req := request(Revision{}, lifecycle.AfterInstall)
	req.Host = h
	if _, err := Make(req); err == nil || !strings.Contains(err.Error(), "host.yml:2:33: ${PORT} stands for nothing") {
		t.Errorf("a default that wants a variable of the revision: %v", err)
	}
}

func TestPolicy(t *testing.T) {
	for _, c := range []struct{ name, policy, step, want string }{
		{"no bound", "{}", "{script: a.sh, user: app}", ""},
		{"a user that may be", "{users: [app]}", "{script: a.sh, user: app}", ""},
		{"another user", "{users: [app]}", "{script: a.sh, user: db}", "would run as db: users in host.yml allows app"},
		{"root beside users", "{users: [app]}", "{script: a.sh}", ""},
		{"no root, none named", "{allow_root: false, users: [app]}", "{script: a.sh}", "would run as root: allow_root in host.yml forbids it\n    user: app"},
		{"no root, by number", "{allow_root: false}", "{script: a.sh, user: 0}", "would run as root"},
		{"no root, by another name", "{allow_root: false}", "{script: a.sh, user: toor}", "would run as root"},
		{"no root, a check's command", "{allow_root: false}", "{check: {command: [a]}}", "would run as root"},
		{"no root, a check that runs nothing", "{allow_root: false}", "{check: {tcp: 'a:1'}}", ""},
		{"a variable as user", "{users: [app]}", "{script: a.sh, user: '${WHO}', env: {WHO: db}}", "would run as db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := ParseHost([]byte("policy: "+c.policy), "host.yml")
			if err != nil {
				t.Fatal(err)
			}
			req := request(parseRevision(t, step+c.step), lifecycle.AfterInstall)
			req.Host, req.IsRoot = h, func(name string) bool { return name == "toor" }
			_, err = Make(req)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	req := request(Revision{}, lifecycle.AfterInstall)
	req.Host.File, req.Host.Policy.MaxTimeout = "host.yml", time.Second
	if p, _ := Make(req); p.Budget != time.Second || p.BudgetFrom != "max_timeout in host.yml" {
		t.Errorf("got %s from %s", p.Budget, p.BudgetFrom)
	}
}

// What depends on a variable is judged once its value is known.
func TestFaultsOfValues(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an address", step + "check: {tcp: '${A}'}\nenv: {A: nowhere}", `tcp: "nowhere" is no host:port`},
		{"a URL", step + "check: {http: '${A}://a/'}\nenv: {A: ftp}", "is no http:// or https:// URL"},
		{"a build", step + "check: {build: {url: 'http://a/', equals: '${DEPLOYMENT_GROUP_ID}'}}", "there is no build to compare with: ${DEPLOYMENT_GROUP_ID} is empty here\n    by hand: DEPLOYMENT_ID="},
		{"a script outside", step + "script: '${A}/a.sh'\nenv: {A: ..}", "the script ../a.sh is not in the revision"},
		{"no script", step + "script: '${DEPLOYMENT_GROUP_ID}'", "gives no path"},
		{"a step's own circle", step + "{script: a.sh, env: {A: '${A}'}}", "A refers to itself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Make(request(parseRevision(t, c.text), lifecycle.AfterInstall))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestFilesOfARevision(t *testing.T) {
	dir := t.TempDir()
	if r, err := LoadRevision(dir); err != nil || r.File != "" {
		t.Errorf("a revision without wingman.yml: %+v, %v", r, err)
	}
	if h, err := LoadHost(filepath.Join(dir, "host.yml")); err != nil || !h.Policy.AllowRoot {
		t.Errorf("a host without settings: %+v, %v", h, err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wingman.yaml", "")
	if _, err := LoadRevision(dir); err == nil || !strings.Contains(err.Error(), "mv wingman.yaml wingman.yml") {
		t.Errorf("wingman.yaml: %v", err)
	}
	write("wingman.yml", "version: 1\nevents: {AfterInstall: [{script: strat.sh}, {script: folder}, {script: there.sh}, {script: '${DEPLOYMENT_ID}.sh'}, {script: no/where.sh}]}\non_failure: [{script: start.sh/x}]")
	write("start.sh", "")
	write("there.sh", "")
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := LoadRevision(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := CheckFiles(dir, r.All())
	if len(got) != 4 || !strings.Contains(got.Error(), "did you mean start.sh?") || !strings.Contains(got.Error(), "folder is a folder") || !strings.Contains(got[2].Hint, "relative to") || got[3].Rule != "script-unreadable" {
		t.Errorf("got %v", got)
	}
	if _, err := LoadRevision(filepath.Join(dir, "there.sh")); err == nil {
		t.Error("a file as a revision")
	}
	if _, err := LoadHost(dir); err == nil {
		t.Error("a folder as host.yml")
	}
}

func TestBudgetLeavesTimeForTheEnd(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{time.Hour: time.Hour - 15*time.Second, 60 * time.Second: 45 * time.Second, 20 * time.Second: 10 * time.Second, time.Second: 500 * time.Millisecond} {
		if got := Budget(timeout); got != want {
			t.Errorf("%s: %s, want %s", timeout, got, want)
		}
	}
}

// The guard comes before the steps of the events that host.yml means, whatever the revision says, unless the event says
// where it wants it.
func TestTheGuardIsInTheDefaultPlan(t *testing.T) {
	r := parseRevision(t, "version: 1\nevents:\n  BeforeBlockTraffic: [{command: [a]}, {suspend_processes: {processes: [Terminate]}}]\n  ValidateService: [{command: [a]}]\n  AfterAllowTraffic: [{resume_processes: {}}]\n")
	kinds := func(e lifecycle.Event, h Host) string {
		p, err := Make(Request{Event: e, Revision: r, Host: h, Budget: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, s := range p.Steps {
			out = append(out, s.Kind())
		}
		return strings.Join(out, " ")
	}
	for e, want := range map[lifecycle.Event]string{
		lifecycle.BeforeBlockTraffic: "command suspend_processes",
		lifecycle.ValidateService:    "suspend_processes command",
		lifecycle.AfterAllowTraffic:  "suspend_processes resume_processes",
		lifecycle.BeforeInstall:      "suspend_processes",
		lifecycle.AfterBlockTraffic:  "",
		lifecycle.ApplicationStop:    "",
	} {
		if got := kinds(e, DefaultHost()); got != want {
			t.Errorf("%s: %q, want %q", e, got, want)
		}
	}
	if got := kinds(lifecycle.ValidateService, unguarded()); got != "command" {
		t.Errorf("disabled: %q", got)
	}
	h := DefaultHost()
	h.File, h.Policy.Processes = "host.yml", []guard.Process{guard.AZRebalance}
	if _, err := Make(Request{Event: lifecycle.BeforeBlockTraffic, Revision: r, Host: h, Budget: time.Minute}); err == nil || !strings.Contains(err.Error(), "would suspend Terminate: processes in host.yml does not allow it") {
		t.Errorf("policy: %v", err)
	}
}

func TestGuardSettings(t *testing.T) {
	h, err := ParseHost([]byte(`
guard:
  mode: observe
  original: {processes: [Terminate], from: BeforeBlockTraffic}
  replacement: {processes: [AZRebalance]}
  max_window: 2h
  grace: 5s
  continue_on_error: false
  headroom: refuse
  dead_man: {role_arn: "arn:aws:iam::123456789012:role/wingman-deadman", schedule_group: x}
policy: {processes: [Terminate]}
`), "host.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := guard.Settings{Mode: guard.Observe, Original: guard.Side{Processes: []guard.Process{guard.Terminate}, From: lifecycle.BeforeBlockTraffic},
		Replacement: guard.Side{Processes: []guard.Process{guard.AZRebalance}, From: lifecycle.BeforeInstall}, MaxWindow: 2 * time.Hour, Grace: 5 * time.Second,
		Headroom: guard.Refuse, DeadMan: guard.DeadMan{RoleARN: "arn:aws:iam::123456789012:role/wingman-deadman", ScheduleGroup: "x"}}
	if d := cmp.Diff(want, h.Guard); d != "" {
		t.Error(d)
	}
	for text, want := range map[string]string{
		"guard: {mode: off}":                         "one of enforce, observe, disabled",
		"guard: {original: {processes: []}}":         "an empty list",
		"guard: {original: {processes: [Teminate]}}": "one of Launch, Terminate",
		"guard: {max_window: 30s}":                   "too short",
		"guard: {max_window: 25h}":                   "too long",
		"guard: {grace: 500ms}":                      "too short",
		"guard: {replacement: {from: Install}}":      "one of",
		"guard: {blue: {}}":                          "did you mean original?",
	} {
		if _, err := ParseHost([]byte(text), "host.yml"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if got := DefaultHost().Guard; cmp.Diff(got, guard.Defaults()) != "" {
		t.Errorf("the default: %+v", got)
	}
}
