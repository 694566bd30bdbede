package engine

import (
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
