//go:build linux

package rehearsal

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// bundle writes a revision.
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

// rehearseIt runs a rehearsal at a quick AWS, and sees that nothing but logs is left of it.
func rehearseIt(t *testing.T, c Config) Result {
	t.Helper()
	c.Scratch, c.Env, c.delays = t.TempDir(), os.Environ(), awssim.Delays{Launch: 50 * time.Millisecond, Register: 200 * time.Millisecond, Deregister: 200 * time.Millisecond, Traffic: 5 * time.Second}
	res, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	folders, err := filepath.Glob(filepath.Join(c.Scratch, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if filepath.Base(f) != "logs" {
			left = append(left, f)
		}
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return res
}

// heard keeps what hooks print in the rehearsed deployment, by instance.
func heard(c *Config) map[string][]string {
	lines := map[string][]string{}
	c.Show = func(p Progress) {
		if p.Part == Rehearsed && p.Text != "" {
			lines[p.Instance] = append(lines[p.Instance], p.Text)
		}
	}
	return lines
}

// A revision that is called in each event, and says which.
func everyEvent(t *testing.T) string {
	t.Helper()
	appspec := "version: 0.0\nos: linux\nhooks:\n"
	for _, e := range lifecycle.Hookable() {
		appspec += "  " + string(e) + ":\n    - location: a.sh\n"
	}
	return bundle(t, map[string]string{"appspec.yml": appspec, "a.sh": "#!/bin/sh\necho $LIFECYCLE_EVENT\n"})
}

const (
	onReplacement = "BeforeInstall AfterInstall ApplicationStart ValidateService BeforeAllowTraffic AfterAllowTraffic"
	onOriginal    = "BeforeBlockTraffic AfterBlockTraffic"
	inPlaceEvents = "BeforeBlockTraffic AfterBlockTraffic ApplicationStop BeforeInstall AfterInstall ApplicationStart ValidateService BeforeAllowTraffic AfterAllowTraffic"
)

// Which hooks are called where, and what the groups show, in each type of deployment.
func TestTypes(t *testing.T) {
	for _, c := range []struct {
		name      string
		config    Config
		says      map[string]string
		groups    int
		suspended bool // by CodeDeploy, on a copy
	}{
		{"blue/green", Config{}, map[string]string{"original-1": onOriginal, "original-2": onOriginal, "replacement-1": onReplacement, "replacement-2": onReplacement}, 2, true},
		{"another number", Config{Original: 1, Replacement: 2}, map[string]string{"original-1": onOriginal, "replacement-1": onReplacement, "replacement-2": onReplacement}, 2, false},
		{"in place", Config{Type: InPlace}, map[string]string{"original-1": inPlaceEvents, "original-2": inPlaceEvents}, 1, false},
		{"only some events", Config{Original: 1, Events: []lifecycle.Event{lifecycle.AfterInstall}}, map[string]string{"replacement-1": "AfterInstall"}, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.config.Dir = everyEvent(t)
			lines := heard(&c.config)
			res := rehearseIt(t, c.config)
			if !res.Succeeded || len(res.Deployments) != 2 || len(res.Groups) != c.groups || res.Failure != nil || res.Traffic.URL != "" || !strings.Contains(strings.Join(res.Notes, "\n"), "no traffic is sent") {
				t.Errorf("got %+v", res)
			}
			if len(lines) != len(c.says) {
				t.Errorf("hooks ran on %v", lines)
			}
			for name, want := range c.says {
				if got := strings.Join(lines[name], " "); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if s := res.Groups[len(res.Groups)-1].Scaling; (len(s) == 2) != c.suspended || c.suspended && (s[0].Resumed || !s[1].Resumed || s[0].By != CodeDeploy) {
				t.Errorf("scaling: %+v", s)
			}
		})
	}
}

func TestFailAsAsked(t *testing.T) {
	for _, c := range []struct {
		config Config
		on     string // "" is any
	}{
		{Config{Fail: lifecycle.AfterInstall}, ""},
		{Config{Fail: lifecycle.ValidateService, FailOn: "replacement-2"}, "replacement-2"},
		{Config{Fail: lifecycle.BeforeBlockTraffic, FailOn: "original-2"}, "original-2"},
		{Config{Fail: lifecycle.ApplicationStop, Type: InPlace, Original: 1}, "original-1"},
	} {
		t.Run(string(c.config.Fail), func(t *testing.T) {
			t.Parallel()
			c.config.Dir = everyEvent(t)
			res := rehearseIt(t, c.config)
			f := res.Failure
			if res.Succeeded || len(res.Why) != 1 || f == nil || f.Part != Rehearsed || f.Name != c.config.Fail || c.on != "" && f.Instance != c.on || f.Code != scriptFailed {
				t.Fatalf("got %+v, %+v", res.Why, f)
			}
			if !slices.Contains(f.Console, "[stdout]"+asked+string(c.config.Fail)) {
				t.Errorf("console: %q", f.Console)
			}
			if _, err := os.Stat(res.Logs); err != nil {
				t.Error(err)
			}
		})
	}
}

// What cannot be rehearsed as asked is refused before anything is run, and leaves nothing.
func TestMisuse(t *testing.T) {
	every, plain := everyEvent(t), bundle(t, map[string]string{"appspec.yml": "version: 0.0\nos: linux\n"})
	bad := bundle(t, map[string]string{"host.yml": "guards: {}\n"})
	for want, c := range map[string]Config{
		"names no script for it":                        {Dir: plain, Fail: lifecycle.ValidateService},
		"not among the events":                          {Dir: every, Fail: lifecycle.AfterInstall, Events: []lifecycle.Event{lifecycle.ApplicationStop}},
		"on a replacement there is no earlier revision": {Dir: every, Fail: lifecycle.ApplicationStop},
		"no instance original-3":                        {Dir: every, Fail: lifecycle.BeforeBlockTraffic, FailOn: "original-3"},
		"no instance blue":                              {Dir: every, Fail: lifecycle.BeforeBlockTraffic, FailOn: "blue"},
		"on the original's instances only":              {Dir: every, Fail: lifecycle.BeforeBlockTraffic, FailOn: "replacement-1"},
		"has no replacement":                            {Dir: every, Type: InPlace, Replacement: 1},
		"is no type of deployment":                      {Dir: every, Type: "canary"},
		"with 1 to 20":                                  {Dir: every, Original: 21},
		"appspec.yml":                                   {Dir: bad},
		"guards":                                        {Dir: every, Host: filepath.Join(bad, "host.yml")},
		"no such file":                                  {Dir: every, Host: filepath.Join(bad, "nowhere.yml")},
		"begins with a slash":                           {Dir: every, Health: "healthz"},
		"a rollback needs an event that fails":          {Dir: plain, Type: RollBack},
	} {
		c.Scratch = t.TempDir()
		_, err := Run(t.Context(), c)
		if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		if left, _ := os.ReadDir(c.Scratch); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// helloRevision is a revision with a real HTTP application and without wingman.
func helloRevision(t *testing.T) string {
	t.Helper()
	dir := bundle(t, map[string]string{
		"appspec.yml": "version: 0.0\nos: linux\nhooks:\n  ApplicationStop: [{location: stop.sh, timeout: 20}]\n  ApplicationStart: [{location: start.sh, timeout: 20}]\n  BeforeBlockTraffic: [{location: block.sh, timeout: 20}]\n",
		"start.sh":    "#!/bin/sh\n\"${0%/*}/hello\" -listen \"$ADDRESS:$PORT\" >/dev/null 2>&1 </dev/null &\necho $! >\"$WINGMAN_REHEARSAL_ROOT/pid\"\n",
		"stop.sh":     "#!/bin/sh\nif [ -f \"$WINGMAN_REHEARSAL_ROOT/pid\" ]; then p=$(cat \"$WINGMAN_REHEARSAL_ROOT/pid\"); kill \"$p\"; while kill -0 \"$p\" 2>/dev/null; do sleep 0.05; done; fi\n",
		"block.sh":    "#!/bin/sh\n",
	})
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "hello"), "./app").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// Who serves after each type of deployment, and that no request is lost meanwhile.
func TestTraffic(t *testing.T) {
	dir := helloRevision(t)
	for _, c := range []struct {
		name   string
		config Config
		serves string
		part   Part // whose build
	}{
		{"blue/green", Config{}, "replacement-1 replacement-2", Rehearsed},
		{"all on 127.0.0.1", Config{alone: true}, "replacement-1 replacement-2", Rehearsed},
		{"in place", Config{Type: InPlace}, "original-1 original-2", Rehearsed},
		{"rollback", Config{Type: RollBack}, "original-1 original-2", First},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.config.Dir = dir
			res := rehearseIt(t, c.config)
			if !res.Succeeded || res.Traffic.Lost != 0 || res.Traffic.Sent < 10 || res.Traffic.URL != "/healthz" {
				t.Errorf("%v, %+v", res.Why, res.Traffic)
			}
			var serves []string
			for _, s := range res.Traffic.Serving {
				serves = append(serves, s.Instance)
				for _, d := range res.Deployments {
					if d.Part == c.part && (s.Build != d.ID || !s.Answers) {
						t.Errorf("%+v, want the build %s", s, d.ID)
					}
				}
			}
			if got := strings.Join(serves, " "); got != c.serves {
				t.Errorf("%q serve", got)
			}
			if last := res.Deployments[len(res.Deployments)-1]; (last.Part == Rollback) != (c.config.Type == RollBack) || !last.Succeeded {
				t.Errorf("the last deployment: %+v", last)
			}
		})
	}
}

// A request that an instance does not answer is counted, and told.
func TestALostRequestIsNoSuccess(t *testing.T) {
	t.Parallel()
	dir := helloRevision(t)
	if err := os.WriteFile(filepath.Join(dir, "block.sh"), []byte("#!/bin/sh\nkill $(cat \"$WINGMAN_REHEARSAL_ROOT/pid\")\nsleep 0.5\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	res := rehearseIt(t, Config{Dir: dir, Type: InPlace, Original: 1})
	if res.Succeeded || res.Traffic.Lost == 0 || len(res.Traffic.Losses) == 0 || !strings.Contains(strings.Join(res.Why, ";"), "requests were lost") {
		t.Errorf("got %+v, %+v", res.Why, res.Traffic)
	}
}

// An application that does not serve on the replacement is found out soon, although CodeDeploy would wait for an hour.
func TestATargetThatIsNeverHealthy(t *testing.T) {
	t.Parallel()
	dir := helloRevision(t)
	if err := os.WriteFile(filepath.Join(dir, "start.sh"), []byte("#!/bin/sh\ncase $WINGMAN_REHEARSAL_ROOT in *replacement*) exit 0;; esac\n\"${0%/*}/hello\" -listen \"$ADDRESS:$PORT\" >/dev/null 2>&1 </dev/null &\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	res := rehearseIt(t, Config{Dir: dir, Original: 1})
	if f := res.Failure; res.Succeeded || f == nil || f.Name != lifecycle.AllowTraffic || f.Message == "" || res.Traffic.Lost > 0 {
		t.Errorf("got %+v, %+v, %+v", res.Why, f, res.Traffic)
	}
}

// What a hook left running is ended with the rehearsal, also where it is a session of its own and ignores TERM.
func TestNothingIsLeftRunning(t *testing.T) {
	t.Parallel()
	pids := filepath.Join(t.TempDir(), "pids")
	res := rehearseIt(t, Config{Original: 1, Dir: bundle(t, map[string]string{
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
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	start, scratch := time.Now(), t.TempDir()
	res, err := Run(ctx, Config{Env: os.Environ(), Scratch: scratch, Show: func(p Progress) {
		if p.Text == "here" {
			cancel()
		}
	}, Dir: bundle(t, map[string]string{"a.sh": "#!/bin/sh\necho here\nexec sleep 60\n", "appspec.yml": "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: a.sh\n"})})
	if err != nil || res.Succeeded || !res.Interrupted || time.Since(start) > 30*time.Second {
		t.Errorf("got %+v, %v", res, err)
	}
	if left, _ := os.ReadDir(scratch); len(left) > 0 && res.Failure == nil {
		t.Errorf("left behind: %v", left)
	}
}

// The hooks find simulated AWS as they would the real one, and nothing of this machine's user.
func TestTheHooksEnvironment(t *testing.T) {
	t.Setenv("AWS_PROFILE", "mine")
	t.Setenv("AWS_ENDPOINT_URL_AUTO_SCALING", "https://example.invalid")
	t.Setenv("WINGMAN_DISABLED", "1")
	c := Config{Original: 1, Wingman: "/usr/bin/wingman", Dir: bundle(t, map[string]string{
		"appspec.yml": "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: a.sh\n",
		"wingman.yml": "version: 1\nenv: {ADDRESS: 127.0.0.1, PORT: '18080'} # theirs\n",
		"a.sh":        "#!/bin/sh\nenv | grep -E '^(AWS|WINGMAN|ADDRESS|PORT)' | sort\ncat \"${0%/*}/wingman.yml\"\ncat \"$WINGMAN_CONFIG\"\n",
	}), Host: filepath.Join(bundle(t, map[string]string{"host.yml": "guard: {mode: observe}\n"}), "host.yml")}
	lines := heard(&c)
	var mu sync.Mutex
	first := []string{}
	show := c.Show
	c.Show = func(p Progress) {
		show(p)
		mu.Lock()
		defer mu.Unlock()
		if p.Part == First {
			first = append(first, p.Text)
		}
	}
	if res := rehearseIt(t, c); !res.Succeeded {
		t.Fatalf("got %+v", res)
	}
	want := []string{"ADDRESS=127.0.", "AWS_CONFIG_FILE=/dev/null", "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:", "AWS_ENDPOINT_URL=http://127.0.0.1:", "AWS_REGION=eu-west-1", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"PORT=", "WINGMAN_BIN=/usr/bin/wingman", "WINGMAN_CONFIG=", "WINGMAN_LOG_DIR=", "WINGMAN_REHEARSAL_ROOT=", "WINGMAN_SOCKET=", "WINGMAN_STATE_DIR=", "version: 1", "env: {ADDRESS: \"127.0.", "guard: {mode: observe}"}
	got := lines["replacement-1"]
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i, w := range want {
		if !strings.HasPrefix(got[i], w) {
			t.Errorf("got %q, want %q…", got[i], w)
		}
	}
	if !strings.Contains(strings.Join(first, "\n"), "disabled") {
		t.Errorf("the first deployment's host.yml: %q", first)
	}
}
