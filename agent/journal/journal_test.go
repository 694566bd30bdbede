package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

func begin(t *testing.T, j *Journal, deployment, id string, at time.Time) (Run, *Writer) {
	t.Helper()
	r := Run{ID: id, Deployment: lifecycle.Deployment{ID: deployment}, Event: lifecycle.ValidateService, PID: os.Getpid(), Started: at}
	w, err := j.Begin(r)
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	j := New(t.TempDir())
	r, w := begin(t, j, "d-1", "a", time.Unix(100, 0).UTC())
	code := 7
	step := Step{Name: "start", Kind: "script", Tries: 2, Verdict: Failed, Reason: "exit code 7", ExitCode: &code}
	if err := w.Step(step); err != nil {
		t.Fatal(err)
	}
	r.Verdict, r.Reason, r.Ended = Failed, "exit code 7", time.Unix(101, 0).UTC()
	if err := w.End(r); err != nil {
		t.Fatal(err)
	}
	got, err := j.Runs()
	if err != nil {
		t.Fatal(err)
	}
	r.Steps = []Step{step}
	if diff := cmp.Diff([]Run{r}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRunWithoutEnd(t *testing.T) {
	j := New(t.TempDir())
	_, w := begin(t, j, "d-1", "a", time.Now())
	defer w.f.Close()
	if got, _ := j.Runs(); len(got) != 1 || got[0].Verdict != Running {
		t.Errorf("its process lives: got %+v, want it running", got)
	}
	file := filepath.Join(j.dir, "d-1", "a.jsonl")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gone := strings.Replace(string(b), `"pid":`, `"pid":-`, 1) // no process has a negative id
	if err := os.WriteFile(file, []byte(gone), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _ := j.Runs(); len(got) != 1 || got[0].Verdict != Interrupted {
		t.Errorf("its process is gone: got %+v, want it interrupted", got)
	}
}

func TestBrokenFiles(t *testing.T) {
	for _, tt := range []struct{ name, text, verdict, err string }{
		{"half a last line", `{"v":1,"type":"begin","run":{"id":"a","verdict":"running","pid":-1}}` + "\n" + `{"v":1,"ty`, "interrupted", ""},
		{"newer", `{"v":2,"type":"begin"}`, "", "newer wingman"},
		{"newer end", `{"v":1,"type":"begin","run":{"id":"a"}}` + "\n" + `{"v":2,"type":"end"}`, "", "newer wingman"},
		{"empty", "", "", "is empty"},
		{"noise", "\x00\x00\x00", "", "x.jsonl:1:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := New(t.TempDir())
			_, w := begin(t, j, "d-0", "good", time.Now())
			w.f.Close()
			dir := filepath.Join(j.dir, "d-1")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "x.jsonl"), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.text == "" { // else it might just be being begun
				age(filepath.Join(dir, "x.jsonl"))
			}
			runs, err := j.Runs()
			if tt.err == "" && (err != nil || len(runs) != 2 || string(runs[0].Verdict) != tt.verdict) {
				t.Errorf("got %+v, %v; want it %s", runs, err, tt.verdict)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || len(runs) != 1) {
				t.Errorf("got %d runs, %v; want the good one alone and %q", len(runs), err, tt.err)
			}
		})
	}
}

func TestClaimIsGivenOnce(t *testing.T) {
	state := t.TempDir()
	for i, want := range []bool{true, false, false} {
		if got, err := New(state).Claim("d-1", "on_failure"); got != want || err != nil {
			t.Errorf("claim %d: got %v, %v; want %v", i, got, err, want)
		}
	}
	if got, _ := New(state).Claim("d-2", "on_failure"); !got {
		t.Error("another deployment's claim counts for this one")
	}
}

func TestPruneKeepsTheNewest(t *testing.T) {
	j := New(t.TempDir())
	for i, d := range []string{"d-1", "d-2", "d-3"} {
		r, w := begin(t, j, d, "a", time.Unix(int64(i), 0))
		if d != "d-2" {
			r.Verdict = Succeeded
			if err := w.End(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, d := range []string{"d-1", "d-2", "d-3"} {
		at := time.Unix(int64(i), 0)
		if err := os.Chtimes(filepath.Join(j.dir, d), at, at); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := j.Prune(1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"d-1"}, gone); diff != "" {
		t.Errorf("d-3 is the newest and d-2 still runs:\n%s", diff)
	}
}

func TestPruneKeepsTheNewestRunsByHand(t *testing.T) {
	j := New(t.TempDir())
	for i := range manualKept + 3 {
		r, w := begin(t, j, "", fmt.Sprintf("%04d", i), time.Unix(int64(i), 0))
		if i == 1 {
			continue // it still runs
		}
		r.Verdict, r.Log = Succeeded, fmt.Sprintf("/logs/manual/it.%d.log", i)
		if err := w.End(r); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := j.Prune(20)
	if diff := cmp.Diff([]string{"manual/it.0.log", "manual/it.2.log"}, gone); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	all, err := j.Of("")
	if err != nil || len(all) != manualKept+1 || all[0].ID != "0001" {
		t.Errorf("%d are left, %v", len(all), err)
	}
}

func TestFolder(t *testing.T) {
	for id, want := range map[string]string{"d-ABC123": "d-ABC123", "": "manual", "../../etc": "id-", "a/b": "id-", ".": "id-"} {
		if got := Folder(id); !strings.HasPrefix(got, want) || strings.ContainsAny(got, "/") {
			t.Errorf("Folder(%q) = %q, want %q", id, got, want)
		}
	}
}

func TestNoFolderNoRecordAndAClearError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := New(file).Begin(Run{ID: "a"})
	if err == nil || !strings.Contains(err.Error(), "cannot keep a record of this run") {
		t.Errorf("got %v", err)
	}
	if err := w.End(Run{}); err != nil {
		t.Errorf("a record that never began cannot fail to end: %v", err)
	}
}

// Records are removed while others read: that is no fault to be told.
func TestARecordThatIsRemovedMeanwhileIsNoError(t *testing.T) {
	j := New(t.TempDir())
	begin(t, j, "d-1", "a", time.Unix(1, 0))
	if err := os.Symlink("gone", filepath.Join(j.dir, "d-1", "b.jsonl")); err != nil { // listed, and then not there
		t.Fatal(err)
	}
	if all, err := j.Of("d-1"); err != nil || len(all) != 1 {
		t.Errorf("%d runs, %v", len(all), err)
	}
}
