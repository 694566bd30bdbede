package engine

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

func TestPaths(t *testing.T) {
	set := map[string]string{"WINGMAN_CONFIG": "/c/host.yml", "WINGMAN_STATE_DIR": "/s", "WINGMAN_LOG_DIR": "/l"}
	if got := PathsFrom(func(n string) string { return set[n] }); got != (Paths{"/c/host.yml", "/s", "/l"}) {
		t.Errorf("got %+v", got)
	}
	if got := PathsFrom(func(string) string { return "" }); got != (Paths{"/etc/wingman/host.yml", "/var/lib/wingman", "/var/log/wingman"}) {
		t.Errorf("got %+v", got)
	}
}

// The event's time is that of wingman's own entry, less what its end needs.
func TestBudget(t *testing.T) {
	hooks := "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n"
	for _, c := range []struct {
		name, appspec string
		want          time.Duration
		from          string
	}{
		{"no appspec.yml", "", 3585 * time.Second, "CodeDeploy's limit of an hour"},
		{"not named", "version: 0.0\nos: linux\n", 3585 * time.Second, "CodeDeploy's limit of an hour"},
		{"its own entry", hooks + "    - {location: a.sh, timeout: 30}\n    - {location: hooks/wingman.sh, timeout: 60}\n", 45 * time.Second, "the timeout of 60 s in appspec.yml"},
		{"behind another script", hooks + "    - {location: a.sh, timeout: 20}\n", 10 * time.Second, "the timeout of 20 s in appspec.yml"},
		{"longer than CodeDeploy allows", hooks + "    - {location: wingman.sh, timeout: 9999}\n", 3585 * time.Second, "CodeDeploy's limit of an hour"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.appspec != "" {
				write(t, dir, "appspec.yml", c.appspec)
			}
			e := &Engine{Paths: Paths{Settings: filepath.Join(dir, "host.yml")}}
			p, err := e.Plan(Request{Event: lifecycle.AfterInstall, Revision: dir})
			if err != nil || p.Budget != c.want || p.BudgetFrom != c.from {
				t.Errorf("%s from %s, %v; want %s from %s", p.Budget, p.BudgetFrom, err, c.want, c.from)
			}
		})
	}
}

// What is wrong with a file is a fault of usage: nothing is run.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"host.yml":             {"host.yml", "log: 3", "host.yml:1:6"},
		"wingman.yml":          {"wingman.yml", "version: 3", "wingman.yml:1:10"},
		"appspec.yml":          {"appspec.yml", "version: 1", "appspec.yml:1"},
		"a missing script":     {"wingman.yml", "version: 1\nevents: {AfterInstall: [{script: a.sh}]}", "the script a.sh is not in the revision"},
		"a variable's script":  {"wingman.yml", "version: 1\nevents: {AfterInstall: [{script: '${LIFECYCLE_EVENT}.sh'}]}", "the script AfterInstall.sh is not in the revision"},
		"a default's script":   {"host.yml", "default_events: {AfterInstall: [{script: /nowhere/a.sh}]}", "/nowhere/a.sh"},
		"a script as a folder": {"wingman.yml", "version: 1\nevents: {AfterInstall: [{script: '.'}]}", "is a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, c.file, c.text)
			e := &Engine{Paths: Paths{Settings: filepath.Join(dir, "host.yml"), State: filepath.Join(dir, "state")}}
			_, err := e.Run(t.Context(), Request{Event: lifecycle.AfterInstall, Revision: dir, Env: []string{"LIFECYCLE_EVENT=AfterInstall"}}, nil)
			var usage UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
				t.Error("a record was begun")
			}
		})
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The last event on this instance is the last that appspec.yml names; on an original, the last that blocks traffic.
func TestLast(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "appspec.yml", "version: 0.0\nos: linux\nhooks:\n  ValidateService:\n    - location: a.sh\n  AfterInstall:\n    - location: a.sh\n  BeforeBlockTraffic:\n    - location: a.sh\n  BeforeAllowTraffic: []\n")
	for _, tt := range []struct {
		event lifecycle.Event
		role  lifecycle.Role
		want  bool
	}{
		{lifecycle.AfterInstall, lifecycle.Original, false},
		{lifecycle.ValidateService, lifecycle.Replacement, true},
		{lifecycle.AfterAllowTraffic, lifecycle.Replacement, false},
		{lifecycle.BeforeBlockTraffic, lifecycle.Original, true},
		{lifecycle.BeforeBlockTraffic, lifecycle.InPlaceRole, false},
		{lifecycle.BeforeBlockTraffic, lifecycle.Unknown, false},
	} {
		if got := last(Request{Event: tt.event, Revision: dir}, func() lifecycle.Role { return tt.role }); got != tt.want {
			t.Errorf("%s as %s: %t", tt.event, tt.role, got)
		}
	}
	if last(Request{Revision: t.TempDir()}, nil) {
		t.Error("without appspec.yml nothing is known")
	}
}

// The settings may come from who keeps them, valid, beside a host.yml that is broken just now.
func TestSettingsHandedIn(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "host.yml", "log: 3")
	e := &Engine{Paths: Paths{Settings: filepath.Join(dir, "host.yml"), State: filepath.Join(dir, "state"), Logs: filepath.Join(dir, "logs")}}
	e.Host = func() ([]byte, string) {
		return []byte("policy: {max_timeout: 7m}\nguard: {mode: disabled}"), "/etc/wingman/host.yml"
	}
	write(t, dir, "wingman.yml", "version: 1\nevents: {AfterInstall: [{command: [/bin/echo, hello]}]}")
	var began []string
	req := Request{Event: lifecycle.AfterInstall, Revision: dir, ID: "the-run", Begin: func(step string) { began = append(began, step) }}
	if p, err := e.Plan(req); err != nil || p.Budget != 7*time.Minute || p.BudgetFrom != "max_timeout in /etc/wingman/host.yml" {
		t.Errorf("%s from %s, %v", p.Budget, p.BudgetFrom, err)
	}
	res, err := e.Run(t.Context(), req, io.Discard)
	if err != nil || res.ID != "the-run" || len(began) != 1 || began[0] != "echo" {
		t.Errorf("%+v %v, began %q", res, err, began)
	}
	e.Host = func() ([]byte, string) { return []byte("log: 3"), "given.yml" }
	var usage UsageError
	if _, err := e.Plan(req); !errors.As(err, &usage) || !strings.Contains(err.Error(), "given.yml:1:6") {
		t.Errorf("%v", err)
	}
}
