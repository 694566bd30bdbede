package awssim

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ending is what a deployment of two instances comes to, told in the words of story.
type ending struct {
	name  string
	spec  DeploymentGroupSpec
	agent Agent
	do    func(s *rig, id string)
	want  string
}

func endings() []ending {
	day := 24 * time.Hour
	install := "ApplicationStop+ DownloadBundle+ BeforeInstall+ Install+ AfterInstall+ ApplicationStart+ ValidateService"
	skipped := "ApplicationStop- DownloadBundle- BeforeInstall- Install- AfterInstall- ApplicationStart- ValidateService-"
	noTraffic := " BeforeAllowTraffic- AllowTraffic- AfterAllowTraffic-\n"
	return []ending{
		{"one of two fails, all at once", DeploymentGroupSpec{BlueGreen: true, KeepBlue: true, Config: "CodeDeployDefault.AllAtOnce"}, failing("ValidateService", 1), nil,
			"Succeeded \nGreen Failed: " + install + "!" + noTraffic + "Green Succeeded: " + greenDone + strings.Repeat("Blue Succeeded: "+blueDone, 2)},
		{"the first fails, one at a time", DeploymentGroupSpec{BlueGreen: true, Config: "CodeDeployDefault.OneAtATime"}, failing("ValidateService", 1), nil,
			"Failed HEALTH_CONSTRAINTS\nGreen Failed: " + install + "!" + noTraffic + "Green Skipped: " + skipped + noTraffic},
		{"half at a time", DeploymentGroupSpec{BlueGreen: true, KeepBlue: true, Config: "CodeDeployDefault.HalfAtATime"}, nil, nil,
			"Succeeded \n" + strings.Repeat("Green Succeeded: "+greenDone, 2) + strings.Repeat("Blue Succeeded: "+blueDone, 2)},
		{"stopped before traffic", DeploymentGroupSpec{BlueGreen: true, Config: "CodeDeployDefault.AllAtOnce"}, nil, func(s *rig, id string) {
			s.until(id, "validating", at("Green", "ValidateService"))
			if err := s.Stop(id, false); err != nil || s.view(id).Status != "InProgress" {
				s.t.Errorf("stop: %v, %s", err, s.view(id).Status)
			}
		}, "Stopped MANUAL_STOP\n" + strings.Repeat("Green Skipped: "+install+"+"+noTraffic, 2)},
		{"never rerouted", DeploymentGroupSpec{BlueGreen: true, Config: "CodeDeployDefault.AllAtOnce", ReadyWait: time.Hour}, nil, func(s *rig, id string) {
			s.until(id, "ready", func(v DeploymentView) bool { return v.Status == "Ready" && v.Targets[0].Status == "Ready" })
		}, "Stopped TIMEOUT\n" + strings.Repeat("Green Skipped: "+install+"+"+noTraffic, 2)},
		{"rerouted by hand", DeploymentGroupSpec{BlueGreen: true, Config: "CodeDeployDefault.AllAtOnce", ReadyWait: day, TerminationWait: day}, nil, func(s *rig, id string) {
			s.until(id, "ready", func(v DeploymentView) bool { return v.Status == "Ready" })
			if err := s.Continue(id, "TERMINATION_WAIT"); err == nil {
				s.t.Error("the wait before blue's end ended before it began")
			}
			if err := s.Continue(id, "READY_WAIT"); err != nil {
				s.t.Error(err)
			}
			s.until(id, "waiting for blue's end", func(DeploymentView) bool { return s.Continue(id, "TERMINATION_WAIT") == nil })
		}, "Succeeded \n" + strings.Repeat("Green Succeeded: "+greenDone, 2) + strings.Repeat("Blue Succeeded: "+blueDone, 2)},
		{"blue instance lost", DeploymentGroupSpec{BlueGreen: true, Config: "CodeDeployDefault.AllAtOnce"}, nil, func(s *rig, id string) {
			s.until(id, "blocking", at("Blue", "BeforeBlockTraffic"))
			s.terminateOne("blue")
		}, "Failed HEALTH_CONSTRAINTS\n" + strings.Repeat("Green Succeeded: "+greenDone, 2) + "Blue Failed: BeforeBlockTraffic! BlockTraffic- AfterBlockTraffic-\nBlue Succeeded: " + blueDone},
		{"in place", DeploymentGroupSpec{}, nil, nil, "Succeeded \n" + strings.Repeat(" Succeeded: "+strings.TrimSpace(blueDone)+" "+greenDone, 2)},
		{"in place, the last fails", DeploymentGroupSpec{}, failingSecond("ApplicationStart"), nil,
			"Succeeded \n Succeeded: " + strings.TrimSpace(blueDone) + " " + greenDone + " Failed: " + strings.TrimSpace(blueDone) +
				" ApplicationStop+ DownloadBundle+ BeforeInstall+ Install+ AfterInstall+ ApplicationStart! ValidateService-" + noTraffic},
	}
}

func TestEndings(t *testing.T) {
	for _, c := range endings() {
		t.Run(c.name, func(t *testing.T) {
			s := newRig(t, 2, c.spec, Config{Agent: c.agent})
			id := s.deploy(DeploymentSpec{})
			if c.do != nil {
				c.do(s, id)
			}
			// Of two at once either may come to the event first: the order of the lines says nothing.
			want, got := strings.Split(c.want, "\n"), strings.Split(story(s.end(id)), "\n")
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// failingSecond fails an event on the second instance that comes to it.
func failingSecond(name string) Agent {
	first := failing(name, 1)
	var mu sync.Mutex
	seen := 0
	return func(c Command, done func(Outcome)) {
		mu.Lock()
		if c.Event == name {
			seen++
		}
		second := seen == 2
		mu.Unlock()
		if second {
			first(c, done)
			return
		}
		done(Outcome{Succeeded: true})
	}
}

// terminateOne takes a group's oldest instance away, as a scale-in does.
func (s *rig) terminateOne(name string) {
	s.do(func() { s.members(name, "InService")[0].State = "Terminated" })
}
