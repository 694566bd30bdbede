package awssim

import (
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

// TestDebianCLI calls each operation of CodeDeploy and ELBv2 once by the AWS CLI, and looks for a word in its answer.
func TestDebianCLI(t *testing.T) {
	if _, err := os.Stat(debianCLI); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("there is no %s: apt-get install awscli", debianCLI)
		}
		t.Skipf("there is no %s: apt-get install awscli", debianCLI)
	}
	s := newRig(t, 1, DeploymentGroupSpec{BlueGreen: true, ReadyWait: 24 * time.Hour}, Config{})
	for _, name := range []string{"update", "delete", "stop", "create"} {
		if err := s.AddDeploymentGroup(DeploymentGroupSpec{Application: "shop", Name: name, ScalingGroups: []string{"blue"}}); err != nil {
			t.Fatal(err)
		}
	}
	spare, err := s.AddTargetGroup("spare", 80)
	if err != nil {
		t.Fatal(err)
	}
	id := s.deploy(DeploymentSpec{})
	target := s.until(id, "ready", func(v DeploymentView) bool { return v.Status == "Ready" }).Targets[0].Instance
	toStop, err := s.Deploy(DeploymentSpec{Application: "shop", Group: "stop", Revision: "v3.tgz"})
	if err != nil {
		t.Fatal(err)
	}
	var blue, balancer string
	s.do(func() {
		blue, balancer = s.members("blue")[0].ID, s.state.balancersOf(s.tg)[0]
		tg := s.newTargetGroup("unused", "HTTP", 80)
		tg.TargetGroupArn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/unused/0123456789abcdef"
		s.state.TargetGroups[tg.TargetGroupArn] = tg
	})
	revision := " --s3-location bucket=revisions,key=v2.tgz,bundleType=tgz"
	calls := [][2]string{
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
		{"deploy get-deployment --deployment-id " + id, `"creator": "user"`},
		{"deploy batch-get-deployments --deployment-ids " + id, `"deploymentOverview": {`},
		{"deploy list-deployments --application-name shop --deployment-group-name web", id},
		{"deploy stop-deployment --deployment-id " + toStop, `"status": "Pending"`},
		{"deploy continue-deployment --deployment-wait-type READY_WAIT --deployment-id " + id, ""},
		{"deploy list-deployment-targets --target-filters ServerInstanceLabel=Green --deployment-id " + id, target},
		{"deploy get-deployment-target --deployment-id " + id + " --target-id " + target, `"instanceLabel": "Green"`},
		{"deploy batch-get-deployment-targets --deployment-id " + id + " --target-ids " + target, `"lifecycleEventName": "ApplicationStop"`},
		{"elbv2 create-target-group --name new --protocol HTTP --port 80 --vpc-id vpc-1", `"TargetGroupArn"`},
		{"elbv2 describe-target-groups --names web", balancer},
		{"elbv2 modify-target-group --target-group-arn " + spare + " --healthy-threshold-count 3", `"HealthyThresholdCount": 3`},
		{"elbv2 delete-target-group --target-group-arn arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/unused/0123456789abcdef", ""},
		{"elbv2 describe-target-group-attributes --target-group-arn " + s.tg, "deregistration_delay.timeout_seconds"},
		{"elbv2 modify-target-group-attributes --target-group-arn " + spare + " --attributes Key=deregistration_delay.timeout_seconds,Value=17", `"Value": "17"`},
		{"elbv2 create-load-balancer --name new --subnets subnet-1", `"LoadBalancerName": "new"`},
		{"elbv2 describe-load-balancers --load-balancer-arns " + balancer, `"Code": "active"`},
		{"elbv2 create-listener --protocol HTTP --port 8081 --load-balancer-arn " + balancer + " --default-actions Type=forward,TargetGroupArn=" + spare, `"Port": 8081`},
		{"elbv2 describe-listeners --load-balancer-arn " + balancer, s.tg},
		{"elbv2 register-targets --target-group-arn " + spare + " --targets Id=" + blue, ""},
		{"elbv2 deregister-targets --target-group-arn " + spare + " --targets Id=i-0", ""},
		{"elbv2 describe-target-health --target-group-arn " + s.tg, `"State": "healthy"`},
	}
	t.Run("calls", func(t *testing.T) {
		for _, c := range calls {
			t.Run(strings.Join(strings.Fields(c[0])[:2], " "), func(t *testing.T) {
				t.Parallel()
				if out, err := s.cli(t, c[0]); err != nil || !strings.Contains(out, c[1]) {
					t.Errorf("aws %s: %v, and no %s in\n%s", c[0], err, c[1], out)
				}
			})
		}
	})
	if diff := cmp.Diff(slices.Sorted(maps.Keys(codedeployOperations())), s.called("codedeploy")); diff != "" {
		t.Errorf("operations (-there +called)\n%s", diff)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(elbOperations())), s.called("elasticloadbalancing")); diff != "" {
		t.Errorf("operations (-there +called)\n%s", diff)
	}
}
