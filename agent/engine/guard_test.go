package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// An event may hold two groups, the replacement's and the originals': one that could not be held is what the step says,
// whatever came of the other.
func TestWorst(t *testing.T) {
	held := run.Acted{Verdict: journal.Succeeded, Reason: "guard: suspended"}
	lost := run.Acted{Verdict: journal.Skipped, Reason: "GUARD NOT SET on blue", Notes: []string{"GUARD NOT SET on blue"}}
	failed := run.Acted{Verdict: journal.Failed, Reason: "GUARD NOT SET"}
	quiet := run.Acted{Verdict: journal.Skipped}
	for _, tt := range []struct {
		name string
		all  []run.Acted
		want run.Acted
	}{
		{"nothing", nil, quiet},
		{"both held", []run.Acted{held, held}, held},
		{"the second lost", []run.Acted{held, lost}, lost},
		{"the first lost", []run.Acted{lost, held}, lost},
		{"one failed", []run.Acted{held, failed, lost}, failed},
		{"one had nothing to do", []run.Acted{quiet, held}, held},
	} {
		if got := worst(tt.all); got.Verdict != tt.want.Verdict || got.Reason != tt.want.Reason {
			t.Errorf("%s: %s %q, want %s %q", tt.name, got.Verdict, got.Reason, tt.want.Verdict, tt.want.Reason)
		}
	}
	if got := worst([]run.Acted{lost, {Verdict: journal.Skipped, Reason: "GUARD NOT SET on green"}}); got.Reason != "GUARD NOT SET on blue; GUARD NOT SET on green" {
		t.Errorf("both lost: %q", got.Reason)
	}
}

// What CodeDeploy holds itself is no guard of ours: none is claimed to be there, and nobody follows it.
func TestNothingLeftToHold(t *testing.T) {
	e := &Engine{Paths: Paths{State: t.TempDir()}}
	g := &guardian{Engine: e, journal: journal.New(e.State), settings: guard.Defaults()}
	out := guard.Outcome{State: guard.Joined, Now: time.Now(), Notes: []string{"CodeDeploy itself holds all of it on this group"}}
	if a := g.acted("green", out); a.Verdict != journal.Succeeded || strings.Contains(a.Reason, "at the latest") || !strings.Contains(a.Reason, "nothing to hold on green") {
		t.Errorf("%+v", a)
	}
	r := journal.Guard{Deployment: lifecycle.Deployment{ID: "d-1"}, ScalingGroup: "green", Begun: time.Now().Truncate(0)}
	if err := g.journal.Intend(r); err != nil {
		t.Fatal(err)
	}
	g.note(r, out)
	if have, _ := g.journal.Guard("d-1", "green"); have.Closed.IsZero() || have.Holds {
		t.Errorf("%+v", have)
	}
}

// A guard that was begun is set, whatever a later look comes to; and what this instance resumed itself was nobody's hand.
func TestAFailedLookIsNoGuardThatIsNotSet(t *testing.T) {
	e := &Engine{Paths: Paths{State: t.TempDir()}}
	j := journal.New(e.State)
	g := &guardian{Engine: e, journal: j, deployment: lifecycle.Deployment{ID: "d-1"}}
	r := journal.Guard{Deployment: g.deployment, ScalingGroup: "web", Begun: time.Now().Truncate(0)}
	if err := j.Intend(r); err != nil {
		t.Fatal(err)
	}
	failed := guard.Outcome{State: guard.Failed, Err: errors.New("AWS does not answer")}
	e.note(r, failed)
	if notes := g.failures(); len(notes) != 1 || !strings.Contains(notes[0], "GUARD NOT SET on web") {
		t.Errorf("never begun: %q", notes)
	}
	e.note(r, guard.Outcome{State: guard.Begun, Now: time.Now(), Record: guard.Record{Until: time.Now().Add(time.Hour)}})
	r, _ = j.Guard("d-1", "web")
	if !r.Holds {
		t.Fatalf("begun: %+v", r)
	}
	e.note(r, failed)
	if have, _ := j.Guard("d-1", "web"); len(g.failures()) != 0 || !have.Holds {
		t.Errorf("a look failed: %q, %+v", g.failures(), have)
	}
	failed.Resumed = []guard.Process{guard.Terminate}
	e.note(r, failed)
	if have, _ := j.Guard("d-1", "web"); have.Holds || len(have.Resumed) != 1 || len(g.failures()) != 0 {
		t.Errorf("a let-go failed halfway: %+v", have)
	}
}
