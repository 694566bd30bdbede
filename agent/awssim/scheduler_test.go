package awssim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schtypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
)

// deadMan creates a schedule as the guard does: to resume after so long, and no more once it has.
func deadMan(t testing.TB, s *Sim, after time.Duration, change func(*scheduler.CreateScheduleInput)) *scheduler.CreateScheduleInput {
	t.Helper()
	in := &scheduler.CreateScheduleInput{Name: aws.String("wm-1"), ScheduleExpression: aws.String("at(" + s.Now().Add(after).UTC().Format("2006-01-02T15:04:05") + ")"),
		FlexibleTimeWindow: &schtypes.FlexibleTimeWindow{Mode: "OFF"}, ActionAfterCompletion: "DELETE",
		Target: &schtypes.Target{Arn: aws.String("arn:aws:scheduler:::aws-sdk:autoscaling:resumeProcesses"), RoleArn: aws.String("arn:aws:iam::1:role/unknown"),
			Input:       aws.String(`{"AutoScalingGroupName":"web","ScalingProcesses":["AZRebalance"]}`),
			RetryPolicy: &schtypes.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(60), MaximumRetryAttempts: aws.Int32(3)}}}
	if change != nil {
		change(in)
	}
	must(as(s, "AKIA").sch.CreateSchedule(t.Context(), in))(t)
	return in
}

func minutely() Config { return Config{Delays: Delays{Schedule: time.Minute, Retry: time.Second}} }

// suspended gives the suspended processes of web, in order.
func suspended(t testing.TB, s *Sim) (out []string) {
	t.Helper()
	for p := range groupOf(t, s).Suspended {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// fired counts the calls of the schedule's target.
func fired(s *Sim) (n int) {
	for _, r := range s.Requests() {
		if r.Caller == schedulerCaller {
			n++
		}
	}
	return n
}

func TestScheduleFiresAtTheMinute(t *testing.T) {
	s := start(t, minutely())
	web(t, s, 1)
	if err := s.Suspend("web", "AZRebalance", "Launch"); err != nil {
		t.Fatal(err)
	}
	deadMan(t, s, 10*time.Minute+10*time.Second, nil) // it stands at :01:00.7, so this is for :11:10
	s.Advance(10*time.Minute + 50*time.Second)
	if got := suspended(t, s); len(got) != 2 {
		t.Errorf("before its time: %v", got)
	}
	s.Advance(time.Minute)
	if got := suspended(t, s); !slices.Equal(got, []string{"Launch"}) {
		t.Errorf("fired, it leaves %v", got)
	}
	if _, err := as(s, "AKIA").sch.GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: aws.String("wm-1")}); code(err) != "ResourceNotFoundException" {
		t.Errorf("it is not deleted: %v", err)
	}
}

func TestScheduleDetails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*scheduler.CreateScheduleInput)
		left   string // what is suspended an hour later, of AZRebalance and Launch
		there  bool   // the schedule
	}{
		{"an omitted list means all", func(in *scheduler.CreateScheduleInput) {
			in.Target.Input = aws.String(`{"AutoScalingGroupName":"web"}`)
		}, "", false},
		{"NONE keeps it", func(in *scheduler.CreateScheduleInput) { in.ActionAfterCompletion = "NONE" }, "Launch", true},
		{"disabled", func(in *scheduler.CreateScheduleInput) { in.State = "DISABLED" }, "AZRebalance Launch", true},
		{"another zone's time", func(in *scheduler.CreateScheduleInput) {
			in.ScheduleExpressionTimezone = aws.String("America/New_York") // five hours later
		}, "AZRebalance Launch", true},
		{"a time that has passed", func(in *scheduler.CreateScheduleInput) {
			in.ScheduleExpression = aws.String("at(2026-01-01T00:00:00)")
		}, "Launch", false},
		{"suspending", func(in *scheduler.CreateScheduleInput) {
			in.Target.Arn = aws.String("arn:aws:scheduler:::aws-sdk:autoscaling:suspendProcesses")
			in.Target.Input = aws.String(`{"AutoScalingGroupName":"web","ScalingProcesses":["Terminate"]}`)
		}, "AZRebalance Launch Terminate", false},
		{"something else", func(in *scheduler.CreateScheduleInput) {
			in.Target.Arn = aws.String("arn:aws:lambda:eu-west-1:1:function:f")
		}, "AZRebalance Launch", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, minutely())
			web(t, s, 1)
			if err := s.Suspend("web", "AZRebalance", "Launch"); err != nil {
				t.Fatal(err)
			}
			deadMan(t, s, 10*time.Minute, tt.change)
			s.Advance(time.Hour)
			if got := strings.Join(suspended(t, s), " "); got != tt.left {
				t.Errorf("suspended: %s", got)
			}
			_, err := as(s, "AKIA").sch.GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: aws.String("wm-1")})
			if (err == nil) != tt.there {
				t.Errorf("the schedule: %v", err)
			}
		})
	}
}

// TestScheduleRetries has the target fail: it is tried again as often, and as long, as the policy says.
func TestScheduleRetries(t *testing.T) {
	for _, tt := range []struct {
		name  string
		retry time.Duration
		fault Fault
		calls int
		done  bool
	}{
		{"as often", time.Second, Fault{Caller: schedulerCaller, Deny: true}, 4, false},
		{"as long", 25 * time.Second, Fault{Caller: schedulerCaller, Throttle: true}, 3, false},
		{"done without an answer", time.Second, Fault{Caller: schedulerCaller, NoAnswer: true, Times: 1}, 2, true},
		{"until it works", time.Second, Fault{Caller: schedulerCaller, Status: 500, Code: "ResourceContention", Times: 2}, 3, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := minutely()
			c.Delays.Retry = tt.retry
			s := start(t, c)
			web(t, s, 1)
			if err := s.Suspend("web", "AZRebalance"); err != nil {
				t.Fatal(err)
			}
			s.Inject(tt.fault)
			deadMan(t, s, 10*time.Minute, nil)
			s.Advance(time.Hour)
			if fired(s) != tt.calls || len(suspended(t, s)) == 0 != tt.done {
				t.Errorf("%d calls, suspended: %v", fired(s), suspended(t, s))
			}
		})
	}
}

func TestScheduleOfGoneGroup(t *testing.T) {
	s := start(t, minutely())
	web(t, s, 1)
	deadMan(t, s, 10*time.Minute, nil)
	s.do(func() {
		if err := s.deleteGroup("web", true); err != nil {
			t.Error(err)
		}
	})
	s.Advance(time.Hour)
	all := s.Requests()
	if last := all[len(all)-1]; fired(s) != 4 || last.Code != "ValidationError" {
		t.Errorf("%d calls, the last: %+v", fired(s), last)
	}
}

// TestScheduleMoved has an update move a schedule; and the name is taken until it is deleted.
func TestScheduleMoved(t *testing.T) {
	s := start(t, minutely())
	web(t, s, 1)
	if err := s.Suspend("web", "AZRebalance"); err != nil {
		t.Fatal(err)
	}
	c := as(s, "AKIA")
	in := deadMan(t, s, 10*time.Minute, func(in *scheduler.CreateScheduleInput) { in.ClientToken = aws.String("one") })
	must(c.sch.CreateSchedule(t.Context(), in))(t) // the same call again: a retry
	must(c.sch.UpdateSchedule(t.Context(), &scheduler.UpdateScheduleInput{Name: in.Name, ScheduleExpression: aws.String("at(2026-11-25T14:00:00)"), FlexibleTimeWindow: in.FlexibleTimeWindow, Target: in.Target}))(t)
	s.Advance(time.Hour)
	if got := suspended(t, s); len(got) != 1 {
		t.Errorf("moved, it fired at its first time: %v", got)
	}
	s.Advance(time.Hour)
	if got := suspended(t, s); len(got) != 0 || fired(s) != 1 {
		t.Errorf("it has not fired once: %d, %v", fired(s), got)
	}
	in.ClientToken = aws.String("two")
	if _, err := c.sch.CreateSchedule(t.Context(), in); code(err) != "ConflictException" {
		t.Errorf("done, and kept by the update, it still has its name: %v", err)
	}
}

// TestScheduleOfAnotherPartition is refused: a target's ARN names the partition that it is in.
func TestScheduleOfAnotherPartition(t *testing.T) {
	s := start(t, Config{Region: "cn-north-1"})
	web(t, s, 1)
	for partition, want := range map[string]string{"aws": "ValidationException", "aws-cn": ""} {
		_, err := as(s, "AKIA").sch.CreateSchedule(t.Context(), &scheduler.CreateScheduleInput{Name: &partition, ScheduleExpression: aws.String("at(2027-01-01T00:00:00)"), FlexibleTimeWindow: &schtypes.FlexibleTimeWindow{Mode: "OFF"},
			Target: &schtypes.Target{Arn: aws.String("arn:" + partition + ":scheduler:::aws-sdk:autoscaling:resumeProcesses"), RoleArn: aws.String("arn:" + partition + ":iam::1:role/r")}})
		if code(err) != want {
			t.Errorf("%s: %v", partition, err)
		}
	}
	if g := groupOf(t, s); !strings.HasPrefix(g.ARN, "arn:aws-cn:autoscaling:cn-north-1:123456789012:autoScalingGroup:") {
		t.Errorf("group: %s", g.ARN)
	}
}

func TestPastScheduleRefused(t *testing.T) {
	s := start(t, Config{Switches: Switches{PastScheduleRefused: true}})
	_, err := as(s, "AKIA").sch.CreateSchedule(t.Context(), &scheduler.CreateScheduleInput{Name: aws.String("x"), ScheduleExpression: aws.String("at(2026-01-01T00:00:00)"), FlexibleTimeWindow: &schtypes.FlexibleTimeWindow{Mode: "OFF"},
		Target: &schtypes.Target{Arn: aws.String("arn:aws:lambda:eu-west-1:1:function:f"), RoleArn: aws.String("r")}})
	if code(err) != "ValidationException" {
		t.Error(err)
	}
}
