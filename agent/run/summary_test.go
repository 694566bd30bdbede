package run

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

var update = flag.Bool("update", false, "write the golden files anew")

// agentTail is what the CodeDeploy agent keeps of its log entries for the console (hook_executor.rb, ScriptLog#append_to_log):
// at each new entry, the newest as long as they fit; the newest itself only if it is shorter than the window, and an older one
// counted twice, once in error.
func agentTail(entries []string) []string {
	const window = 2048
	var kept []string
	for _, e := range entries {
		kept = append(kept, e)
		sum, first := 0, len(kept)
		for i := len(kept) - 1; i >= 0; i-- {
			n := utf8.RuneCountInString(kept[i])
			if i == len(kept)-1 && n >= window || i < len(kept)-1 && sum+2*n >= window {
				break
			}
			if i < len(kept)-1 {
				sum += n
			}
			first = i
		}
		kept = kept[first:]
	}
	return kept
}

// casesDir is where the cases recorded from the real CodeDeploy agent are.
func casesDir() string {
	if dir := os.Getenv("WINGMAN_AGENT_CASES"); dir != "" {
		return dir
	}
	return filepath.Join("..", "testdata", "codedeploy-agent")
}

func TestAgentTailIsTheRealOne(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(casesDir(), "log-tail-cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases [][2][]int
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		var in []string
		for _, n := range c[0] {
			in = append(in, strings.Repeat("x", n))
		}
		var got []int
		for _, e := range agentTail(in) {
			got = append(got, len(e))
		}
		if len(got) != len(c[1]) {
			t.Errorf("case %d: kept %v, the CodeDeploy agent %v", i, got, c[1])
		}
	}
}

func failedRun(change func(*Result)) Result {
	code := 7
	step := journal.Step{Name: "start", Kind: "script", Tries: 1, Verdict: journal.Failed, Reason: "exit code 7", ExitCode: &code, Duration: 1234 * time.Millisecond}
	r := Result{
		Run: journal.Run{ID: "20261124T020304-ApplicationStart-0a1b2c3d", Event: lifecycle.ApplicationStart, Revision: "/opt/codedeploy-agent/deployment-root/g/d-ABC123DEF/deployment-archive",
			Deployment: lifecycle.Deployment{ID: "d-ABC123DEF", Application: "shop", Group: "blue"}, Log: "/var/log/wingman/d-ABC123DEF/ApplicationStart.log",
			Verdict: journal.Failed, Reason: `step "start": exit code 7`, Steps: []journal.Step{{Name: "prepare", Verdict: journal.Succeeded}, step}},
		Failed: &step, Output: []string{"loading", "cannot bind: address already in use"},
	}
	if change != nil {
		change(&r)
	}
	return r
}

var summaries = map[string]struct {
	notes  []string
	change func(*Result)
}{
	"script-failed": {},
	"timed-out": {nil, func(r *Result) {
		r.Verdict, r.Failed.ExitCode = journal.TimedOut, nil
		r.Failed.Reason = "the step's timeout is 2s: timed out after 2s (it ignored TERM and was killed)"
		r.Reason = "step \"start\": " + r.Failed.Reason
	}},
	"check-failed": {nil, func(r *Result) {
		r.Event, r.Failed.Kind, r.Failed.ExitCode = lifecycle.ValidateService, "http", nil
		r.Failed.Reason = `not healthy within 2m0s: status 503, want 200-299; body: "starting"`
		r.Reason = "step \"healthy\": " + r.Failed.Reason
	}},
	"old-revision": {nil, func(r *Result) { r.Event = lifecycle.ApplicationStop }},
	"huge-lines": {[]string{"the log is incomplete: write /var/log: no space left on device"}, func(r *Result) {
		r.Output = nil
		for range 40 {
			r.Output = append(r.Output, strings.Repeat("é", 3000))
		}
		r.Failed.Reason = strings.Repeat("long ", 500)
		r.Reason = r.Failed.Reason
		r.Failed.Name = strings.Repeat("n", 500)
	}},
	"crlf": {nil, func(r *Result) {
		file := "/opt/codedeploy-agent/deployment-root/11111111-2222-3333-4444-555555555555/d-ABC123DEF/deployment-archive/scripts/start.sh"
		r.Failed.ExitCode = nil
		r.Failed.Reason = "cannot start: " + file + " has Windows line endings (CRLF), so that its #! line asks for \"/bin/sh\\r\": mend it by `sed -i 's/\\r$//' " + file + "`, and for good by `*.sh text eol=lf` in .gitattributes"
		r.Reason = `step "start": ` + r.Failed.Reason
	}},
	"too-much": {[]string{strings.Repeat("a ", 300), strings.Repeat("b ", 300), strings.Repeat("c ", 300), strings.Repeat("d ", 300)}, func(r *Result) {
		r.Event = lifecycle.ApplicationStop
		r.Failed.Reason = strings.Repeat("long ", 500)
		r.Reason, r.Application = r.Failed.Reason, strings.Repeat("app ", 100)
	}},
	"hostile": {nil, func(r *Result) {
		r.Output = []string{"\x1b[31mred\x1b[0m", "nul\x00nul", "caf\xe9", "a\rb"}
		r.Failed.Reason = "two\nlines"
	}},
}

func TestSummaryGolden(t *testing.T) {
	for name, tt := range summaries {
		t.Run(name, func(t *testing.T) {
			got := Summary(failedRun(tt.change), tt.notes)
			file := filepath.Join("testdata", "summary_"+name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// Whatever was printed before it, the CodeDeploy agent's tail holds the whole summary.
func TestSummaryFitsTheConsole(t *testing.T) {
	for name, tt := range summaries {
		for _, before := range []string{"x\n", strings.Repeat("y", 5000) + "\n", strings.Repeat("z\n", 3000)} {
			got := Summary(failedRun(tt.change), tt.notes)
			if !utf8.ValidString(got) {
				t.Errorf("%s: not UTF-8", name)
			}
			entries := []string{"LifecycleEvent - ApplicationStart\n", "Script - hooks/wingman.sh\n"}
			total := 0
			for _, l := range strings.SplitAfter(strings.TrimSuffix(before+got, "\n"), "\n") {
				entries = append(entries, "[stdout]"+strings.TrimSuffix(l, "\n")+"\n")
			}
			for _, l := range strings.SplitAfter(strings.TrimSuffix(got, "\n"), "\n") {
				n := utf8.RuneCountInString("[stdout]" + l)
				total += n
				if n > summaryLine+1 {
					t.Errorf("%s: a line of %d characters", name, n)
				}
			}
			if total > summaryChars {
				t.Errorf("%s: %d characters", name, total)
			}
			kept := strings.ReplaceAll(strings.Join(agentTail(entries), ""), "[stdout]", "")
			if !strings.Contains(kept+"\n", got) {
				t.Errorf("%s after %d bytes: the console shows\n%s", name, len(before), kept)
			}
			if last := got[strings.LastIndex(strings.TrimSuffix(got, "\n"), "\n")+1:]; !strings.HasPrefix(last, "verdict: ") {
				t.Errorf("%s: the last line is %q", name, last)
			}
		}
	}
}
