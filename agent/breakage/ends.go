package breakage

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

func ends() []Scene {
	return []Scene{
		{"stopped-by-a-user", "somebody stops the deployment while the replacements install", Wants{deployment.StoppedByUser, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2)
			s.hold("Install", nil)
			s.deploy()
			s.in("Install", 2)
			s.must(s.sim.Stop(s.id, false))
			s.release(awssim.Outcome{Succeeded: true})
			s.over()
		}},
		{"stopped-after-a-failure", "one of four has failed and is let pass; what ends the deployment is that somebody stops it", Wants{deployment.StoppedByUser, deployment.InPlace, []string{deployment.LeftOut}}, func(s *stage) {
			s.inPlace(4, func(d *awssim.DeploymentGroupSpec) { d.Config = "CodeDeployDefault.HalfAtATime" })
			s.rule("Install", first(), unknown("Access Denied"))
			s.hold("Install", nth(2))
			s.deploy()
			s.in("Install", 1)
			s.must(s.sim.Stop(s.id, false))
			s.release(awssim.Outcome{Succeeded: true})
			s.over()
		}},
		{"stopped-by-an-alarm", "an alarm of the deployment group goes off", Wants{deployment.StoppedByAlarm, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2)
			s.hold("ApplicationStart", nil)
			s.deploy()
			s.in("ApplicationStart", 2)
			s.must(s.sim.End(s.id, "Stopped", "ALARM_ACTIVE", "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected deployments have been stopped. Activated alarms: <shop-5xx>"))
			s.sim.Advance(time.Minute)
		}},
		{"not-rerouted-in-time", "nobody reroutes traffic within the half hour that the deployment group gives", Wants{deployment.NotRerouted, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2, func(d *awssim.DeploymentGroupSpec) { d.ReadyWait = 30 * time.Minute })
			s.deploy()
			s.over()
		}},
	}
}

func whileItGoesOn() []Scene {
	return []Scene{
		{"ready-to-reroute", "the same, before that: it waits", Wants{"", deployment.Original, nil}, func(s *stage) {
			s.blueGreen(2, func(d *awssim.DeploymentGroupSpec) { d.ReadyWait = 30 * time.Minute })
			s.deploy()
			s.until("ready", func(v awssim.DeploymentView) bool { return v.Status == "Ready" })
		}},
		{"goes-on", "nothing is wrong: the replacements start", Wants{"", deployment.Original, nil}, func(s *stage) {
			s.blueGreen(2)
			s.hold("ApplicationStart", nil)
			s.deploy()
			s.in("ApplicationStart", 2)
		}},
		{"waits-to-terminate", "traffic has moved, and the original waits for its end", Wants{"", deployment.Replacement, nil}, func(s *stage) {
			s.blueGreen(2)
			s.deploy()
			s.until("waiting", func(v awssim.DeploymentView) bool {
				g, _ := s.sim.Group("web")
				return !v.Over() && len(v.Targets) == 4 && v.Targets[3].Status == "Succeeded" && len(g.Instances) > 0
			})
			s.sim.Advance(time.Minute)
		}},
		{"succeeded", "all went well, and nothing is left over", Wants{"", deployment.Replacement, nil}, func(s *stage) {
			s.blueGreen(2)
			s.deploy()
			s.over()
			s.sim.Advance(20 * time.Minute)
		}},
	}
}

func rollbacks() []Scene {
	return []Scene{
		{"rollback-runs", "the deployment has failed, and its rollback is under way", Wants{deployment.ScriptFailed, deployment.Original, nil}, func(s *stage) {
			s.blueGreen(2, func(d *awssim.DeploymentGroupSpec) { d.RollBack = true })
			s.rule("ValidateService", nil, script("ScriptFailed", "check.sh", "failed with exit code 1", ""))
			s.hold("BeforeAllowTraffic", func(c awssim.Command) bool { return c.Creator == "codeDeployRollback" })
			s.deploy()
			s.over()
		}},
		{"rolled-back", "so too, once the rollback has succeeded", Wants{deployment.ScriptFailed, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2, func(d *awssim.DeploymentGroupSpec) { d.RollBack = true })
			s.rule("ValidateService", nil, script("ScriptFailed", "check.sh", "failed with exit code 1", ""))
			s.deploy()
			s.over()
			s.sim.Advance(30 * time.Minute)
		}},
		{"original-protected-from-deletion", "all serves, and CodeDeploy cannot delete the original's group in the end", Wants{deployment.OriginalProtects, deployment.Replacement, []string{deployment.LeftDetached}}, func(s *stage) {
			s.blueGreen(2)
			s.must(s.sim.Protect("web"))
			s.deploy()
			s.over()
		}},
	}
}
