package awssim

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
)

// TestAdjustments are what a policy makes of four, between one and nine.
func TestAdjustments(t *testing.T) {
	g := &group{Min: 1, Max: 9, Desired: 4}
	for _, tt := range []struct {
		adjustment   string
		amount, want int
	}{
		{"ChangeInCapacity", 2, 6}, {"ChangeInCapacity", -9, 1}, {"ExactCapacity", 7, 7}, {"ExactCapacity", 70, 9},
		{"PercentChangeInCapacity", 50, 6}, {"PercentChangeInCapacity", 10, 5}, {"PercentChangeInCapacity", -10, 3},
	} {
		if got := (&policy{Type: "SimpleScaling", Adjustment: tt.adjustment, Amount: tt.amount}).wants(g, ""); got != tt.want {
			t.Errorf("%s %d: %d, not %d", tt.adjustment, tt.amount, got, tt.want)
		}
	}
}

// TestTargetTracking makes its own alarms: one for more, one for less.
func TestTargetTracking(t *testing.T) {
	s := start(t, Config{})
	web(t, s, 2)
	c := as(s, "AKIA")
	for range 2 { // the second time it is an update
		out := must(c.asg.PutScalingPolicy(t.Context(), &autoscaling.PutScalingPolicyInput{AutoScalingGroupName: aws.String("web"), PolicyName: aws.String("p"), PolicyType: aws.String("TargetTrackingScaling"),
			TargetTrackingConfiguration: &types.TargetTrackingConfiguration{TargetValue: aws.Float64(50), PredefinedMetricSpecification: &types.PredefinedMetricSpecification{PredefinedMetricType: "ASGAverageCPUUtilization"}}}))(t)
		if len(out.Alarms) != 2 {
			t.Fatalf("alarms: %+v", out.Alarms)
		}
		for i, want := range []int{3, 2} { // AlarmHigh, AlarmLow
			if err := s.SetAlarm(*out.Alarms[i].AlarmName, "ALARM"); err != nil {
				t.Fatal(err)
			}
			s.Advance(time.Minute)
			if got := groupOf(t, s).Desired; got != want {
				t.Errorf("%s: %d, not %d", *out.Alarms[i].AlarmName, got, want)
			}
			if err := s.SetAlarm(*out.Alarms[i].AlarmName, "OK"); err != nil {
				t.Fatal(err)
			}
		}
	}
	must(c.asg.DeletePolicy(t.Context(), &autoscaling.DeletePolicyInput{AutoScalingGroupName: aws.String("web"), PolicyName: aws.String("p")}))(t)
	if err := s.SetAlarm("none", "OK"); err == nil || len(s.state.Alarms) != 0 {
		t.Errorf("alarms left: %d", len(s.state.Alarms))
	}
}

// TestCooldown has an alarm wait until the last scaling is long enough ago.
func TestCooldown(t *testing.T) {
	s := start(t, Config{})
	web(t, s, 1)
	desire(2)(t, s)
	s.Advance(time.Second)
	s.do(func() { s.state.Groups["web"].Cooldown = 5 * time.Minute })
	alarmed(1)(t, s)
	c, name := as(s, "AKIA"), aws.String("web")
	_, err := c.asg.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: name, DesiredCapacity: aws.Int32(3), HonorCooldown: aws.Bool(true)})
	if code(err) != "ScalingActivityInProgress" {
		t.Errorf("set within the cooldown: %v", err)
	}
	if _, err := c.asg.ExecutePolicy(t.Context(), &autoscaling.ExecutePolicyInput{AutoScalingGroupName: name, PolicyName: aws.String("p"), HonorCooldown: aws.Bool(true)}); code(err) != "ScalingActivityInProgress" {
		t.Errorf("executed within the cooldown: %v", err)
	}
	s.Advance(4 * time.Minute)
	if n := len(groupOf(t, s).InService()); n != 2 {
		t.Errorf("within the cooldown: %d", n)
	}
	s.Advance(2 * time.Minute)
	if n := len(groupOf(t, s).InService()); n != 3 {
		t.Errorf("after the cooldown: %d", n)
	}
}

// TestRefreshPauses stops between two instances and goes on; suspended, it is in progress and not cancelled.
func TestRefreshPauses(t *testing.T) {
	s := start(t, Config{Delays: Delays{Launch: time.Minute, Terminate: time.Minute}})
	if err := s.CreateGroup(GroupSpec{Name: "web", Desired: 3}); err != nil {
		t.Fatal(err)
	}
	s.Advance(5 * time.Minute)
	old := groupOf(t, s).InService()
	refreshed(t, s)
	s.Advance(30 * time.Second)
	if err := s.Suspend("web", "InstanceRefresh"); err != nil {
		t.Fatal(err)
	}
	s.Advance(time.Hour)
	progress := func(status types.InstanceRefreshStatus, left int32) {
		t.Helper()
		r := must(as(s, "AKIA").asg.DescribeInstanceRefreshes(t.Context(), &autoscaling.DescribeInstanceRefreshesInput{AutoScalingGroupName: aws.String("web")}))(t).InstanceRefreshes[0]
		if r.Status != status || *r.InstancesToUpdate != left {
			t.Errorf("%s, %d to update", r.Status, *r.InstancesToUpdate)
		}
	}
	progress("InProgress", 2)
	if now := groupOf(t, s).InService(); len(now) != 3 || !slices.Equal(now[:2], old[1:]) {
		t.Errorf("paused with %v of %v", now, old)
	}
	if err := s.Resume("web", "InstanceRefresh"); err != nil {
		t.Fatal(err)
	}
	s.Advance(time.Hour)
	progress("Successful", 0)
}

// TestMend keeps an instance that has been broken only while nobody looked; one that is marked stays marked.
func TestMend(t *testing.T) {
	s := start(t, Config{})
	web(t, s, 1)
	if err := s.Suspend("web", "HealthCheck"); err != nil {
		t.Fatal(err)
	}
	oldest((*Sim).Break)(t, s)
	s.Advance(time.Minute)
	oldest((*Sim).Mend)(t, s)
	if err := s.Resume("web", "HealthCheck"); err != nil {
		t.Fatal(err)
	}
	s.Advance(time.Minute)
	if in := groupOf(t, s).Instances; len(in) != 1 || !in[0].Healthy || in[0].Broken {
		t.Errorf("mended: %+v", in)
	}
	if s.Break("i-0") == nil || s.Suspend("x", "Launch") == nil || s.SetDesired("web", 99) == nil {
		t.Error("what is not there has been changed")
	}
}
