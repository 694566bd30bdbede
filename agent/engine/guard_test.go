package engine

import (
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// How long a guard still lasts is AWS's word, and counted from then on by this host's clock, however wrong it is.
func TestHoldsByAWrongClock(t *testing.T) {
	for _, off := range []time.Duration{-5 * time.Hour, 0, 5 * time.Hour} {
		e := &Engine{Paths: Paths{State: t.TempDir()}}
		g := &guardian{Engine: e, journal: journal.New(e.State), event: lifecycle.AfterInstall, deployment: lifecycle.Deployment{ID: "d-1"}, budget: 10 * time.Minute}
		r := journal.Guard{Deployment: g.deployment, ScalingGroup: "web", Begun: time.Now()}
		now := time.Now().Add(off)
		for lasts, want := range map[time.Duration]bool{time.Minute: false, time.Hour: true} {
			e.note(r, guard.Outcome{State: guard.Begun, Now: now, Record: guard.Record{Until: now.Add(lasts)}})
			if got := g.holds(r, guard.Want{Side: guard.Side{From: lifecycle.BeforeInstall}}); got != want {
				t.Errorf("AWS's clock %s ahead, it lasts %s: holds is %t", off, lasts, got)
			}
		}
	}
}
