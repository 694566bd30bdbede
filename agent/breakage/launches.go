package breakage

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

func launches() []Scene {
	refused := func(why string) func(*stage) {
		return func(s *stage) {
			s.blueGreen(2)
			s.locked(func() { s.refuse = why })
			s.deploy()
			s.over()
		}
	}
	return []Scene{
		{"no-capacity", "EC2 has no capacity of the instance type: the replacement never comes up", Wants{deployment.LaunchFailed, deployment.Original, orphan},
			refused("We currently do not have sufficient t3.micro capacity in the Availability Zone you requested (eu-west-1a).")},
		{"quota-reached", "the account's quota of instances is reached", Wants{deployment.LaunchFailed, deployment.Original, orphan},
			refused("You have requested more vCPU capacity than your current vCPU limit of 32 allows for the instance bucket that the specified instance type belongs to.")},
		{"foreign-hook", "an automation puts its lifecycle hook on every new group, and answers for none: each launch is abandoned", Wants{deployment.ForeignHook, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2)
			s.deploy()
			s.until("provisioned", func(awssim.DeploymentView) bool { _, is := s.sim.Group(s.green()); return is })
			s.must(s.sim.AddHook(s.green(), "register-in-cmdb", true, 10*time.Minute))
			s.over()
		}},
		{"foreign-hook-holds", "so too while it goes on: the first instances wait", Wants{deployment.ForeignHook, deployment.Original, nil}, func(s *stage) {
			s.blueGreen(2)
			s.deploy()
			s.until("provisioned", func(awssim.DeploymentView) bool { _, is := s.sim.Group(s.green()); return is })
			s.must(s.sim.AddHook(s.green(), "register-in-cmdb", true, time.Hour))
			s.sim.Advance(10 * time.Minute)
		}},
		{"two-foreign-hooks", "two automations have their lifecycle hooks on the new group, and one of them answers for none: which is not to be told from here", Wants{deployment.HookTimedOut, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2)
			s.deploy()
			s.until("provisioned", func(awssim.DeploymentView) bool { _, is := s.sim.Group(s.green()); return is })
			s.must(s.sim.AddHook(s.green(), "register-in-cmdb", true, 10*time.Minute))
			s.must(s.sim.AddHook(s.green(), "scan-for-viruses", true, 20*time.Minute))
			s.over()
		}},
		{"left-over-hook", "a deployment group was deleted and its lifecycle hook stayed: no instance comes into service, so there is none to deploy to", Wants{deployment.LeftOverHook, deployment.InPlace, []string{deployment.LeftHook}}, func(s *stage) {
			s.inPlace(0)
			s.must(s.sim.AddHook("web", "CodeDeploy-managed-automatic-launch-deployment-hook-old-2f9d4a6c-0f1e-4b57-9a43-6f6f5d6a2b11", true, 10*time.Minute))
			s.must(s.sim.SetDesired("web", 2))
			s.sim.Advance(time.Hour)
			s.deploy()
			s.over()
		}},
		{"no-instances", "the group's desired capacity is 0", Wants{deployment.NoInstances, deployment.InPlace, nil}, func(s *stage) {
			s.inPlace(0)
			s.deploy()
			s.over()
		}},
		{"service-role-may-not-launch", "the service role may not run instances of a launch template", Wants{deployment.ServiceRole, deployment.Original, nil},
			ended("AUTO_SCALING_IAM_ROLE_PERMISSIONS", "The IAM role arn:aws:iam::123456789012:role/CodeDeployServiceRole does not give you permission to perform operations in the following AWS service: AmazonAutoScaling. Contact your AWS administrator if you need help.")},
		{"service-role-missing", "the service role was deleted", Wants{deployment.ServiceRoleMissing, deployment.Original, nil},
			ended("IAM_ROLE_MISSING", "The deployment failed because no service role exists with the service role name specified for the deployment group.")},
		{"too-few-healthy", "fewer instances are healthy than the configuration wants", Wants{deployment.TooFewHealthy, deployment.Original, nil},
			ended("HEALTH_CONSTRAINTS_INVALID", "The deployment can’t start because the minimum number of healthy instances, as defined by your deployment configuration, are not available.")},
		{"scaling-group-not-configured", "CodeDeploy cannot reach the Auto Scaling group that it has its hook on", Wants{deployment.ScalingConfig, deployment.Original, nil},
			ended("UNABLE_TO_SEND_ASG", "The deployment failed because the deployment group isn’t configured correctly with its Auto Scaling group.")},
		{"throttled", "CodeDeploy says in so many words what it was, and there is no better name for it", Wants{deployment.CodeDeploySays, deployment.Original, nil},
			ended("THROTTLED", "The deployment failed because more requests were made than are permitted for AWS CodeDeploy by an IAM role.")},
		{"health-constraints-and-nothing-else", "CodeDeploy says HEALTH_CONSTRAINTS, and no instance says why: nothing is claimed", Wants{"", deployment.Original, nil},
			ended("HEALTH_CONSTRAINTS", "The overall deployment failed because too many individual instances failed deployment, too few healthy instances are available for deployment, or some instances in your deployment group are experiencing problems.")},
	}
}

// ended is a deployment that CodeDeploy itself ends as it begins.
func ended(code, message string) func(*stage) {
	return func(s *stage) {
		s.blueGreen(2)
		s.locked(func() { s.ends = [2]string{code, message} })
		s.deploy()
		s.over()
	}
}
