package awssim

import (
	"strings"
	"testing"
	"time"
)

// rate is AWS's way of throttling: some calls at once, then so many a second.
func TestRate(t *testing.T) {
	f := fault{Fault: Fault{Rate: 2, Burst: 3}}
	now, got := aDay(), ""
	for _, wait := range []time.Duration{0, 0, 0, 0, 500 * time.Millisecond, 0, time.Second, 0, 0, time.Hour, 0, 0, 0} {
		now = now.Add(wait)
		got += map[bool]string{true: "+", false: "-"}[f.spare(now)]
	}
	if got != "+++-+-++-+++-" {
		t.Errorf("got %s", got)
	}
}

// What EC2 refuses, and what a lifecycle hook holds up until its heartbeat has run out, is told in the activities.
func TestLaunchesThatComeToNothing(t *testing.T) {
	why := "no capacity."
	r := newRig(t, 1, DeploymentGroupSpec{}, Config{Refused: func(group string) string {
		if group == "green" {
			return why
		}
		return ""
	}})
	if err := r.CreateGroup(GroupSpec{Name: "green", Desired: 1}); err != nil {
		t.Fatal(err)
	}
	if err := r.AddHook("blue", "mine", true, 5*time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := r.SetDesired("blue", 2); err != nil {
		t.Fatal(err)
	}
	r.Advance(8 * time.Minute)
	refused, abandoned := 0, 0
	for _, a := range r.state.Activities {
		switch {
		case a.Group == "green" && a.Status == "Failed" && a.Message == "no capacity. Launching EC2 instance failed." && strings.Contains(a.Description, "Status Reason: no capacity."):
			refused++
		case a.Group == "blue" && a.Status == "Cancelled" && strings.Contains(a.Message, "was abandoned: Heartbeat Timeout"):
			abandoned++
		}
	}
	if refused < 2 || abandoned != 1 {
		t.Errorf("%d refused, %d abandoned", refused, abandoned)
	}
}

// A CodeDeploy agent that takes no command is told from an instance that is gone by nothing but the instance.
func TestADeafAgent(t *testing.T) {
	deaf := false
	r := newRig(t, 1, DeploymentGroupSpec{Config: "CodeDeployDefault.AllAtOnce"}, Config{Deaf: func(string) bool { return deaf }})
	deaf = true
	v := r.end(r.deploy(DeploymentSpec{}))
	e := v.Targets[0].Events[0]
	if v.Status != "Failed" || e.Status != "Failed" || !strings.HasPrefix(e.Message, "CodeDeploy agent was not able to receive the lifecycle event") || v.Completed.Sub(v.Started) < 5*time.Minute {
		t.Errorf("%+v", v)
	}
}

// What CodeDeploy fails before it begins leaves nothing behind.
func TestADeploymentThatCannotBegin(t *testing.T) {
	r := newRig(t, 1, DeploymentGroupSpec{BlueGreen: true}, Config{Ends: func() (string, string) { return "IAM_ROLE_MISSING", "no role" }})
	v := r.end(r.deploy(DeploymentSpec{}))
	if v.ErrorCode != "IAM_ROLE_MISSING" || len(v.Targets) > 0 || len(r.Groups()) != 1 {
		t.Errorf("%+v, groups %q", v, r.Groups())
	}
}
