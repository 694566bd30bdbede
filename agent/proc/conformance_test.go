//go:build linux

package proc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/codedeploy-wingman/wingman/agent/appspec"
)

// hookCase is one line of hook-cases.jsonl: a bundle, and what the CodeDeploy agent made of it.
type hookCase struct {
	Name  string
	Files map[string]struct{ Mode, Text string }
	Dirs  []string
	Event string

	Status      string
	Diagnostics struct {
		Code    any    `json:"error_code"`
		Message string `json:"message"`
	}
	Log string `json:"scripts_log_head"`
}

func TestConformance(t *testing.T) {
	dir := os.Getenv("WINGMAN_AGENT_CASES")
	if dir == "" {
		dir = "../testdata/codedeploy-agent"
	}
	data, err := os.ReadFile(filepath.Join(dir, "hook-cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var c hookCase
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.Name, c.run)
	}
}

func (c hookCase) run(t *testing.T) {
	tmp, err := os.MkdirTemp("", "case")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	archive := filepath.Join(tmp, "archive")
	fill := strings.NewReplacer("{archive}", archive, "{tmp}", tmp, "{cwd}", tmp)
	c.build(t, archive, fill)
	spec, err := appspec.Parse([]byte(fill.Replace(c.Files["appspec.yml"].Text)), "appspec.yml")
	if err != nil {
		c.refused(t)
		return
	}
	var out bytes.Buffer
	e, last := Ending{How: Exited}, appspec.Hook{}
	for _, last = range spec.Hooks[c.Event] {
		s := Spec{Argv: []string{archive + "/" + strings.TrimLeft(last.Location, "/")}, Script: true, Dir: tmp, Output: &out, Grace: time.Second,
			Env: append(os.Environ(), "LIFECYCLE_EVENT="+c.Event, "DEPLOYMENT_ID=d-1", "APPLICATION_NAME=app", "DEPLOYMENT_GROUP_NAME=g",
				"DEPLOYMENT_GROUP_ID=1"), Drain: []string{os.Args[0], "drain-main"}, Timeout: last.Timeout}
		s.User = c.user(t, last)
		if e = Run(context.Background(), s); !e.OK() {
			break
		}
	}
	c.compare(t, e, last, out.String(), fill)
}

func (c hookCase) build(t *testing.T, archive string, fill *strings.Replacer) {
	_ = os.Chmod(filepath.Dir(archive), 0o777)
	for _, d := range append([]string{"."}, c.Dirs...) {
		if err := os.MkdirAll(filepath.Join(archive, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range c.Files {
		path := filepath.Join(archive, name)
		mode, err := strconv.ParseUint(f.Mode, 8, 32)
		if err != nil {
			t.Fatal(err)
		}
		_ = os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte(fill.Replace(f.Text)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, os.FileMode(mode)); err != nil {
			t.Fatal(err)
		}
	}
}

func (c hookCase) user(t *testing.T, h appspec.Hook) string {
	name := ""
	if h.RunAs != nil {
		name = *h.RunAs
	} else if h.Sudo {
		name = "root"
	}
	if name == "" {
		return ""
	}
	if os.Geteuid() != 0 {
		t.Skip("only root may run a step as another user")
	}
	if _, err := user.Lookup(name); err != nil && name == "appuser" {
		if out, err := exec.Command("useradd", "-m", name).CombinedOutput(); err != nil {
			t.Skipf("cannot create %s: %s", name, out)
		}
		t.Cleanup(func() { _ = exec.Command("userdel", "-r", name).Run() })
	}
	return name
}

func (c hookCase) refused(t *testing.T) {
	if fmt.Sprint(c.Diagnostics.Code) != "5" {
		t.Errorf("refused, but the agent said %v", c.Diagnostics)
	}
}

func (c hookCase) compare(t *testing.T, e Ending, h appspec.Hook, out string, fill *strings.Replacer) {
	message := c.Diagnostics.Message
	ok := false
	unquoted := strings.ContainsAny(h.Location, appspec.ShellCharacters) // the agent's shell reads such a name as a command line
	switch code := fmt.Sprint(c.Diagnostics.Code); code {
	case "0":
		ok = unquoted && e.How != NotStarted || e.OK() && (h.Sudo || len(e.Holders) > 0 || c.linesIn(out, fill)) // what a holder prints later is not ours
	case "1":
		ok = e.How == NotStarted && strings.HasPrefix(e.Reason, "script does not exist")
	case "2":
		ok = e.How == NotStarted || os.Geteuid() == 0
	case "3":
		limit := h.Timeout
		ok = e.How == TimedOut && e.Duration >= limit && e.Duration < limit+2*time.Second && !groupAlive(e.PID)
	case "4":
		_, code, exit := strings.Cut(message, "failed with exit code ")
		switch {
		case unquoted || strings.Contains(message, "sudo"):
			ok = e.How != NotStarted
		case e.OK(): // a byte that is not UTF-8 fails the agent, not the script; so does a shell that su refuses to run
			ok = !utf8.ValidString(out) || strings.HasSuffix(message, "run as user "+str(h.RunAs)+" failed with exit code 1")
		case exit && code == "":
			ok = e.How == Signaled
		case exit && e.How == NotStarted:
			ok = strings.Contains(message, "run as user") && strings.Contains(e.Reason, "does not exist")
		case exit:
			ok = code == strconv.Itoa(e.Code)
		default:
			ok = e.How == NotStarted
		}
	case "5":
		ok = e.OK() && !utf8.ValidString(out)
	case "6":
		ok = e.How == Exited && e.Duration < time.Second && len(e.Holders) > 0
	default:
		ok = !e.OK() && e.Reason != "" || !utf8.ValidString(out)
	}
	if !ok {
		t.Errorf("%+v, output %q; the agent said %v, log %q", e, out, c.Diagnostics, c.Log)
	}
}

func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// linesIn says whether what the agent logged is in our output.
func (c hookCase) linesIn(out string, fill *strings.Replacer) bool {
	for line := range strings.Lines(c.Log) {
		line = strings.TrimSuffix(line, "\n")
		text, isOut := strings.CutPrefix(line, "[stdout]")
		if !isOut {
			text, isOut = strings.CutPrefix(line, "[stderr]")
		}
		if isOut && !strings.Contains(out, fill.Replace(text)) {
			return false
		}
	}
	return true
}
