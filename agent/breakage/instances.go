package breakage

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

// taken is a scene in which all originals are in BeforeBlockTraffic when Auto Scaling takes one: the deployment fails for
// it, though every replacement serves.
func taken(take func(s *stage, ids []string)) func(*stage) {
	return func(s *stage) {
		s.blueGreen(3)
		s.hold("BeforeBlockTraffic", nil)
		s.deploy()
		ids := s.in("BeforeBlockTraffic", 3)
		take(s, ids)
		s.sim.Advance(20 * time.Minute)
		s.release(awssim.Outcome{Succeeded: true})
		s.over()
	}
}

// blocked is what is left where every original but the one that was taken is out of traffic.
var blocked = []string{deployment.LeftLiveGroup, deployment.LeftDetached}

func instances() []Scene {
	wants := func(cause string, live deployment.Environment, left ...string) Wants { return Wants{cause, live, left} }
	return []Scene{
		{"scaled-in-by-a-person", "somebody lowers the original's desired capacity while traffic is blocked", wants(deployment.InstanceScaledIn, deployment.Replacement, blocked...),
			taken(func(s *stage, _ []string) { s.must(s.sim.SetDesired("web", 2)) })},
		{"scaled-in-by-an-alarm", "a quiet night: a scaling policy takes an original away while traffic is blocked", wants(deployment.InstanceScaledIn, deployment.Replacement, blocked...),
			taken(func(s *stage, _ []string) { s.must(s.sim.Policy("web", "cpu-low", 2)) })},
		{"zones-balanced", "the group loses a zone, and AZRebalance takes an original away", wants(deployment.InstanceRebalanced, deployment.Both, deployment.LeftGroup),
			taken(func(s *stage, _ []string) { s.must(s.sim.Move("web", "eu-west-1a", "eu-west-1c")) })},
		{"called-unhealthy", "a monitor calls an original unhealthy in mid-event, and ReplaceUnhealthy replaces it", wants(deployment.InstanceUnhealthy, deployment.Both, deployment.LeftGroup),
			taken(func(s *stage, ids []string) { s.must(s.sim.Unhealthy(ids[1])) })},
		{"instance-refresh", "somebody starts an instance refresh of the original's group in the middle", wants(deployment.InstanceRefreshed, deployment.Both, deployment.LeftGroup),
			taken(func(s *stage, _ []string) { s.must(s.sim.Refresh("web")) })},
		{"greatest-age-reached", "an original reaches the group's maximum instance lifetime in mid-event: it is gone, for a reason without a name of its own", wants(deployment.InstanceGone, deployment.Both, deployment.LeftGroup),
			taken(func(s *stage, _ []string) { s.must(s.sim.Lifetime("web", 10*time.Minute)) })},
		{"terminated-by-hand", "somebody terminates the original that looks stuck", wants(deployment.InstanceByHand, deployment.Both, deployment.LeftGroup),
			taken(func(s *stage, ids []string) { s.must(s.sim.Terminate(ids[0])) })},
	}
}

func instancesApart() []Scene {
	wants := func(cause string, live deployment.Environment, left ...string) Wants { return Wants{cause, live, left} }
	return []Scene{
		{"spot-interruption", "EC2 takes a Spot instance back in the middle of ApplicationStart", wants(deployment.InstanceEnded, deployment.Original, orphan...), func(s *stage) {
			s.blueGreen(1)
			s.hold("ApplicationStart", nil)
			s.deploy()
			ids := s.in("ApplicationStart", 1)
			s.must(s.sim.Spot(ids[0]))
			s.over()
		}},
		{"scaled-in-after-the-failure", "the script fails; that the instance is scaled in an hour later has nothing to do with it", wants(deployment.ScriptFailed, deployment.Original, orphan...), func(s *stage) {
			s.blueGreen(2)
			s.rule("ApplicationStart", nil, script("ScriptFailed", "start.sh", "failed with exit code 1", ""))
			s.deploy()
			s.over()
			s.sim.Advance(time.Hour)
			s.must(s.sim.SetDesired(s.green(), 1))
			s.sim.Advance(30 * time.Minute)
		}},
		{"script-killed-by-the-shutdown", "the instance is scaled in, and its shutdown ends the script with 143: not the script's fault", wants(deployment.InstanceScaledIn, deployment.Original, orphan...), func(s *stage) {
			s.blueGreen(2, func(d *awssim.DeploymentGroupSpec) { d.Config = "CodeDeployDefault.HalfAtATime" })
			s.hold("ApplicationStart", nil)
			s.deploy()
			s.in("ApplicationStart", 1)
			s.must(s.sim.AddHook(s.green(), "drain-logs", false, 10*time.Minute))
			s.must(s.sim.SetDesired(s.green(), 1))
			s.sim.Advance(time.Minute)
			g, _ := s.sim.Group(s.green())
			s.release(script("ScriptFailed", "start.sh", "failed with exit code 143", ""), g.InService()...)
			s.sim.Advance(time.Minute)
			s.release(awssim.Outcome{Succeeded: true})
			s.over()
		}},
		{"agent-lost-on-an-instance-that-is-there", "the same message as of an instance that was taken, of one that is there: its CodeDeploy agent is to blame", wants(deployment.AgentSilent, deployment.Both, deployment.LeftGroup), func(s *stage) {
			s.blueGreen(3)
			s.hold("BeforeBlockTraffic", first())
			s.deploy()
			s.over()
		}},
	}
}
