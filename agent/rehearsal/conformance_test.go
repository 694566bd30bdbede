//go:build linux

package rehearsal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// The stand-in comes to the CodeDeploy agent's own status, error code and message in each recorded case. Where it
// knows more than the CodeDeploy agent says (a signal, a missing interpreter), its message goes on from the same words.
func TestStandInComesToTheCodeDeployAgentsResult(t *testing.T) {
	dir := os.Getenv("WINGMAN_AGENT_CASES")
	if dir == "" {
		dir = filepath.Join("..", "testdata", "codedeploy-agent")
	}
	b, err := os.ReadFile(filepath.Join(dir, "hook-cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(bytes.NewReader(b))
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		var c struct {
			Name        string
			Files       map[string]struct{ Mode, Text string }
			Dirs        []string
			Event       string
			Status      string
			Diagnostics struct {
				Code    any    `json:"error_code"`
				Message string `json:"message"`
			}
		}
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(c.Files["appspec.yml"].Text, "runas") && os.Geteuid() != 0 {
				t.Skip("only root switches users")
			}
			code, isNumber := c.Diagnostics.Code.(float64)
			if !isNumber {
				t.Skip("the CodeDeploy agent lost its own result here: there is none to come to")
			}
			a := &agent{root: t.TempDir(), install: t.TempDir(), env: os.Environ(), note: t.Logf}
			d := deployment{Deployment: lifecycle.Deployment{ID: "d-REHEARSE1", Application: "rehearsal", Group: "this-machine", GroupID: "00000000-0000-0000-0000-000000000000"}, bundle: t.TempDir()}
			if err := os.Chmod(filepath.Dir(a.root), 0o755); err != nil { // another user must pass it
				t.Fatal(err)
			}
			for _, name := range c.Dirs {
				if err := os.MkdirAll(filepath.Join(d.bundle, name), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for name, f := range c.Files {
				mode, err := strconv.ParseUint(f.Mode, 8, 32)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(d.bundle, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(known(f.Text)), os.FileMode(mode)); err != nil {
					t.Fatal(err)
				}
			}
			var e Event
			var console string
			for _, name := range []lifecycle.Event{lifecycle.DownloadBundle, lifecycle.Install, lifecycle.Event(c.Event)} {
				e = Event{Name: name}
				a.execute(context.Background(), d, &e, func(p Progress) { console += p.Text })
				if e.Verdict == Failed {
					break
				}
			}
			if e.Verdict == Failed && strings.Contains(e.Message, "unquoted") {
				return // what the CodeDeploy agent's shell makes of such a name may be anything, even a success
			}
			want := strings.TrimPrefix(strings.TrimPrefix(known(c.Diagnostics.Message), "Succeeded: "), "CompletedNoopCommand")
			want = strings.ReplaceAll(want, "{archive}", a.archive(d, d.ID))
			want, _, _ = strings.Cut(want, " with error Errno::ENOENT")
			if code == outputsLeftOpen {
				want = strings.TrimSuffix(want, "STDERR") // our one pipe is both
			}
			if c.Status == "Failed" && e.Verdict == Succeeded && strings.Contains(console, "\uFFFD") {
				return // bytes that are not UTF-8 fail the CodeDeploy agent under a UTF-8 locale, not under the C locale
			}
			if (e.Verdict == Failed) != (c.Status == "Failed") || e.Code != int(code) || e.Code != unknownError && !strings.HasPrefix(e.Message, want) {
				t.Errorf("%s, code %d, %q; the CodeDeploy agent: %s, code %v, %q", e.Verdict, e.Code, e.Message, c.Status, c.Diagnostics.Code, want)
			}
		})
	}
}

// known puts a user that every system has for the cases' ordinary user, whom this machine may not have.
func known(text string) string {
	if _, err := user.Lookup("appuser"); err != nil {
		return strings.ReplaceAll(text, "appuser", "nobody")
	}
	return text
}
