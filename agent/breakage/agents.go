package breakage

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

func agents() []Scene {
	return []Scene{
		{"agent-restarted", "the CodeDeploy agent is updated in the middle of ApplicationStart", Wants{deployment.AgentRestarted, deployment.Original, orphan},
			fails("ApplicationStart", unknown("Failed: Failing in-progress lifecycle event after an agent restart."))},
		{"agent-never-asks", "the new image has no CodeDeploy agent that runs: no replacement asks for an event", Wants{deployment.AgentUnreachable, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2)
			s.locked(func() { s.all = true })
			s.deploy()
			s.over()
		}},
		{"agent-stops-asking", "one CodeDeploy agent dies between two events", Wants{deployment.AgentUnreachable, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(1)
			s.hold("AfterInstall", nil)
			s.deploy()
			ids := s.in("AfterInstall", 1)
			s.locked(func() { s.deaf[ids[0]] = true })
			s.release(awssim.Outcome{Succeeded: true})
			s.over()
		}},
		{"agent-dies-in-an-event", "the CodeDeploy agent is killed in ApplicationStart, and nobody reports its end", Wants{deployment.AgentSilent, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2)
			s.hold("ApplicationStart", nil)
			s.deploy()
			s.over()
		}},
	}
}

func surroundings() []Scene {
	return []Scene{
		{"two-deployment-groups", "another deployment group's deployment runs on the same instances: the agents never come to this one", Wants{deployment.TwoGroups, deployment.InPlace, []string{deployment.LeftOut}}, func(s *stage) {
			s.inPlace(2)
			s.must(s.sim.AddDeploymentGroup(awssim.DeploymentGroupSpec{Application: "shop", Name: "worker", ScalingGroups: []string{"web"}, Config: "CodeDeployDefault.AllAtOnce"}))
			s.hold("BeforeInstall", func(c awssim.Command) bool { return c.Group == "worker" })
			_, err := s.sim.Deploy(awssim.DeploymentSpec{Application: "shop", Group: "worker", Revision: "worker-7.tgz"})
			s.must(err)
			s.sim.Advance(2 * time.Minute)
			s.hold("BeforeInstall", nil)
			s.deploy()
			s.in("BeforeInstall", 1)
			s.locked(func() { s.all = true })
			s.over()
		}},
		{"two-deployment-groups-of-two-applications", "so too where the other group is another application's: its lifecycle hook on the group tells", Wants{deployment.TwoGroups, deployment.InPlace, nil}, func(s *stage) {
			s.inPlace(2)
			s.must(s.sim.AddApplication("tools"))
			s.must(s.sim.AddDeploymentGroup(awssim.DeploymentGroupSpec{Application: "tools", Name: "agentless", ScalingGroups: []string{"web"}, Config: "CodeDeployDefault.AllAtOnce"}))
			s.hold("Install", nil)
			_, err := s.sim.Deploy(awssim.DeploymentSpec{Application: "tools", Group: "agentless", Revision: "tools-1.tgz"})
			s.must(err)
			s.sim.Advance(3 * time.Minute)
			s.locked(func() { s.all = true })
			s.deploy()
			s.over()
		}},
		{"clock-skew", "the instances' clocks are an hour off: S3 refuses their requests", Wants{deployment.ClockSkew, deployment.Original, orphan},
			fails("DownloadBundle", unknown("The difference between the request time and the current time is too large."))},
		{"no-instance-profile", "the launch template lost its instance profile", Wants{deployment.NoProfile, deployment.Original, orphan},
			fails("DownloadBundle", unknown("Missing credentials - please check if this instance was started with an IAM instance profile"))},
		{"a-message-that-nobody-knows", "the CodeDeploy agent says something that no page tells of: there is no diagnosis but its words", Wants{"", deployment.Original, orphan},
			fails("Install", unknown("undefined method `each' for nil:NilClass"))},
	}
}
