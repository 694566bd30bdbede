package awssim

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schtypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
)

// debianAWS is a client that we did not write and that is older than the SDK: it parses answers by botocore's models.
const debianAWS = "/usr/bin/aws"

// debianCalls are calls of Debian's aws, and a word of what each prints, by the operation that it calls. {i0} to {i5}
// are instances of web: i3 in Standby, i4 waiting for the hook "held" (i5 and i6 as well, for the two other calls).
func debianCalls() map[string][2]string {
	const web = " --auto-scaling-group-name web"
	return map[string][2]string{
		"CreateAutoScalingGroup":              {"autoscaling create-auto-scaling-group --auto-scaling-group-name new --min-size 0 --max-size 1 --launch-configuration-name lc --availability-zones eu-west-1a", ""},
		"UpdateAutoScalingGroup":              {"autoscaling update-auto-scaling-group --max-size 20" + web, ""},
		"DeleteAutoScalingGroup":              {"autoscaling delete-auto-scaling-group --force-delete --auto-scaling-group-name doomed", ""},
		"SetDesiredCapacity":                  {"autoscaling set-desired-capacity --desired-capacity 8" + web, ""},
		"DescribeAutoScalingGroups":           {"autoscaling describe-auto-scaling-groups --auto-scaling-group-names web", "autoScalingGroupName/web"},
		"SuspendProcesses":                    {"autoscaling suspend-processes --scaling-processes AZRebalance" + web, ""},
		"ResumeProcesses":                     {"autoscaling resume-processes --scaling-processes HealthCheck" + web, ""},
		"DescribeScalingProcessTypes":         {"autoscaling describe-scaling-process-types", `"ReplaceUnhealthy"`},
		"CreateOrUpdateTags":                  {"autoscaling create-or-update-tags --tags ResourceId=web,ResourceType=auto-scaling-group,Key=a,Value=b,PropagateAtLaunch=false", ""},
		"DeleteTags":                          {"autoscaling delete-tags --tags ResourceId=web,ResourceType=auto-scaling-group,Key=c", ""},
		"DescribeTags":                        {"autoscaling describe-tags --filters Name=auto-scaling-group,Values=second", `"Value": "two"`},
		"DescribeAutoScalingInstances":        {"autoscaling describe-auto-scaling-instances --instance-ids {i0}", `"HEALTHY"`},
		"SetInstanceHealth":                   {"autoscaling set-instance-health --health-status Healthy --instance-id {i0}", ""},
		"SetInstanceProtection":               {"autoscaling set-instance-protection --protected-from-scale-in --instance-ids {i0}" + web, ""},
		"TerminateInstanceInAutoScalingGroup": {"autoscaling terminate-instance-in-auto-scaling-group --no-should-decrement-desired-capacity --instance-id {i7}", `"Terminating EC2 instance: i-`},
		"EnterStandby":                        {"autoscaling enter-standby --no-should-decrement-desired-capacity --instance-ids {i1}" + web, `"Moving EC2 instance to Standby: i-`},
		"ExitStandby":                         {"autoscaling exit-standby --instance-ids {i3}" + web, `"Moving EC2 instance out of Standby: i-`},
		"DetachInstances":                     {"autoscaling detach-instances --no-should-decrement-desired-capacity --instance-ids {i2}" + web, `"Detaching EC2 instance: i-`},
		"DescribeScalingActivities":           {"autoscaling describe-scaling-activities --auto-scaling-group-name second", "in response to a difference between desired and actual capacity"},
		"PutScalingPolicy":                    {"autoscaling put-scaling-policy --policy-name new --adjustment-type ChangeInCapacity --scaling-adjustment 1" + web, `"PolicyARN"`},
		"DescribePolicies":                    {"autoscaling describe-policies --auto-scaling-group-name second", `"PolicyName": "up"`},
		"DeletePolicy":                        {"autoscaling delete-policy --policy-name old" + web, ""},
		"ExecutePolicy":                       {"autoscaling execute-policy --auto-scaling-group-name second --policy-name up", ""},
		"PutScheduledUpdateGroupAction":       {"autoscaling put-scheduled-update-group-action --scheduled-action-name new --start-time 2027-01-01T00:00:00Z --min-size 1" + web, ""},
		"DescribeScheduledActions":            {"autoscaling describe-scheduled-actions --auto-scaling-group-name second", `"DesiredCapacity": 2`},
		"DeleteScheduledAction":               {"autoscaling delete-scheduled-action --scheduled-action-name old" + web, ""},
		"PutLifecycleHook":                    {"autoscaling put-lifecycle-hook --lifecycle-hook-name new --lifecycle-transition autoscaling:EC2_INSTANCE_TERMINATING" + web, ""},
		"DescribeLifecycleHooks":              {"autoscaling describe-lifecycle-hooks --lifecycle-hook-names held" + web, `"GlobalTimeout": 172800`},
		"DeleteLifecycleHook":                 {"autoscaling delete-lifecycle-hook --lifecycle-hook-name old" + web, ""},
		"CompleteLifecycleAction":             {"autoscaling complete-lifecycle-action --lifecycle-hook-name held --lifecycle-action-result CONTINUE --instance-id {i4}" + web, ""},
		"RecordLifecycleActionHeartbeat":      {"autoscaling record-lifecycle-action-heartbeat --lifecycle-hook-name held --instance-id {i5}" + web, ""},
		"StartInstanceRefresh":                {"autoscaling start-instance-refresh" + web, `"InstanceRefreshId"`},
		"DescribeInstanceRefreshes":           {"autoscaling describe-instance-refreshes --auto-scaling-group-name second", `"PercentageComplete"`},
		"CancelInstanceRefresh":               {"autoscaling cancel-instance-refresh --auto-scaling-group-name second", `"InstanceRefreshId"`},
		"PutNotificationConfiguration":        {"autoscaling put-notification-configuration --topic-arn arn:aws:sns:eu-west-1:1:t --notification-types autoscaling:EC2_INSTANCE_LAUNCH" + web, ""},
		"AttachLoadBalancerTargetGroups":      {"autoscaling attach-load-balancer-target-groups --target-group-arns arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/1" + web, ""},
		"DetachLoadBalancerTargetGroups":      {"autoscaling detach-load-balancer-target-groups --target-group-arns arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/b/1" + web, ""},
	}
}

// debianOtherCalls are those of the other services.
func debianOtherCalls() map[string][2]string {
	const target = ` --schedule-expression at(2027-01-01T00:00:00) --flexible-time-window Mode=OFF --target {"Arn":"arn:aws:scheduler:::aws-sdk:autoscaling:resumeProcesses","RoleArn":"arn:aws:iam::123456789012:role/r","Input":"{\"AutoScalingGroupName\":\"web\"}"}`
	return map[string][2]string{
		"PutMetricAlarm":      {"cloudwatch put-metric-alarm --alarm-name new --evaluation-periods 1 --comparison-operator LessThanThreshold --threshold 1 --period 60 --metric-name M --namespace N --statistic Sum", ""},
		"DescribeAlarms":      {"cloudwatch describe-alarms --alarm-names cpu", `"StateReason": "Unchecked: Initial alarm creation"`},
		"DeleteAlarms":        {"cloudwatch delete-alarms --alarm-names old", ""},
		"SetAlarmState":       {"cloudwatch set-alarm-state --alarm-name other --state-value ALARM --state-reason test", ""},
		"PutMetricData":       {"cloudwatch put-metric-data --namespace N --metric-name Other --value 1.5", ""},
		"CreateScheduleGroup": {"scheduler create-schedule-group --name new", "schedule-group/new"},
		"GetScheduleGroup":    {"scheduler get-schedule-group --name default", `"ACTIVE"`},
		"ListScheduleGroups":  {"scheduler list-schedule-groups", `"default"`},
		"DeleteScheduleGroup": {"scheduler delete-schedule-group --name doomed", ""},
		"CreateSchedule":      {"scheduler create-schedule --name new" + target, "schedule/default/new"},
		"UpdateSchedule":      {"scheduler update-schedule --name there" + target, "schedule/default/there"},
		"GetSchedule":         {"scheduler get-schedule --name there", `"MaximumEventAgeInSeconds": 86400`},
		"ListSchedules":       {"scheduler list-schedules", "schedule/default/there"},
		"DeleteSchedule":      {"scheduler delete-schedule --name old", ""},
		"GetCallerIdentity":   {"sts get-caller-identity", "assumed-role/wingman-instance/i-"},
		"AssumeRole":          {"sts assume-role --role-arn arn:aws:iam::123456789012:role/operator --role-session-name me", "assumed-role/operator/me"},
	}
}

// scene sets up what the calls are about, and gives the instances that they name.
func scene(t *testing.T, s *Sim) (ids []string) {
	t.Helper()
	web(t, s, 8)
	ids = groupOf(t, s).InService()
	if err := s.CreateGroup(GroupSpec{Name: "second", Max: 9, Desired: 1, Tags: map[string]string{"k": "two"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateGroup(GroupSpec{Name: "doomed", Desired: 1}); err != nil {
		t.Fatal(err)
	}
	s.Advance(time.Minute)
	c := as(s, "AKIAOPERATOR")
	s.do(func() {
		g, second := s.state.Groups["web"], s.state.Groups["second"]
		g.Tags["c"] = tag{}
		g.Desired = 4 // the others are in Standby or wait
		g.TargetGroupARNs = []string{"arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/b/1"}
		g.Suspended = map[string]suspension{"Launch": {}, "Terminate": {}, "HealthCheck": {}}
		delete(g.Suspended, "Launch") // ExitStandby needs it
		g.Policies["old"] = &policy{Name: "old", ARN: "arn:old"}
		g.Actions["old"] = &scheduledAction{Name: "old"}
		g.Hooks["old"] = &hook{Name: "old", Transition: terminateTransition}
		g.Hooks["held"] = &hook{Name: "held", Transition: launchTransition, Default: "ABANDON", Heartbeat: time.Hour}
		s.state.Instances[ids[3]].State = standby
		for _, id := range ids[4:6] {
			in := s.state.Instances[id]
			in.State = pending
			s.hold(in, launchTransition)
		}
		second.Policies["up"] = &policy{Name: "up", ARN: "arn:up", Type: "SimpleScaling", Amount: 1}
		two := 2
		second.Actions["two"] = &scheduledAction{Name: "two", Desired: &two}
		second.Suspended["InstanceRefresh"] = suspension{}
		for _, name := range []string{"cpu", "old", "other"} {
			s.putAlarm(&alarm{Name: name})
		}
		s.state.ScheduleDirs["doomed"] = s.now()
	})
	must(c.asg.StartInstanceRefresh(t.Context(), &autoscaling.StartInstanceRefreshInput{AutoScalingGroupName: aws.String("second")}))(t)
	for _, name := range []string{"there", "old"} {
		must(c.sch.CreateSchedule(t.Context(), &scheduler.CreateScheduleInput{Name: &name, ScheduleExpression: aws.String("at(2027-01-01T00:00:00)"), FlexibleTimeWindow: &schtypes.FlexibleTimeWindow{Mode: "OFF"},
			Target: &schtypes.Target{Arn: aws.String("arn:aws:scheduler:::aws-sdk:autoscaling:resumeProcesses"), RoleArn: aws.String("arn:aws:iam::123456789012:role/r")}}))(t)
	}
	return ids
}

// TestEveryOperationByDebiansAWS calls each operation once by a client that somebody else wrote.
func TestEveryOperationByDebiansAWS(t *testing.T) {
	if _, err := os.Stat(debianAWS); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI has to call the simulator by Debian's aws: install awscli (%s)", err)
		}
		t.Skipf("%s is not installed (package awscli): the simulator is not called by a foreign client", debianAWS)
	}
	calls := debianCalls()
	maps.Copy(calls, debianOtherCalls())
	for _, op := range ours() {
		if calls[op][0] == "" {
			t.Errorf("Debian's aws does not call %s", op)
		}
	}
	s := start(t, Config{})
	ids := scene(t, s)
	run := debian(t, s, ids)
	for _, op := range ours() {
		if code, out := run(calls[op][0]); code != 0 || !strings.Contains(out, calls[op][1]) {
			t.Errorf("%s (%s): exit status %d, without %q:\n%s", op, calls[op][0], code, calls[op][1], out)
		}
	}
}

// interpreter runs /usr/bin/aws once for each list of arguments that it reads, all in one Python: most of the half
// second of processor time that a call takes is Python's and botocore's start.
const interpreter = `
import json, os, runpy, sys, tempfile
for line in sys.stdin:
    sys.argv, code = ["aws"] + json.loads(line), 0
    with tempfile.TemporaryFile("w+") as out:
        kept = os.dup(1), os.dup(2)
        os.dup2(out.fileno(), 1); os.dup2(out.fileno(), 2)
        try:
            runpy.run_path("/usr/bin/aws", run_name="__main__")
        except SystemExit as e:
            code = e.code or 0
        sys.stdout.flush(); sys.stderr.flush()
        os.dup2(kept[0], 1); os.dup2(kept[1], 2)
        os.close(kept[0]); os.close(kept[1])
        out.seek(0)
        print(json.dumps({"code": code, "out": out.read()}), flush=True)
`

// debian starts Debian's aws, as an instance, and gives what runs one call of it.
func debian(t *testing.T, s *Sim, ids []string) func(call string) (code int, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", interpreter)
	cmd.Env = []string{"AWS_ACCESS_KEY_ID=" + AccessKey(ids[0]), "AWS_SECRET_ACCESS_KEY=secret", "AWS_DEFAULT_REGION=" + s.Region, "AWS_MAX_ATTEMPTS=1",
		"AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent", "HOME=" + t.TempDir(), "PATH=/usr/bin:/bin", "AWS_PAGER="}
	in, out := must(cmd.StdinPipe())(t), must(cmd.StdoutPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	to, from := json.NewEncoder(in), json.NewDecoder(out)
	return func(call string) (int, string) {
		for i, id := range ids {
			call = strings.ReplaceAll(call, "{i"+string(rune('0'+i))+"}", id)
		}
		var answer struct {
			Code int
			Out  string
		}
		if err := to.Encode(append(strings.Fields(call), "--endpoint-url", s.URL())); err != nil {
			t.Fatal(err)
		}
		if err := from.Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return answer.Code, answer.Out
	}
}
