package journal

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

func part(deployment, group string, begun time.Time) Guard {
	return Guard{Deployment: lifecycle.Deployment{ID: deployment, GroupID: "dg"}, ScalingGroup: group, Instance: "i-1", Want: []string{"Terminate"}, Claim: []string{"Terminate", "AZRebalance"}, Begun: begun}
}

// A guard is on record before it is begun; how it came out is added, and another begin opens it again.
func TestGuards(t *testing.T) {
	j := New(t.TempDir())
	begun := time.Now().Truncate(0)
	g := part("d-1", "web", begun)
	if all, err := j.Guards(); err != nil || len(all) != 0 {
		t.Errorf("at first %v %v", all, err)
	}
	must(t, j.Intend(g))
	have, ok := j.Guard("d-1", "web")
	if !ok || have.State != Intended || have.Holds {
		t.Errorf("intended: %+v", have)
	}
	g.State, g.Holds, g.Suspended = "begun", true, []string{"Terminate"}
	must(t, j.Note(g))
	must(t, j.Intend(part("d-1", "another", begun.Add(time.Second))))
	all, err := j.Guards()
	if err != nil || len(all) != 2 || all[0].ScalingGroup != "web" {
		t.Fatalf("%+v %v", all, err)
	}
	g.V = Version
	if d := cmp.Diff(g, all[0]); d != "" {
		t.Error(d)
	}
	g.Closed = begun.Add(time.Minute)
	must(t, j.Note(g))
	again := part("d-1", "web", begun.Add(time.Hour))
	must(t, j.Intend(again))
	must(t, j.Note(g)) // of the begin before: it is no news any more
	if have, _ := j.Guard("d-1", "web"); !have.Closed.IsZero() || !have.Begun.Equal(again.Begun) {
		t.Errorf("begun again: %+v", have)
	}
}

// Hooks of one instance that write at once lose nothing of each other.
func TestGuardsAtOnce(t *testing.T) {
	j := New(t.TempDir())
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { must(t, j.Intend(part("d-1", string(rune('a'+i)), time.Now()))) })
	}
	wg.Wait()
	if all, err := j.Guards(); len(all) != 20 || err != nil {
		t.Errorf("%d guards, %v", len(all), err)
	}
}

// What cannot be read is said, and hides nothing else; a newer wingman's record is not written over.
func TestGuardsThatCannotBeRead(t *testing.T) {
	state := t.TempDir()
	j := New(state)
	g := part("d-1", "web", time.Now())
	must(t, j.Intend(g))
	must(t, j.Intend(part("d-2", "web", time.Now())))
	file := filepath.Join(filepath.Dir(j.dir), guardFile("d-1", "web"))
	must(t, os.WriteFile(file, []byte(`{"v":99}`), 0o600))
	if all, err := j.Guards(); len(all) != 1 || err == nil || !strings.Contains(err.Error(), "newer wingman") {
		t.Errorf("%d guards, %v", len(all), err)
	}
	if err := j.Intend(g); err == nil || !strings.Contains(err.Error(), "newer wingman") {
		t.Errorf("written over a newer record: %v", err)
	}
	must(t, os.WriteFile(file, []byte(`{"v":1,`), 0o600)) // broken, as by a disk: nothing is in it to keep
	if _, err := j.Guards(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
	must(t, j.Intend(g))
	if _, ok := j.Guard("d-1", "web"); !ok {
		t.Error("a broken record is in the way")
	}
	must(t, os.WriteFile(filepath.Join(state, "file"), nil, 0o600))
	if err := New(filepath.Join(state, "file")).Intend(g); err == nil || !strings.Contains(err.Error(), "cannot record the guard before it is begun") {
		t.Errorf("%v", err)
	}
}

// A closed guard goes with its deployment's runs; an open one stays, whatever its age.
func TestForgetGuards(t *testing.T) {
	j := New(t.TempDir())
	closed := part("d-1", "web", time.Now())
	must(t, j.Intend(closed))
	closed.Closed = time.Now()
	must(t, j.Note(closed))
	must(t, j.Intend(part("d-2", "web", time.Now())))
	must(t, j.Keep("d-1", "place", "somewhere"))
	must(t, j.Keep("d-3", "place", "elsewhere"))
	if _, err := j.Prune(5); err != nil {
		t.Fatal(err)
	}
	if all, _ := j.Guards(); len(all) != 2 {
		t.Errorf("%d guards while the deployment is kept", len(all))
	}
	var where string
	if !j.Kept("d-1", "place", &where) || where != "somewhere" {
		t.Errorf("kept %q", where)
	}
	must(t, os.RemoveAll(filepath.Join(j.dir, Folder("d-1"))))
	must(t, j.Keep("d-4", "place", "")) // there is something to prune
	if _, err := j.Prune(1); err != nil {
		t.Fatal(err)
	}
	if all, _ := j.Guards(); len(all) != 1 || all[0].Deployment.ID != "d-2" {
		t.Errorf("left: %+v", all)
	}
	if j.Kept("d-1", "place", &where) {
		t.Error("kept what was pruned")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// A look takes its time: what a hook notes meanwhile is not undone by what the look began from.
func TestNotesOfTwoAtOnce(t *testing.T) {
	j := New(t.TempDir())
	look := part("d-1", "web", time.Now().Truncate(0))
	must(t, j.Intend(look))
	hook := look
	hook.LetGo, hook.Resumed, hook.Closed = true, []string{"Terminate"}, time.Now().Truncate(0)
	must(t, j.Note(hook))
	look.State, look.Suspended = "holds", []string{"AZRebalance"}
	must(t, j.Note(look))
	have, _ := j.Guard("d-1", "web")
	if !have.LetGo || len(have.Resumed) != 1 || len(have.Suspended) != 1 || !have.Closed.Equal(hook.Closed) || have.State != "holds" {
		t.Errorf("%+v", have)
	}
}
