package journal

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

func never(string) bool { return false }
func nothing(Run) error { return nil }
func old() time.Time    { return time.Now().Add(-time.Hour).Truncate(time.Second) }
func age(file string)   { os.Chtimes(file, old(), old()) }
func (j *Journal) p(at ...string) string {
	return filepath.Join(append([]string{filepath.Dir(j.dir)}, at...)...)
}

// ended begins a run whose process is gone: that of a program that has ended.
func ended(t *testing.T, j *Journal, deployment, id string) {
	t.Helper()
	c := exec.Command("true")
	if err := c.Run(); err != nil {
		t.Skip("no program to run: ", err)
	}
	w, err := j.Begin(Run{ID: id, Deployment: lifecycle.Deployment{ID: deployment}, PID: c.Process.Pid, Started: old()})
	must(t, err)
	must(t, w.Step(Step{Name: "one", Verdict: Succeeded}))
	must(t, w.f.Close())
}

// An interrupted run gets its end, once, whoever repairs; what goes on, or cannot be read, is left as it is.
func TestRepair(t *testing.T) {
	j := New(t.TempDir())
	if out, err := j.Repair("", never, nothing); err != nil || len(out.Runs) > 0 {
		t.Errorf("nothing is there: %+v %v", out, err)
	}
	ended(t, j, "d-1", "gone")
	ended(t, j, "d-1", "half")
	ended(t, j, "d-2", "known")
	_, w := begin(t, j, "d-1", "running", time.Now())
	defer w.f.Close()
	half := j.p("runs", "d-1", "half.jsonl")
	b, _ := os.ReadFile(half)
	must(t, os.WriteFile(half, append(b, `{"v":1,"type":"st`...), 0o600))
	for name, text := range map[string]string{"newer": `{"v":99,"type":"begin"}`, "corrupt": "\x00\x00", "new-end": `{"v":1,"type":"begin","run":{"id":"x","pid":-1}}` + "\n" + `{"v":99,"type":"end"}`, "empty": "", "begun": ""} {
		must(t, os.WriteFile(j.p("runs", "d-2", name+".jsonl"), []byte(text), 0o600))
	}
	for _, f := range []string{"runs/d-1/.new-1", "guards/.new-1", "runs/d-1/.new-2"} {
		must(t, os.MkdirAll(filepath.Dir(j.p(f)), 0o700))
		must(t, os.WriteFile(j.p(f), nil, 0o600))
	}
	age(j.p("runs/d-1/.new-1"))
	age(j.p("guards/.new-1"))
	age(j.p("runs/d-2/empty.jsonl"))
	age(half)
	var mu sync.Mutex
	var all []Run
	var removed []string
	var said error
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			out, err := j.Repair("", func(id string) bool { return id == "known" }, nothing)
			mu.Lock()
			defer mu.Unlock()
			all, removed, said = append(all, out.Runs...), append(removed, out.Removed...), err
		})
	}
	wg.Wait()
	if len(all) != 2 || len(removed) != 2 {
		t.Errorf("repaired %+v, removed %v", all, removed)
	}
	for _, name := range []string{"newer.jsonl", "corrupt.jsonl", "new-end.jsonl", "empty.jsonl"} {
		if said == nil || !strings.Contains(said.Error(), name) {
			t.Errorf("%s is not told: %v", name, said)
		}
	}
	if strings.Contains(said.Error(), "begun.jsonl") {
		t.Errorf("a run that is just being begun is no fault: %v", said)
	}
	if now, _ := os.ReadFile(j.p("runs/d-2/newer.jsonl")); string(now) != `{"v":99,"type":"begin"}` {
		t.Errorf("a newer record was changed: %s", now)
	}
	runs, _ := j.Runs()
	for _, r := range runs {
		want, why := Interrupted, "wingman itself was ended"
		if r.ID == "running" {
			want, why = Running, ""
		}
		if r.Verdict != want || !strings.Contains(r.Reason, why) || (r.ID == "gone" || r.ID == "half") && (len(r.Steps) != 1 || r.Ended.IsZero()) {
			t.Errorf("%+v", r)
		}
		if r.ID == "half" && !r.Ended.Equal(old()) {
			t.Errorf("its last sign was at %s, not %s", old(), r.Ended)
		}
	}
	if _, err := os.Stat(j.p("runs/d-1/.new-2")); err != nil {
		t.Error("what is just being written was removed")
	}
}

// One deployment's alone, for a run without a service.
func TestRepairOfOneDeployment(t *testing.T) {
	j := New(t.TempDir())
	ended(t, j, "d-1", "a")
	ended(t, j, "d-2", "b")
	ended(t, j, "", "c")
	for folder, want := range map[string]string{Folder("d-2"): "b", Folder(""): "c"} {
		if out, err := j.Repair(folder, never, nothing); err != nil || len(out.Runs) != 1 || out.Runs[0].ID != want {
			t.Errorf("%s: %+v %v", folder, out, err)
		}
	}
}

// A process's id that was given anew is no sign of life, nor is a process that has ended and waits for its parent; and a
// restart is told as one.
func TestAnIDGivenAnew(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells when a process began")
	}
	j := New(t.TempDir())
	_, w := begin(t, j, "d-1", "a", time.Now())
	must(t, w.f.Close())
	file := j.p("runs/d-1/a.jsonl")
	b, err := os.ReadFile(file)
	must(t, err)
	me, gone := started(os.Getpid())
	boot, ticks, _ := strings.Cut(me, "/")
	if gone || ticks == "" || !bytes.Contains(b, []byte(me)) {
		t.Fatalf("started %q is not in %s", me, b)
	}
	for other, want := range map[string]string{me: "", boot + "/1": "wingman itself was ended", "another-boot/" + ticks: "restarted", "": ""} {
		must(t, os.WriteFile(file, bytes.Replace(b, []byte(me), []byte(other), 1), 0o600))
		r, err := j.Runs()
		if err != nil || len(r) != 1 || (r[0].Verdict == Running) != (want == "") || !strings.Contains(r[0].Reason, want) {
			t.Errorf("begun by %q: %+v %v", other, r, err)
		}
	}
	c := exec.Command("true")
	must(t, c.Start())
	defer c.Wait()
	for end := time.Now().Add(10 * time.Second); ; { // a program's end is quick, and nothing says when it is there
		if (Run{PID: c.Process.Pid}).goesOn() == false {
			break
		}
		if time.Now().After(end) {
			t.Fatal("a process that has ended goes on")
		}
		runtime.Gosched()
	}
}

// A middle line that is broken hides neither what stands before nor what stands behind it.
func TestALineBrokenByAFullDisk(t *testing.T) {
	j := New(t.TempDir())
	must(t, os.MkdirAll(j.p("runs", "d-1"), 0o700))
	must(t, os.WriteFile(j.p("runs", "d-1", "a.jsonl"), []byte(`{"v":1,"type":"begin","run":{"id":"a","pid":-1}}
{"v":1,"type":"st{"v":1,"type":"step","step":{"name":"lost"}}
{"v":1,"type":"end","end":{"id":"a","verdict":"failed"}}
`), 0o600))
	if r, err := j.Runs(); err != nil || len(r) != 1 || r[0].Verdict != Failed {
		t.Errorf("%+v %v", r, err)
	}
}
