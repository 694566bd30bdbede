package breakage

import (
	"context"
	"fmt"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// checkFails makes ValidateService fail everywhere.
func checkFails(s *stage) {
	s.rule("ValidateService", nil, script("ScriptFailed", "check.sh", "failed with exit code 1", ""))
}

func remains() []Scene {
	return []Scene{
		{"left-suspended-by-codedeploy", "CodeDeploy fails, and leaves on the replacement suspended what it had suspended there", Wants{deployment.ScriptFailed, deployment.Original, []string{deployment.LeftGroup, deployment.LeftByCodeDeploy}}, func(s *stage) {
			s.must(s.begin(awssim.Switches{KeepGreenSuspended: true}))
			s.blueGreen(2)
			checkFails(s)
			s.deploy()
			s.over()
		}},
		{"left-suspended-by-somebody", "a pipeline suspends processes on the original's group for the deployment, and dies before it resumes them", Wants{deployment.ScriptFailed, deployment.Original, []string{deployment.LeftGroup, deployment.LeftSuspended}}, func(s *stage) {
			s.blueGreen(2)
			checkFails(s)
			s.deploy()
			s.sim.Advance(time.Minute)
			s.must(s.sim.Suspend("web", "AZRebalance", "AlarmNotification"))
			s.over()
		}},
		{"suspended-long-before", "an operator's suspension is older than the deployment: it is no left-over", Wants{deployment.ScriptFailed, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2)
			s.must(s.sim.Suspend("web", "HealthCheck"))
			s.sim.Advance(time.Hour)
			checkFails(s)
			s.deploy()
			s.over()
		}},
		{"left-guard", "wingman's guard was begun on the original's group, and no service is left to give it back", Wants{deployment.ScriptFailed, deployment.Original, []string{deployment.LeftGroup, deployment.LeftGuard}}, func(s *stage) {
			s.blueGreen(2)
			checkFails(s)
			s.deploy()
			s.guard()
			s.over()
		}},
	}
}

func outOfTraffic() []Scene {
	return []Scene{
		{"left-unregistered", "the replacement serves and scales out; nobody registers what is launched there", Wants{deployment.OldScript, deployment.Replacement, []string{deployment.LeftLiveGroup, deployment.LeftDetached, deployment.LeftUnregistered}}, func(s *stage) {
			s.blueGreen(2)
			s.rule("AfterBlockTraffic", first(), script("ScriptFailed", "after.sh", "failed with exit code 3", ""))
			s.deploy()
			s.over()
			s.must(s.sim.SetDesired(s.green(), 3))
			s.sim.Advance(10 * time.Minute)
		}},
		{"left-by-two-deployments", "two deployments in a row have failed, and each has left its group", Wants{deployment.ScriptFailed, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2)
			checkFails(s)
			s.deploy()
			s.over()
			s.deploy()
			s.over()
		}},
		{"earlier-replacement-serves", "the deployment before failed as it blocked traffic, and its replacement serves still, as nobody's: this one fails early, and the page must not tell to empty what serves", Wants{deployment.ScriptFailed, deployment.Unknown, orphan}, func(s *stage) {
			s.blueGreen(2)
			s.rule("AfterBlockTraffic", first(), script("ScriptFailed", "after.sh", "failed with exit code 3", ""))
			s.deploy()
			s.over()
			checkFails(s)
			s.deploy()
			s.over()
		}},
		{"left-out-of-traffic", "one at a time in place: the first fails half-way, and stays out of traffic", Wants{deployment.ScriptFailed, deployment.InPlace, []string{deployment.LeftOut}}, func(s *stage) {
			s.inPlace(3, func(d *awssim.DeploymentGroupSpec) { d.Config = "CodeDeployDefault.OneAtATime" })
			checkFails(s)
			s.deploy()
			s.over()
		}},
	}
}

// guard begins wingman's guard on the group, as a hook on an original does.
func (s *stage) guard() {
	client := cloud.New(cloud.Options{Endpoint: s.sim.URL(), Region: s.sim.Region, Dial: s.sim.Dial, Key: "AKIAINSTANCE"})
	n := 0
	b := guard.Begin{Group: "web", Deployment: s.id, Home: "dg", Want: []guard.Process{guard.Terminate, guard.AZRebalance}, Claim: []guard.Process{guard.Terminate, guard.AZRebalance},
		Window: time.Hour, Grace: time.Minute, Budget: time.Minute, Nonce: func() string { n++; return fmt.Sprint("n", n) }}
	out := b.Do(s.sim.Now(), func(c guard.Call) guard.Answer {
		if c.Op == guard.Wait {
			s.sim.Advance(max(0, c.Until.Sub(s.sim.Now())))
			return guard.Answer{Now: s.sim.Now()}
		}
		return client.Guard(context.Background(), c)
	})
	s.must(out.Err)
}
