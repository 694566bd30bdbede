package awssim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schtypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/smithy-go"
)

// code is the error's code as the SDK tells it; "" is success, "no answer" an error that is no answer of AWS's.
func code(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	return "no answer"
}

func suspendAZ(ctx context.Context, c clients) error {
	_, err := c.asg.SuspendProcesses(ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: aws.String("web"), ScalingProcesses: []string{"AZRebalance"}})
	return err
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  Fault
		code   string
		is     bool // it is done all the same
		logged string
	}{
		{"none", Fault{Operation: "SetDesiredCapacity", Deny: true}, "", true, ""},
		{"throttled", Fault{Throttle: true}, "Throttling", false, "Throttling"},
		{"denied", Fault{Deny: true}, "AccessDenied", false, "AccessDenied"},
		{"failed", Fault{Status: 500, Code: "ResourceContention", Message: "pending update"}, "ResourceContention", false, "ResourceContention"},
		{"no answer", Fault{NoAnswer: true}, "no answer", true, ""},
		{"another caller", Fault{Caller: "i-0", Deny: true}, "", true, ""},
		{"another service", Fault{Service: "scheduler", Deny: true}, "", true, ""},
		{"skipped", Fault{Skip: 1, Deny: true}, "", true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, Config{})
			c := as(s, AccessKey(web(t, s, 1).Instances[0].ID))
			remove := s.Inject(tt.fault)
			if got := code(suspendAZ(t.Context(), c)); got != tt.code {
				t.Errorf("%q, not %q", got, tt.code)
			}
			if _, is := groupOf(t, s).Suspended["AZRebalance"]; is != tt.is {
				t.Errorf("suspended: %t", is)
			}
			if all := s.Requests(); all[len(all)-1].Code != tt.logged {
				t.Errorf("logged as %q", all[len(all)-1].Code)
			}
			remove()
			if err := suspendAZ(t.Context(), c); err != nil {
				t.Errorf("removed, it still fails: %v", err)
			}
		})
	}
}

// TestCallerGoesAway has neither a latency nor one that hangs last longer than who waits for it: Close would wait too.
func TestCallerGoesAway(t *testing.T) {
	for name, f := range map[string]Fault{"hangs": {Hang: true}, "slow": {Latency: time.Hour}} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{})
			web(t, s, 1)
			ctx, leave := context.WithCancel(t.Context())
			f.Before = func(Request) { leave() }
			s.Inject(f)
			if got := code(suspendAZ(ctx, as(s, "AKIA"))); got != "no answer" {
				t.Errorf("it ends with %q", got)
			}
			if err := s.Until(t.Context(), func() bool { r := s.Requests(); return len(r) > 0 && r[len(r)-1].Code == "Aborted" }); err != nil {
				t.Error(err)
			}
			if len(groupOf(t, s).Suspended) != 0 {
				t.Error("it has been done")
			}
		})
	}
}

func TestStaleRead(t *testing.T) {
	s := start(t, Config{})
	web(t, s, 1)
	s.Inject(Fault{Operation: "DescribeAutoScalingGroups", Stale: 30 * time.Second})
	c := as(s, "AKIA")
	if err := suspendAZ(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{0, 1} {
		out := must(c.asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{}))(t)
		if got := len(out.AutoScalingGroups[0].SuspendedProcesses); got != want {
			t.Errorf("%d suspended, not %d", got, want)
		}
		s.Advance(time.Minute)
	}
}

// TestErrors are refusals in AWS's codes.
func TestErrors(t *testing.T) {
	s := start(t, Config{})
	web(t, s, 1)
	c, name := as(s, "AKIA"), aws.String("web")
	if err := s.CreateGroup(GroupSpec{Name: "kept", Desired: 1}); err != nil {
		t.Fatal(err)
	}
	s.Advance(time.Minute)
	s.do(func() { s.state.Groups["kept"].DeletionProtection = "prevent-force-deletion" })
	sch := &scheduler.CreateScheduleInput{Name: aws.String("x"), ScheduleExpression: aws.String("at(2027-01-01T00:00:00)"), FlexibleTimeWindow: &schtypes.FlexibleTimeWindow{Mode: "OFF"},
		Target: &schtypes.Target{Arn: aws.String("arn:aws:scheduler:::aws-sdk:autoscaling:resumeProcesses"), RoleArn: aws.String("r")}}
	must(c.sch.CreateSchedule(t.Context(), sch))(t)
	again := *sch
	again.ClientToken = aws.String("another")
	reading := *sch
	reading.Name, reading.Target = aws.String("y"), &schtypes.Target{Arn: aws.String("arn:aws:scheduler:::aws-sdk:autoscaling:describeAutoScalingGroups"), RoleArn: aws.String("r")}
	refuses(t, map[string]refusal{
		"an unknown process": {"ValidationError", func() error {
			_, err := c.asg.SuspendProcesses(t.Context(), &autoscaling.SuspendProcessesInput{AutoScalingGroupName: name, ScalingProcesses: []string{"Sleep"}})
			return err
		}},
		"beyond Max": {"ValidationError", func() error {
			_, err := c.asg.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: name, DesiredCapacity: aws.Int32(11)})
			return err
		}},
		"a group with instances": {"ResourceInUse", func() error {
			_, err := c.asg.DeleteAutoScalingGroup(t.Context(), &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: name})
			return err
		}},
		"a protected group": {"ValidationError", func() error {
			_, err := c.asg.DeleteAutoScalingGroup(t.Context(), &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: aws.String("kept"), ForceDelete: aws.Bool(true)})
			return err
		}},
		"a group that is there": {"AlreadyExists", func() error {
			_, err := c.asg.CreateAutoScalingGroup(t.Context(), &autoscaling.CreateAutoScalingGroupInput{AutoScalingGroupName: name, MinSize: aws.Int32(0), MaxSize: aws.Int32(0), AvailabilityZones: []string{"a"}, LaunchConfigurationName: aws.String("l")})
			return err
		}},
	})
	refuses(t, pageAndInstanceRefusals(t, c))
	refuses(t, map[string]refusal{
		"the same schedule again": {"ConflictException", func() error { _, err := c.sch.CreateSchedule(t.Context(), &again); return err }},
		"a target that reads":     {"ValidationException", func() error { _, err := c.sch.CreateSchedule(t.Context(), &reading); return err }},
		"no such schedule": {"ResourceNotFoundException", func() error {
			_, err := c.sch.DeleteSchedule(t.Context(), &scheduler.DeleteScheduleInput{Name: aws.String("none")})
			return err
		}},
	})
}

// refusal is a call that AWS refuses with a code.
type refusal struct {
	code string
	err  func() error
}

func refuses(t *testing.T, calls map[string]refusal) {
	t.Helper()
	for what, r := range calls {
		if got := code(r.err()); got != r.code {
			t.Errorf("%s: %q, not %q", what, got, r.code)
		}
	}
}

func pageAndInstanceRefusals(t *testing.T, c clients) map[string]refusal {
	return map[string]refusal{
		"too large a page": {"ValidationError", func() error {
			_, err := c.asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{MaxRecords: aws.Int32(101)})
			return err
		}},
		"a token of nobody": {"InvalidNextToken", func() error {
			_, err := c.asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{NextToken: aws.String("x")})
			return err
		}},
		"no such instance": {"ValidationError", func() error {
			_, err := c.asg.SetInstanceHealth(t.Context(), &autoscaling.SetInstanceHealthInput{InstanceId: aws.String("i-0"), HealthStatus: aws.String("Healthy")})
			return err
		}},
		"no refresh to cancel": {"ActiveInstanceRefreshNotFound", func() error {
			_, err := c.asg.CancelInstanceRefresh(t.Context(), &autoscaling.CancelInstanceRefreshInput{AutoScalingGroupName: aws.String("web")})
			return err
		}},
	}
}

func TestUnknownGroup(t *testing.T) {
	_, err := as(start(t, Config{}), "AKIA").asg.SuspendProcesses(t.Context(), &autoscaling.SuspendProcessesInput{AutoScalingGroupName: aws.String("x")})
	if err == nil || !strings.Contains(err.Error(), "AutoScalingGroup name not found - AutoScalingGroup 'x' not found") {
		t.Error(err)
	}
}

func TestPagesOfGroups(t *testing.T) {
	s := start(t, Config{})
	web(t, s, 1)
	if err := s.CreateGroup(GroupSpec{Name: "kept"}); err != nil {
		t.Fatal(err)
	}
	c := as(s, "AKIA")
	all := must(c.asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{MaxRecords: aws.Int32(1)}))(t)
	rest := must(c.asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{MaxRecords: aws.Int32(1), NextToken: all.NextToken}))(t)
	if got := []string{*all.AutoScalingGroups[0].AutoScalingGroupName, *rest.AutoScalingGroups[0].AutoScalingGroupName}; !slices.Equal(got, []string{"kept", "web"}) || rest.NextToken != nil {
		t.Errorf("pages: %v", got)
	}
}

func TestNoDateHeader(t *testing.T) {
	for _, no := range []bool{false, true} {
		s := start(t, Config{Switches: Switches{NoDate: no}})
		r := must(http.Get(s.URL() + "/?Action=GetCallerIdentity&Version=2011-06-15"))(t)
		_ = r.Body.Close()
		if got, want := r.Header.Get("Date"), noon().Format(http.TimeFormat); (got == "") != no || !no && got != want {
			t.Errorf("Date: %q", got)
		}
	}
}
