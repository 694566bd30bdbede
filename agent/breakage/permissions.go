package breakage

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

// deny forbids a call to who asks for the evidence.
func (s *stage) deny(operations ...string) {
	for _, op := range operations {
		s.sim.Inject(awssim.Fault{Operation: op, Deny: true})
	}
}

// permissions are scenes in which the asker may not ask everything: what that leaves of the diagnosis.
func permissions() []Scene {
	scaledIn := taken(func(s *stage, _ []string) { s.must(s.sim.Policy("web", "cpu-low", 2)) })
	serves := []string{deployment.LeftLiveGroup, deployment.LeftDetached}
	return []Scene{
		{"may-not-see-target-health", "the cause is plain, and who serves is not to be seen", Wants{deployment.ScriptFailed, deployment.Unknown, orphan}, func(s *stage) {
			fails("ApplicationStart", script("ScriptFailed", "start.sh", "failed with exit code 1", ""))(s)
			s.deny("DescribeTargetHealth")
		}},
		{"may-not-see-activities", "an original was scaled in, and without the activities it could as well be its CodeDeploy agent", Wants{"", deployment.Replacement, serves}, func(s *stage) {
			scaledIn(s)
			s.deny("DescribeScalingActivities")
		}},
		{"may-see-codedeploy-only", "what the instances' events say is enough for a script", Wants{deployment.ScriptFailed, deployment.Unknown, nil}, func(s *stage) {
			fails("ApplicationStart", script("ScriptFailed", "start.sh", "failed with exit code 1", ""))(s)
			s.deny("DescribeAutoScalingGroups", "DescribeAutoScalingInstances", "DescribeScalingActivities", "DescribeLifecycleHooks", "DescribeTargetGroups", "DescribeTargetHealth")
		}},
		{"may-not-see-the-instances", "HEALTH_CONSTRAINTS is all that is left: nothing is claimed", Wants{"", deployment.Original, orphan}, func(s *stage) {
			fails("ApplicationStart", script("ScriptFailed", "start.sh", "failed with exit code 1", ""))(s)
			s.deny("ListDeploymentTargets")
		}},
		{"taken-and-not-noticed-yet", "an original was scaled in, and CodeDeploy will wait for it up to an hour: it is seen at once", Wants{deployment.InstanceScaledIn, deployment.Both, nil}, func(s *stage) {
			s.blueGreen(3)
			s.hold("BeforeBlockTraffic", nil)
			s.deploy()
			s.in("BeforeBlockTraffic", 3)
			s.must(s.sim.SetDesired("web", 2))
			s.sim.Advance(8 * time.Minute)
		}},
	}
}
