package engine

import (
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/journal"
)

// A scale-in ends what runs, but not the very deployment that takes the instance out of traffic for it.
func TestWhatANoticeEnds(t *testing.T) {
	e := &Engine{Paths: Paths{State: t.TempDir()}}
	keep := func(deployment, creator string) {
		if err := journal.New(e.State).Keep(deployment, placeFile, found{Place: guard.Place{Creator: creator}}); err != nil {
			t.Fatal(err)
		}
	}
	keep("d-TERMINATION", "autoscalingTermination")
	keep("d-USER", "user")
	scaleIn, spot := cloud.Notice{By: cloud.AutoScaling, Action: "terminate"}, cloud.Notice{By: cloud.Spot, Action: "terminate"}
	for _, c := range []struct {
		notice      cloud.Notice
		deployment  string
		after, ends bool
	}{
		{scaleIn, "d-USER", false, true},
		{scaleIn, "d-TERMINATION", false, false},
		{scaleIn, "d-UNKNOWN", false, true},
		{scaleIn, "d-UNKNOWN", true, false}, // perhaps that deployment
		{spot, "d-USER", false, true},
		{spot, "d-UNKNOWN", true, true}, // it has two minutes
	} {
		if got := e.EndedBy(c.notice, c.deployment, c.after); got != c.ends {
			t.Errorf("%s, %s, begun after it %v: ended %v", c.notice, c.deployment, c.after, got)
		}
	}
}
