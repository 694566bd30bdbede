package awssim

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// debianCLI is the client that we did not write.
const debianCLI = "/usr/bin/aws"

// cli runs one command of it against the simulator. It sees nothing of this machine's configuration.
func (s *rig) cli(t *testing.T, args string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), debianCLI, append([]string{"--endpoint-url", s.URL(), "--output", "json"}, strings.Fields(args)...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "AWS_ACCESS_KEY_ID=AKIATEST", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION=eu-west-1", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "HOME=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// standing is what the commands are about.
type standing struct {
	id, target, toStop  string // a deployment in its wait, one of its targets, a deployment that has just begun
	blue                string // an instance
	tg, spare, balancer string
	unused              string // a target group that nothing forwards to
}

func newStanding(s *rig) standing {
	s.t.Helper()
	for _, name := range []string{"update", "delete", "stop", "create"} {
		if err := s.AddDeploymentGroup(DeploymentGroupSpec{Application: "shop", Name: name, ScalingGroups: []string{"blue"}}); err != nil {
			s.t.Fatal(err)
		}
	}
	x := standing{id: s.deploy(DeploymentSpec{}), tg: s.tg}
	x.target = s.until(x.id, "ready", func(v DeploymentView) bool { return v.Status == "Ready" }).Targets[0].Instance
	var errSpare, errStop error
	x.spare, errSpare = s.AddTargetGroup("spare", 80)
	x.toStop, errStop = s.Deploy(DeploymentSpec{Application: "shop", Group: "stop", Revision: "v3.tgz"})
	if err := errors.Join(errSpare, errStop); err != nil {
		s.t.Fatal(err)
	}
	s.do(func() {
		tg := s.newTargetGroup("unused", "HTTP", 80)
		s.state.TargetGroups[tg.TargetGroupArn] = tg
		x.blue, x.balancer, x.unused = s.members("blue")[0].ID, s.state.balancersOf(s.tg)[0], tg.TargetGroupArn
	})
	return x
}

// deployCommands are one command for each operation of CodeDeploy, each with what its answer has to contain.
func (x standing) deployCommands() [][2]string {
	revision := " --s3-location bucket=revisions,key=v2.tgz,bundleType=tgz"
	return [][2]string{
		{"deploy create-application --application-name new", "applicationId"},
		{"deploy get-application --application-name shop", `"computePlatform": "Server"`},
		{"deploy list-applications", `"shop"`},
		{"deploy register-application-revision --application-name shop" + revision, ""},
		{"deploy get-application-revision --application-name shop" + revision, `"bucket": "revisions"`},
		{"deploy get-deployment-config --deployment-config-name CodeDeployDefault.HalfAtATime", "FLEET_PERCENT"},
		{"deploy list-deployment-configs", "CodeDeployDefault.OneAtATime"},
		{"deploy create-deployment-group --application-name shop --deployment-group-name new --service-role-arn arn:aws:iam::1:role/r", "deploymentGroupId"},
		{"deploy get-deployment-group --application-name shop --deployment-group-name web", "COPY_AUTO_SCALING_GROUP"},
		{"deploy batch-get-deployment-groups --application-name shop --deployment-group-names web", "CodeDeploy-managed-automatic-launch-deployment-hook-web-"},
		{"deploy list-deployment-groups --application-name shop", `"web"`},
		{"deploy update-deployment-group --application-name shop --current-deployment-group-name update --auto-scaling-groups", `"hooksNotCleanedUp": []`},
		{"deploy delete-deployment-group --application-name shop --deployment-group-name delete", `"hooksNotCleanedUp": []`},
		{"deploy create-deployment --application-name shop --deployment-group-name create" + revision, `"deploymentId": "d-`},
		{"deploy get-deployment --deployment-id " + x.id, `"creator": "user"`},
		{"deploy batch-get-deployments --deployment-ids " + x.id, `"deploymentOverview": {`},
		{"deploy list-deployments --application-name shop --deployment-group-name web", x.id},
		{"deploy stop-deployment --deployment-id " + x.toStop, `"status": "Pending"`},
		{"deploy continue-deployment --deployment-wait-type READY_WAIT --deployment-id " + x.id, ""},
		{"deploy list-deployment-targets --target-filters ServerInstanceLabel=Green --deployment-id " + x.id, x.target},
		{"deploy get-deployment-target --deployment-id " + x.id + " --target-id " + x.target, `"instanceLabel": "Green"`},
		{"deploy batch-get-deployment-targets --deployment-id " + x.id + " --target-ids " + x.target, `"lifecycleEventName": "ApplicationStop"`},
	}
}

// elbCommands are the same for ELBv2.
func (x standing) elbCommands() [][2]string {
	return [][2]string{
		{"elbv2 create-target-group --name new --protocol HTTP --port 80 --vpc-id vpc-1", `"TargetGroupArn"`},
		{"elbv2 describe-target-groups --names web", x.balancer},
		{"elbv2 modify-target-group --target-group-arn " + x.spare + " --healthy-threshold-count 3", `"HealthyThresholdCount": 3`},
		{"elbv2 delete-target-group --target-group-arn " + x.unused, ""},
		{"elbv2 describe-target-group-attributes --target-group-arn " + x.tg, "deregistration_delay.timeout_seconds"},
		{"elbv2 modify-target-group-attributes --target-group-arn " + x.spare + " --attributes Key=deregistration_delay.timeout_seconds,Value=17", `"Value": "17"`},
		{"elbv2 create-load-balancer --name new --subnets subnet-1", `"LoadBalancerName": "new"`},
		{"elbv2 describe-load-balancers --load-balancer-arns " + x.balancer, `"Code": "active"`},
		{"elbv2 create-listener --protocol HTTP --port 8081 --load-balancer-arn " + x.balancer + " --default-actions Type=forward,TargetGroupArn=" + x.spare, `"Port": 8081`},
		{"elbv2 describe-listeners --load-balancer-arn " + x.balancer, x.tg},
		{"elbv2 register-targets --target-group-arn " + x.spare + " --targets Id=" + x.blue, ""},
		{"elbv2 deregister-targets --target-group-arn " + x.spare + " --targets Id=i-0", ""},
		{"elbv2 describe-target-health --target-group-arn " + x.tg, `"State": "healthy"`},
	}
}

// TestDebianCLI calls each operation of CodeDeploy and ELBv2 once by the AWS CLI.
func TestDebianCLI(t *testing.T) {
	if _, err := os.Stat(debianCLI); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("there is no %s: apt-get install awscli", debianCLI)
		}
		t.Skipf("there is no %s: apt-get install awscli", debianCLI)
	}
	s := newRig(t, 1, DeploymentGroupSpec{BlueGreen: true, ReadyWait: 24 * time.Hour}, Config{})
	x := newStanding(s)
	t.Run("calls", func(t *testing.T) {
		for _, c := range slices.Concat(x.deployCommands(), x.elbCommands()) {
			t.Run(strings.Join(strings.Fields(c[0])[:2], " "), func(t *testing.T) {
				t.Parallel()
				if out, err := s.cli(t, c[0]); err != nil || !strings.Contains(out, c[1]) {
					t.Errorf("aws %s: %v, and no %s in\n%s", c[0], err, c[1], out)
				}
			})
		}
	})
	s.calledAll(t, "codedeploy", codedeployOperations())
	s.calledAll(t, "elasticloadbalancing", elbOperations())
}
