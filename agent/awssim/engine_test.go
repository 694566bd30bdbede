package awssim

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestBlueGreen follows a deployment as TRACE has it: green is made of blue with its tags, held still until blue is out
// of traffic, becomes the deployment group's, and blue goes.
func TestBlueGreen(t *testing.T) {
	var order []string
	s := newRig(t, 2, DeploymentGroupSpec{BlueGreen: true, TerminationWait: 5 * time.Minute, Config: "CodeDeployDefault.AllAtOnce"}, Config{Deployed: func(p Progress) {
		if p.Instance == "" {
			order = append(order, p.Status)
		}
	}})
	id := s.deploy(DeploymentSpec{})
	green := "CodeDeploy_web_" + id
	s.until(id, "at ValidateService", at("Green", "ValidateService"))
	s.do(func() {
		g := s.state.Groups[green]
		tags := map[string]tag{"team": {"web", true}, "note": {"kept", false}, provisioningTag: {id, false}}
		if diff := cmp.Diff(tags, g.Tags); diff != "" {
			t.Errorf("green's tags (-want +got)\n%s", diff)
		}
		if g.Min != 1 || g.Max != 4 || g.Desired != 2 || len(g.TargetGroupARNs) != 0 {
			t.Errorf("green is %+v", g)
		}
	})
	if got := s.suspendedOn(green); got != "AddToLoadBalancer AlarmNotification ScheduledActions" {
		t.Errorf("suspended on green: %s", got)
	}
	s.until(id, "waiting for blue's end", func(v DeploymentView) bool { return s.suspendedOn(green) == "" })
	if n := len(s.InService(s.tg)); n != 2 || s.view(id).Status != "InProgress" {
		t.Errorf("%d targets in service while the deployment is %s", n, s.view(id).Status)
	}
	s.do(func() {
		g := s.state.deploymentGroup("shop", "web")
		if len(g.ScalingGroups) != 1 || g.ScalingGroups[0].Name != green || s.state.Groups["blue"] == nil {
			t.Errorf("in the wait the deployment group has %v and blue is %v", g.ScalingGroups, s.state.Groups["blue"])
		}
	})
	want := "Succeeded \n" + strings.Repeat("Green Succeeded: "+greenDone, 2) + strings.Repeat("Blue Succeeded: "+blueDone, 2)
	if diff := cmp.Diff(want, story(s.end(id))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s.Advance(10 * time.Minute)
	s.do(func() {
		if s.state.Groups["blue"] != nil {
			t.Error("blue is still there")
		}
	})
	if got := strings.Join(order, ", "); got != "Created, Queued, InProgress, Succeeded" {
		t.Errorf("it went: %s", got)
	}
}

// at says that an instance with a label is in an event.
func at(label, name string) func(DeploymentView) bool {
	return func(v DeploymentView) bool {
		return slices.ContainsFunc(v.Targets, func(t TargetView) bool {
			return t.Label == label && slices.ContainsFunc(t.Events, func(e EventView) bool { return e.Name == name && e.Status != "Pending" })
		})
	}
}

// failing is an agent on which an event fails everywhere, or on the first so many instances that come to it.
func failing(name string, first int) Agent {
	var mu sync.Mutex
	n := 0
	return func(c Command, done func(Outcome)) {
		mu.Lock()
		hit := c.Event == name && n < first
		if hit {
			n++
		}
		mu.Unlock()
		if hit {
			done(Outcome{ErrorCode: "ScriptFailed", Script: "hooks/wingman.sh", Message: "Script at specified location: hooks/wingman.sh failed with exit code 1", Log: strings.Repeat("x", 5000)})
			return
		}
		done(Outcome{Succeeded: true})
	}
}

// TestEachEventFails has each event fail on all its instances: what it was before is done, what would follow is not.
func TestEachEventFails(t *testing.T) {
	for _, side := range []struct {
		label  string
		events []string
	}{{"Green", slices.Concat(installEvents(), allowEvents())}, {"Blue", blockEvents()}} {
		for i, name := range side.events {
			if name == "AllowTraffic" || name == "BlockTraffic" {
				continue // not the agent's
			}
			t.Run(side.label+"/"+name, func(t *testing.T) {
				s := newRig(t, 2, DeploymentGroupSpec{BlueGreen: true, Config: "CodeDeployDefault.AllAtOnce"}, Config{Agent: failing(name, 2)})
				id := s.deploy(DeploymentSpec{})
				v := s.end(id)
				if v.Status != "Failed" || v.ErrorCode != "HEALTH_CONSTRAINTS" || v.ErrorMessage != constraints {
					t.Errorf("it is %s %s %s", v.Status, v.ErrorCode, v.ErrorMessage)
				}
				if got := s.suspendedOn("CodeDeploy_web_" + id); got != "" {
					t.Errorf("suspended on green afterwards: %s", got)
				}
				for _, target := range v.Targets {
					if target.Label != side.label {
						continue
					}
					for k, e := range target.Events {
						if want := map[bool]string{true: "Succeeded", false: "Skipped"}[k < i]; k != i && e.Status != want {
							t.Errorf("%s is %s, not %s", e.Name, e.Status, want)
						}
					}
					if e := target.Events[i]; target.Status != "Failed" || e.Status != "Failed" || e.ErrorCode != "ScriptFailed" || len(e.Log) != 4096 {
						t.Errorf("the target is %s, the event %s %s with %d bytes", target.Status, e.Status, e.ErrorCode, len(e.Log))
					}
				}
			})
		}
	}
}

// TestLost: an instance that goes in the middle of an event fails it an hour after its start, one that went before it
// after 5 minutes.
func TestLost(t *testing.T) {
	s := newRig(t, 1, DeploymentGroupSpec{BlueGreen: true}, Config{})
	id := s.deploy(DeploymentSpec{})
	s.until(id, "in BeforeInstall", at("Green", "BeforeInstall"))
	s.terminateOne("CodeDeploy_web_" + id)
	if e := s.end(id).Targets[0].Events[2]; e.Status != "Failed" || e.ErrorCode != "UnknownError" || e.End.Sub(e.Start) != time.Hour {
		t.Errorf("%+v", e)
	}

	s = newRig(t, 1, DeploymentGroupSpec{BlueGreen: true, ReadyWait: time.Hour}, Config{})
	id = s.deploy(DeploymentSpec{})
	s.until(id, "ready", func(v DeploymentView) bool { return v.Status == "Ready" })
	s.terminateOne("CodeDeploy_web_" + id)
	began := s.Now()
	if err := s.Continue(id, "READY_WAIT"); err != nil {
		t.Fatal(err)
	}
	if e := s.end(id).Targets[0].Events[7]; e.Status != "Failed" || e.ErrorCode != "UnknownError" || e.End.Sub(began) != 5*time.Minute {
		t.Errorf("%+v, begun %v", e, began)
	}
}

// TestTimeout: an agent that never reports fails the event after its hour.
func TestTimeout(t *testing.T) {
	s := newRig(t, 1, DeploymentGroupSpec{BlueGreen: true}, Config{Agent: func(c Command, done func(Outcome)) {
		if c.Event != "Install" {
			done(Outcome{Succeeded: true})
		}
	}})
	e := s.end(s.deploy(DeploymentSpec{})).Targets[0].Events[3]
	if e.Status != "Failed" || e.End.Sub(e.Start) != time.Hour {
		t.Errorf("%+v", e)
	}
}

// TestRollBack: traffic returns to blue, and the group too; in place the last good revision is deployed again.
func TestRollBack(t *testing.T) {
	t.Run("blue/green", func(t *testing.T) {
		s := newRig(t, 2, DeploymentGroupSpec{BlueGreen: true, RollBack: true, Config: "CodeDeployDefault.AllAtOnce"}, Config{Agent: failing("AfterBlockTraffic", 1)})
		id := s.deploy(DeploymentSpec{})
		v := s.end(id)
		r := s.end(v.RolledBackBy)
		allow, block := "BeforeAllowTraffic+ AllowTraffic+ AfterAllowTraffic+\n", blueDone
		want := "Succeeded \n" + strings.Repeat("Green Succeeded: "+block, 2) + strings.Repeat("Blue Succeeded: "+allow, 2)
		if diff := cmp.Diff(want, story(r)); diff != "" || r.Creator != "codeDeployRollback" || r.RollsBack != id {
			t.Errorf("%s of %s: (-want +got)\n%s", r.Creator, r.RollsBack, diff)
		}
		for _, target := range s.InService(s.tg) {
			s.do(func() {
				if g := s.state.Instances[target.ID].Group; g != "blue" {
					t.Errorf("%s of %s serves", target.ID, g)
				}
			})
		}
	})
	t.Run("stopped while blue waits for its end", func(t *testing.T) {
		s := newRig(t, 1, DeploymentGroupSpec{BlueGreen: true, TerminationWait: time.Hour}, Config{})
		id := s.deploy(DeploymentSpec{})
		s.until(id, "in blue's wait", func(DeploymentView) bool { return s.onDeployment(id, s.inWait) == nil })
		if err := s.Stop(id, true); err != nil {
			t.Fatal(err)
		}
		r := s.end(s.view(id).RolledBackBy)
		s.do(func() {
			if g := s.state.deploymentGroup("shop", "web"); r.Status != "Succeeded" || g.ScalingGroups[0].Name != "blue" || s.state.Groups["blue"] == nil {
				t.Errorf("%s: the deployment group has %v", story(r), g.ScalingGroups)
			}
		})
	})
	t.Run("in place", func(t *testing.T) {
		var mu sync.Mutex
		var revisions []string
		fail := failing("ApplicationStart", 1)
		s := newRig(t, 1, DeploymentGroupSpec{RollBack: true}, Config{Agent: func(c Command, done func(Outcome)) {
			mu.Lock()
			revisions = append(revisions, c.Revision)
			mu.Unlock()
			if c.Revision == "bad.tgz" {
				fail(c, done)
				return
			}
			done(Outcome{Succeeded: true})
		}})
		s.end(s.deploy(DeploymentSpec{Revision: "good.tgz"}))
		v := s.end(s.deploy(DeploymentSpec{Revision: "bad.tgz"}))
		if r := s.end(v.RolledBackBy); r.Status != "Succeeded" || !slices.Equal(slices.Compact(revisions), []string{"good.tgz", "bad.tgz", "good.tgz"}) {
			t.Errorf("%s after %v", story(r), slices.Compact(revisions))
		}
	})
}

func (s *rig) inWait(d *deployment) error {
	if d.Phase != "terminate" {
		return errors.New(d.Phase)
	}
	return nil
}

// TestDeployOnWallClock deploys as a rehearsal does: on the wall clock, with an agent and a health check, watched all the while.
func TestDeployOnWallClock(t *testing.T) {
	over := make(chan struct{})
	var commands atomic.Int32
	sim, err := New(Config{
		Delays: Delays{Launch: 10 * time.Millisecond, Register: 50 * time.Millisecond, Deregister: 50 * time.Millisecond, Minute: time.Millisecond},
		Health: func(Target) (bool, string) { return true, "" },
		Agent: func(c Command, done func(Outcome)) {
			commands.Add(1)
			done(Outcome{Succeeded: c.Revision == "v2.tgz" && c.Type == "BLUE_GREEN" && c.Address != "" && c.GroupID != ""})
		},
		Deployed: func(p Progress) {
			if p.Instance == "" && p.Status == "Succeeded" {
				close(over)
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	s := &rig{Sim: sim, t: t}
	s.stock(2, DeploymentGroupSpec{BlueGreen: true, TerminationWait: time.Minute, Config: "CodeDeployDefault.AllAtOnce"})
	for len(s.InService(s.tg)) < 2 {
		runtime.Gosched()
	}
	id := s.deploy(DeploymentSpec{})
	for deadline := time.After(30 * time.Second); ; runtime.Gosched() {
		if len(s.InService(s.tg)) == 0 {
			t.Fatal("nobody serves")
		}
		select {
		case <-over:
			if v := s.view(id); commands.Load() != 2*9+2*2 || v.Status != "Succeeded" {
				t.Errorf("%d commands, %s", commands.Load(), story(v))
			}
			return
		case <-deadline:
			t.Fatal(story(s.view(id)))
		default:
		}
	}
}

// TestSwitches: what is not known for certain of CodeDeploy, both ways.
func TestSwitches(t *testing.T) {
	run := func(sw Switches, agent Agent, spec DeploymentGroupSpec) (*rig, DeploymentView) {
		spec.BlueGreen = true
		s := newRig(t, 1, spec, Config{Switches: sw, Agent: agent})
		return s, s.end(s.deploy(DeploymentSpec{}))
	}
	s, v := run(Switches{KeepGreenSuspended: true}, failing("AfterInstall", 1), DeploymentGroupSpec{})
	if got := s.suspendedOn(v.Replacement[0]); got != "AddToLoadBalancer AlarmNotification ScheduledActions" {
		t.Errorf("suspended on green: %q", got)
	}
	s, v = run(Switches{DropProvisioningTag: true}, nil, DeploymentGroupSpec{KeepBlue: true})
	s.do(func() {
		if _, has := s.state.Groups[v.Replacement[0]].Tags[provisioningTag]; has || s.state.Groups["blue"] == nil {
			t.Error("the tag is there, or blue is not")
		}
	})
	_, v = run(Switches{BlueFromStart: true}, failing("AfterInstall", 1), DeploymentGroupSpec{})
	if v.Targets[0].Label != "Blue" || v.Targets[0].Status != "Skipped" {
		t.Errorf("%s", story(v))
	}
	s, v = run(Switches{SucceedBeforeEnd: true}, nil, DeploymentGroupSpec{TerminationWait: time.Hour})
	s.do(func() {
		if s.state.Groups["blue"] == nil {
			t.Error("blue is gone already")
		}
	})
}

// TestDiscover deploys to a replacement that is there, and to what Auto Scaling launches and ends.
func TestDiscover(t *testing.T) {
	s := newRig(t, 1, DeploymentGroupSpec{BlueGreen: true, Discover: true, KeepBlue: true}, Config{Switches: Switches{SuspendOnExisting: true}})
	s.group("green", 1)
	id := s.deploy(DeploymentSpec{Replacement: []string{"green"}})
	s.until(id, "installing", at("Green", "Install"))
	if got := s.suspendedOn("green"); got == "" {
		t.Error("nothing is suspended on green")
	}
	if got := story(s.end(id)); got != "Succeeded \nGreen Succeeded: "+greenDone+"Blue Succeeded: "+blueDone || s.suspendedOn("green") != "" {
		t.Errorf("%s, and suspended: %s", got, s.suspendedOn("green"))
	}
	var one string
	s.do(func() { one = s.members("green")[0].ID })
	if got := story(s.end(s.deploy(DeploymentSpec{Creator: "autoscaling", Instances: []string{one}}))); got != "Succeeded \n Succeeded: "+greenDone {
		t.Error(got)
	}
	if got := story(s.end(s.deploy(DeploymentSpec{Creator: "autoscalingTermination", Instances: []string{one}}))); got != "Succeeded \n Succeeded: "+strings.TrimSpace(blueDone)+" ApplicationStop+\n" {
		t.Error(got)
	}
}
