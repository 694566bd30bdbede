package breakage

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

func traffic() []Scene {
	check := func(reason string) func(*stage) {
		return func(s *stage) {
			s.blueGreen(2)
			s.locked(func() { s.sick["*"] = reason })
			s.deploy()
			s.over()
		}
	}
	return []Scene{
		{"health-check-wrong-path", "the new build moved its health page: the load balancer gets an error for an hour", Wants{deployment.HealthCheck, deployment.Original, orphan}, check("Target.ResponseCodeMismatch")},
		{"health-check-times-out", "a security group keeps the load balancer from the new instances", Wants{deployment.HealthCheck, deployment.Original, orphan}, check("Target.Timeout")},
		{"health-check-still-failing", "the same, while the deployment goes on: no hour need be waited", Wants{deployment.HealthCheck, deployment.Original, nil}, func(s *stage) {
			s.blueGreen(2)
			s.locked(func() { s.sick["*"] = "Target.ResponseCodeMismatch" })
			s.deploy()
			s.in("AllowTraffic", 2)
			s.sim.Advance(5 * time.Minute)
		}},
		{"health-check-passed-later", "the instances were slow, and are healthy by now: what it was then is not known", Wants{"", deployment.Both, orphan}, func(s *stage) {
			check("Target.Timeout")(s)
			s.locked(func() { delete(s.sick, "*") })
			s.sim.Advance(20 * time.Minute)
		}},
	}
}

func balancers() []Scene {
	return []Scene{
		{"target-group-unused", "somebody took the listener's rule away: no target there is ever healthy", Wants{deployment.TargetGroupUnused, deployment.Neither, []string{deployment.LeftGroup}}, func(s *stage) {
			s.blueGreen(2)
			s.must(s.sim.Unlisten("web"))
			s.deploy()
			s.over()
		}},
		{"service-role-may-not-register", "the service role may not register targets", Wants{deployment.ServiceRole, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2)
			s.locked(func() {
				s.shift["AllowTraffic"] = unknown("The IAM role arn:aws:iam::123456789012:role/CodeDeployServiceRole does not give you permission to perform operations in the following AWS service: AmazonElasticLoadBalancingV2. Contact your AWS administrator if you need help.")
			})
			s.deploy()
			s.over()
		}},
		{"allow-traffic-says-nothing", "AllowTraffic fails without a word, and no target is registered: nothing is claimed", Wants{"", deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2)
			s.locked(func() { s.shift["AllowTraffic"] = awssim.Outcome{ErrorCode: "UnknownError"} })
			s.deploy()
			s.over()
		}},
		{"deregistration-stuck", "the target group lets connections drain for two hours: CodeDeploy does not wait so long", Wants{deployment.DeregisterStuck, deployment.Replacement, []string{deployment.LeftLiveGroup, deployment.LeftDetached}}, func(s *stage) {
			s.blueGreen(2)
			s.must(s.sim.Drain("web", 2*time.Hour))
			s.deploy()
			s.over()
		}},
		{"original-put-back-by-somebody", "an original is registered again while CodeDeploy takes it out: that it did not come out is seen, why is not", Wants{"", deployment.Both, orphan}, func(s *stage) {
			s.blueGreen(2)
			s.deploy()
			ids := s.in("BlockTraffic", 2)
			s.must(s.sim.Register("web", ids[0]))
			s.over()
		}},
	}
}
