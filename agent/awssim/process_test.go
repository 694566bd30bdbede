package awssim

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
)

// source is something that makes Auto Scaling launch or terminate in a group of four, what comes of it, and what comes
// of it while a process is suspended and once that is resumed, where that differs.
type source struct {
	name      string
	cause     func(testing.TB, *Sim)
	outcome   string
	suspended map[string]string // by process; where it is not here: as outcome
	resumed   map[string]string // by process; where it is not here: as outcome
}

// counts is how many serve, how many have been launched since there were four, and how many are no more.
func counts(s *Sim) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	serving, launched, gone := 0, 0, 0
	for _, in := range s.state.Instances {
		if in.State == inService && !in.Gone {
			serving++
		}
		if in.N > 4 {
			launched++
		}
		if in.Gone {
			gone++
		}
	}
	return fmt.Sprintf("%d +%d -%d", serving, launched, gone)
}

func desire(n int) func(testing.TB, *Sim) {
	return func(t testing.TB, s *Sim) {
		if err := s.SetDesired("web", n); err != nil {
			t.Fatal(err)
		}
	}
}

// oldest does something to the oldest instance.
func oldest(do func(*Sim, string) error) func(testing.TB, *Sim) {
	return func(t testing.TB, s *Sim) {
		if err := do(s, groupOf(t, s).InService()[0]); err != nil {
			t.Fatal(err)
		}
	}
}

func byHand(t testing.TB, s *Sim) {
	must(as(s, "AKIA").asg.TerminateInstanceInAutoScalingGroup(t.Context(), &autoscaling.TerminateInstanceInAutoScalingGroupInput{InstanceId: aws.String(groupOf(t, s).InService()[0]), ShouldDecrementDesiredCapacity: aws.Bool(false)}))(t)
}

func markedByUser(t testing.TB, s *Sim) {
	must(as(s, "AKIA").asg.SetInstanceHealth(t.Context(), &autoscaling.SetInstanceHealthInput{InstanceId: aws.String(groupOf(t, s).InService()[0]), HealthStatus: aws.String("Unhealthy")}))(t)
}

func alarmed(change int32) func(testing.TB, *Sim) {
	return func(t testing.TB, s *Sim) {
		p := must(as(s, "AKIA").asg.PutScalingPolicy(t.Context(), &autoscaling.PutScalingPolicyInput{AutoScalingGroupName: aws.String("web"), PolicyName: aws.String("p"), AdjustmentType: aws.String("ChangeInCapacity"), ScalingAdjustment: &change}))(t)
		s.do(func() { s.putAlarm(&alarm{Name: "cpu", Actions: []string{*p.PolicyARN}}) })
		if err := s.SetAlarm("cpu", "ALARM"); err != nil {
			t.Fatal(err)
		}
	}
}

func scheduled(n int32) func(testing.TB, *Sim) {
	return func(t testing.TB, s *Sim) {
		must(as(s, "AKIA").asg.PutScheduledUpdateGroupAction(t.Context(), &autoscaling.PutScheduledUpdateGroupActionInput{AutoScalingGroupName: aws.String("web"), ScheduledActionName: aws.String("a"), StartTime: aws.Time(s.Now().Add(time.Minute)), DesiredCapacity: &n}))(t)
	}
}

func refreshed(t testing.TB, s *Sim) {
	must(as(s, "AKIA").asg.StartInstanceRefresh(t.Context(), &autoscaling.StartInstanceRefreshInput{AutoScalingGroupName: aws.String("web")}))(t)
}

// uneven puts all into one zone, with no room above Max.
func uneven(t testing.TB, s *Sim) {
	s.do(func() {
		for _, in := range s.members("web") {
			in.Zone = "eu-west-1a"
		}
		s.state.Groups["web"].Max = 4
		s.reconcile("web")
	})
}

// aged gives the group a greatest age that all instances have reached; their successors do not within this test.
func aged(t testing.TB, s *Sim) {
	s.Advance(2 * time.Hour)
	must(as(s, "AKIA").asg.UpdateAutoScalingGroup(t.Context(), &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: aws.String("web"), MaxInstanceLifetime: aws.Int32(3600)}))(t)
}

// sources are all of them; what is suspended does what the user guide's tables say (aws-facts 2.4).
func sources() []source {
	const nothing = "4 +0 -0"
	by := func(outcome string, processes ...string) map[string]string {
		m := map[string]string{}
		for _, p := range processes {
			m[p] = outcome
		}
		return m
	}
	and := func(m map[string]string, process, outcome string) map[string]string {
		m[process] = outcome
		return m
	}
	return []source{
		{"scale-out by hand", desire(5), "5 +1 -0", by(nothing, "Launch"), nil},
		{"scale-in by hand", desire(3), "3 +0 -1", by(nothing, "Terminate"), nil},
		{"an instance fails its status check", oldest((*Sim).Break), "4 +1 -1", and(by(nothing, "HealthCheck", "ReplaceUnhealthy", "Terminate"), "Launch", "3 +0 -1"), nil},
		{"an instance is marked unhealthy by hand", markedByUser, "4 +1 -1", and(by(nothing, "ReplaceUnhealthy", "Terminate"), "Launch", "3 +0 -1"), nil},
		{"an instance is terminated by hand", byHand, "4 +1 -1", by("3 +0 -1", "Launch"), nil},
		{"an alarm wants more", alarmed(1), "5 +1 -0", by(nothing, "AlarmNotification", "Launch"), nil},
		{"an alarm wants less", alarmed(-1), "3 +0 -1", by(nothing, "AlarmNotification", "Terminate"), nil},
		{"a scheduled action wants more", scheduled(5), "5 +1 -0", by(nothing, "ScheduledActions", "Launch"), by(nothing, "ScheduledActions")},
		{"a scheduled action wants less", scheduled(3), "3 +0 -1", by(nothing, "ScheduledActions", "Terminate"), by(nothing, "ScheduledActions")},
		{"zones are uneven", uneven, "4 +2 -2", and(by(nothing, "AZRebalance", "Launch"), "Terminate", "5 +1 -0"), nil},
		{"instances are too old", aged, "4 +4 -4", by(nothing, "Launch", "Terminate"), nil},
		{"an instance refresh", refreshed, "4 +4 -4", by(nothing, "InstanceRefresh", "Launch", "Terminate"), nil},
		{"a Spot interruption", oldest((*Sim).Spot), "4 +1 -1", by("3 +0 -1", "HealthCheck", "ReplaceUnhealthy", "Terminate", "Launch"), nil},
	}
}

func TestProcessEffects(t *testing.T) {
	for _, src := range sources() {
		for _, p := range append(processes(), "") {
			t.Run(src.name+"/"+p, func(t *testing.T) {
				t.Parallel()
				s := start(t, Config{})
				web(t, s, 4)
				if p != "" {
					if err := s.Suspend("web", p); err != nil {
						t.Fatal(err)
					}
				}
				src.cause(t, s)
				s.Advance(10 * time.Minute)
				if want := or(src.suspended[p], src.outcome); counts(s) != want {
					t.Fatalf("%s suspended: %s, not %s", p, counts(s), want)
				}
				if p == "" {
					return
				}
				if err := s.Resume("web", p); err != nil {
					t.Fatal(err)
				}
				s.Advance(10 * time.Minute)
				if want := or(src.resumed[p], src.outcome); counts(s) != want {
					t.Fatalf("%s resumed: %s, not %s", p, counts(s), want)
				}
			})
		}
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
