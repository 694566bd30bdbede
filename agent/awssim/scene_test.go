package awssim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
)

// TestGroupOnWallClock runs a group on the wall clock, waiting for conditions only.
func TestGroupOnWallClock(t *testing.T) {
	s := must(New(Config{Addresses: func(n int) string { return fmt.Sprintf("127.0.0.%d", 10+n) },
		Delays: Delays{Launch: time.Millisecond, Terminate: time.Millisecond, Reconcile: time.Millisecond}}))(t)
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.CreateGroup(GroupSpec{Name: "web", Max: 3, Desired: 2}); err != nil {
		t.Fatal(err)
	}
	serving := func(n int) func() bool {
		return func() bool { g, _ := s.Group("web"); return len(g.InService()) == n && len(g.Instances) == n }
	}
	if err := s.Until(ctx, serving(2)); err != nil {
		t.Fatal(err)
	}
	if a := groupOf(t, s).Instances[1].Address; a != "127.0.0.12" {
		t.Errorf("address: %s", a)
	}
	first := groupOf(t, s).Instances[0].ID
	if err := s.Break(first); err != nil {
		t.Fatal(err)
	}
	if err := s.Until(ctx, func() bool { in, _ := s.Instance(first); return in.State == terminated && serving(2)() }); err != nil {
		t.Fatal(err, groupOf(t, s))
	}
	over, end := context.WithCancel(ctx)
	end()
	if err := s.Until(over, func() bool { return false }); err != context.Canceled {
		t.Errorf("what cannot be ends with %v", err)
	}
}

func TestWatch(t *testing.T) {
	s := start(t, Config{})
	id := web(t, s, 1).Instances[0].ID
	changes, cancel := s.Watch()
	if err := suspendAZ(t.Context(), as(s, AccessKey(id))); err != nil {
		t.Fatal(err)
	}
	if err := s.Resume("web", "AZRebalance"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []Change{{At: s.Now(), Kind: Suspended, Group: "web", Process: "AZRebalance", Text: "User suspended at 2026-11-25T12:01:00Z", By: id}, {At: s.Now(), Kind: Resumed, Group: "web", Process: "AZRebalance"}} {
		if got := <-changes; got != want {
			t.Errorf("%+v, not %+v", got, want)
		}
	}
	cancel()
	if c, open := <-changes; open {
		t.Errorf("cancelled, it still tells: %+v", c)
	}
}

func TestSuspensionSwitches(t *testing.T) {
	twice := func(t *testing.T, w Switches) string {
		s := start(t, Config{Switches: w})
		web(t, s, 0)
		for range 2 {
			if err := suspendAZ(t.Context(), as(s, "AKIA")); err != nil {
				t.Fatal(err)
			}
			s.Advance(time.Hour)
		}
		return groupOf(t, s).Suspended["AZRebalance"]
	}
	for want, w := range map[string]Switches{"User suspended at 2026-11-25T12:01:00Z": {}, "User suspended at 2026-11-25T13:01:00Z": {RestampOnSuspend: true}, "": {NoStamp: true}} {
		if got := twice(t, w); got != want {
			t.Errorf("%+v: %q", w, got)
		}
	}
	s := start(t, Config{Switches: Switches{EmptyListMeansAll: true}})
	web(t, s, 0)
	must(as(s, "AKIA").asg.SuspendProcesses(t.Context(), &autoscaling.SuspendProcessesInput{AutoScalingGroupName: aws.String("web"), ScalingProcesses: []string{}}))(t)
	if got := suspended(t, s); len(got) != 9 {
		t.Errorf("an empty list: %v", got)
	}
}

func TestTagLimits(t *testing.T) {
	s := start(t, Config{})
	web(t, s, 0)
	many := func(from, n int) (out []types.Tag) {
		for i := range n {
			out = append(out, types.Tag{ResourceId: aws.String("web"), ResourceType: aws.String("auto-scaling-group"), Key: aws.String(fmt.Sprint("k", from+i)), Value: aws.String("v"), PropagateAtLaunch: aws.Bool(false)})
		}
		return out
	}
	one := func(key, value string) []types.Tag {
		tags := many(0, 1)
		tags[0].Key, tags[0].Value = &key, &value
		return tags
	}
	elsewhere := many(0, 1)
	elsewhere[0].ResourceId = aws.String("x")
	for _, tt := range []struct {
		tags []types.Tag
		code string
	}{
		{many(0, 25), ""}, {many(25, 26), "ValidationError"}, {many(25, 25), ""}, {many(50, 1), "LimitExceeded"}, {many(0, 1), ""},
		{one(strings.Repeat("é", 129), ""), "ValidationError"}, {one("k0", strings.Repeat("é", 257)), "ValidationError"}, {one("k0", strings.Repeat("é", 256)), ""},
		{one("aws:x", ""), "ValidationError"}, {elsewhere, "ValidationError"},
	} {
		_, err := as(s, "AKIA").asg.CreateOrUpdateTags(t.Context(), &autoscaling.CreateOrUpdateTagsInput{Tags: tt.tags})
		if code(err) != tt.code {
			t.Errorf("%d tags from %.9s: %v, not %q", len(tt.tags), *tt.tags[0].Key, err, tt.code)
		}
	}
	for filter, want := range map[string]int{"tag-key=k7": 1, "tag-value=v": 1, "tag:k7=v": 1, "tag:k7=w": 0, "tag-key=none": 0} {
		name, value, _ := strings.Cut(filter, "=")
		out := must(as(s, "AKIA").asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{Filters: []types.Filter{{Name: &name, Values: []string{value}}}, IncludeInstances: aws.Bool(false)}))(t)
		if len(out.AutoScalingGroups) != want {
			t.Errorf("%s: %d groups", filter, len(out.AutoScalingGroups))
		}
	}
	ignoring := start(t, Config{Switches: Switches{DeleteTagsIgnoresValue: true}})
	web(t, ignoring, 0)
	ignoring.do(func() { ignoring.setTag(ignoring.state.Groups["web"], "k0", tag{Value: "other"}) })
	must(as(ignoring, "AKIA").asg.DeleteTags(t.Context(), &autoscaling.DeleteTagsInput{Tags: many(0, 1)}))(t)
	if g := groupOf(t, ignoring); len(g.Tags) != 0 {
		t.Errorf("tags: %v", g.Tags)
	}
}

// TestLifecycleHooks holds instances at launch and at termination; a heartbeat that runs out gives the default result.
func TestLifecycleHooks(t *testing.T) {
	for _, tt := range []struct{ transition, result, held, after string }{
		{launchTransition, "CONTINUE", pendingWait, "InService InService"},
		{launchTransition, "ABANDON", pendingWait, "InService Pending:Wait"}, // one more is launched, and waits in its turn
		{terminateTransition, "CONTINUE", termWait, ""},
		{terminateTransition, "ABANDON", termWait, ""},
	} {
		t.Run(tt.transition+" "+tt.result, func(t *testing.T) {
			s := start(t, Config{})
			web(t, s, 1)
			s.do(func() {
				if err := s.putHook(s.state.Groups["web"], &hook{Name: "h", Transition: tt.transition, Default: tt.result, Heartbeat: 10 * time.Minute}); err != nil {
					t.Error(err)
				}
			})
			desire(map[string]int{launchTransition: 2, terminateTransition: 0}[tt.transition])(t, s)
			s.Advance(9 * time.Minute)
			stateOf(t, s, tt.held)
			s.Advance(2 * time.Minute)
			var states []string
			for _, in := range groupOf(t, s).Instances {
				states = append(states, in.State)
			}
			slices.Sort(states)
			if got := strings.Join(states, " "); got != tt.after {
				t.Errorf("after the heartbeat: %s, not %s", got, tt.after)
			}
		})
	}
}

// TestForcedDelete goes on whatever is suspended, and waits for no hook.
func TestForcedDelete(t *testing.T) {
	s := start(t, Config{})
	web(t, s, 2)
	s.do(func() {
		g := s.state.Groups["web"]
		s.suspend(g, processes())
		if err := s.putHook(g, &hook{Name: "h", Transition: terminateTransition}); err != nil {
			t.Error(err)
		}
		if err := s.deleteGroup("web", true); err != nil {
			t.Error(err)
		}
	})
	c := as(s, "AKIA")
	if out := must(c.asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{}))(t); aws.ToString(out.AutoScalingGroups[0].Status) != "Delete in progress" {
		t.Errorf("status: %+v", out.AutoScalingGroups[0])
	}
	if err := suspendAZ(t.Context(), c); code(err) != "ValidationError" || !strings.Contains(err.Error(), "pending delete") {
		t.Errorf("suspended on its way out: %v", err)
	}
	s.Advance(time.Minute)
	if left := s.Groups(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	out := must(c.asg.DescribeScalingActivities(t.Context(), &autoscaling.DescribeScalingActivitiesInput{IncludeDeletedGroups: aws.Bool(true)}))(t)
	if len(out.Activities) != 4 || aws.ToString(out.Activities[0].AutoScalingGroupState) != "Deleted" {
		t.Errorf("activities: %+v", out.Activities)
	}
}

// TestScaleInPolicy takes the oldest of the zone that has most, and never who is protected.
func TestScaleInPolicy(t *testing.T) {
	s := start(t, Config{})
	ids := web(t, s, 3).InService() // a, b, a
	desire(2)(t, s)
	s.Advance(time.Minute)
	if got := groupOf(t, s).InService(); !slices.Equal(got, ids[1:]) {
		t.Errorf("left: %v of %v", got, ids)
	}
	s.do(func() {
		for _, in := range s.members("web") {
			in.Protected = true
		}
	})
	desire(0)(t, s)
	s.Advance(time.Minute)
	if got := groupOf(t, s).InService(); len(got) != 2 {
		t.Errorf("left: %v", got)
	}
}

// TestGracePeriod leaves a broken instance alone until its time is over.
func TestGracePeriod(t *testing.T) {
	s := start(t, Config{})
	if err := s.CreateGroup(GroupSpec{Name: "web", Max: 2, Desired: 1, GracePeriod: 10 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	s.Advance(time.Minute)
	oldest((*Sim).Break)(t, s)
	s.Advance(8 * time.Minute)
	if got := counts(s); got != "1 +0 -0" {
		t.Errorf("within the grace period: %s", got)
	}
	s.Advance(2 * time.Minute)
	if got := counts(s); got != "1 +0 -1" {
		t.Errorf("after the grace period: %s", got)
	}
}
