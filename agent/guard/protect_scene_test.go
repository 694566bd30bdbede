package guard_test

// What the deployments of protect_test.go happen in.

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// ill makes an instance ill until Auto Scaling has seen it: one that stayed ill would fail the deployment by itself.
func (f *field) ill(make func(string) error, long time.Duration) {
	id := f.one()
	f.must(make(id))
	f.Advance(long)
	if in, _ := f.Instance(id); !in.Gone {
		f.must(f.Mend(id))
	}
}

func (f *field) alarm(which string) {
	answer := f.api("PutScalingPolicy", "PolicyName", "cpu", "PolicyType", "TargetTrackingScaling", "TargetTrackingConfiguration.TargetValue", "50",
		"TargetTrackingConfiguration.PredefinedMetricSpecification.PredefinedMetricType", "ASGAverageCPUUtilization")
	name := regexp.MustCompile(`TargetTracking-[^<]*-` + which + `-[^<]*`).FindString(answer)
	f.must(f.SetAlarm(name, "ALARM"))
}

func (f *field) scheduled(desired int) {
	f.api("PutScheduledUpdateGroupAction", "ScheduledActionName", "night", "StartTime", f.Now().Add(time.Minute).Format(time.RFC3339), "DesiredCapacity", fmt.Sprint(desired))
}

// field is one simulated AWS with one deployment, and the group of it that is looked at.
type field struct {
	testing.TB
	*awssim.Sim
	group, deployment string
	targets           string    // the target group
	born              time.Time // when the group's first instances were launched
	changes           <-chan awssim.Change
}

func newField(t testing.TB) *field {
	sim, err := awssim.New(awssim.Config{Start: start, Delays: awssim.Delays{Launch: 40 * time.Second, Terminate: time.Minute, Reconcile: 5 * time.Second, Register: 150 * time.Second,
		Deregister: 300 * time.Second, Event: held, Lost: time.Hour, Minute: time.Minute, Spot: 2 * time.Minute}})
	f := &field{TB: t, Sim: sim, group: original}
	f.must(err)
	t.Cleanup(func() { f.must(sim.Close()) })
	f.changes, _ = sim.Watch()
	arn, err := sim.AddTargetGroup("web", 80)
	f.must(err)
	f.targets = arn
	f.must(sim.CreateGroup(awssim.GroupSpec{Name: "mark", Max: 1}))
	f.must(sim.CreateGroup(awssim.GroupSpec{Name: original, Min: 1, Max: 4, Desired: 2, Zones: []string{"eu-west-1a"}, HealthCheckType: "ELB", GracePeriod: time.Minute, TargetGroups: []string{arn}}))
	f.born = sim.Now()
	f.must(sim.AddApplication("shop"))
	f.must(sim.AddDeploymentGroup(awssim.DeploymentGroupSpec{Application: "shop", Name: "web", ScalingGroups: []string{original}, TargetGroups: []string{"web"}, BlueGreen: true,
		TerminationWait: time.Hour, Config: "CodeDeployDefault.AllAtOnce"}))
	sim.Advance(10 * time.Minute)
	return f
}

func (f *field) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// deploy starts the deployment; on the replacement's side it goes on until that group is there, still empty.
func (f *field) deploy(replacement bool) {
	var err error
	f.deployment, err = f.Deploy(awssim.DeploymentSpec{Application: "shop", Group: "web", Revision: "v2"})
	f.must(err)
	if !replacement {
		return
	}
	f.group = "CodeDeploy_web_" + f.deployment
	f.until("the replacement's group is there", time.Second, func() bool { _, there := f.Group(f.group); return there })
	f.born = f.Now()
}

func (f *field) until(what string, step time.Duration, holds func() bool) {
	for range 20_000 {
		if holds() {
			return
		}
		f.Advance(step)
	}
	f.Fatalf("never %s: %+v", what, f.view())
}

func (f *field) view() awssim.DeploymentView { v, _ := f.Deployment(f.deployment); return v }

// reaches goes on to the start of an event on one side.
func (f *field) reaches(label, event string) {
	f.until(label+" at "+event, 5*time.Second, func() bool {
		return slices.ContainsFunc(f.view().Targets, func(t awssim.TargetView) bool {
			return t.Label == label && slices.ContainsFunc(t.Events, func(e awssim.EventView) bool { return e.Name == event && e.Status == "InProgress" })
		})
	})
}

// over is what the guard goes by: the deployment has ended, or only waits to terminate the original.
func (f *field) over() bool {
	v, blue, done := f.view(), 0, 0
	for _, t := range v.Targets {
		if t.Label == "Blue" {
			blue++
			if t.Status == "Succeeded" {
				done++
			}
		}
	}
	return v.Over() || blue > 0 && done == blue
}

// one is an instance of the deployment: the group's oldest.
func (f *field) one() string {
	g, _ := f.Group(f.group)
	return g.Instances[0].ID
}

func (f *field) suspend(set []guard.Process) {
	if len(set) > 0 {
		f.must(f.Suspend(f.group, words(set)...))
	}
}

func words(set []guard.Process) (out []string) {
	for _, p := range set {
		out = append(out, string(p))
	}
	return out
}

// api makes a call of Auto Scaling's as its query protocol has it, for what no scene does.
func (f *field) api(action string, params ...string) string {
	form := url.Values{"Action": {action}, "Version": {"2011-01-01"}, "AutoScalingGroupName": {f.group}}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	resp, err := http.PostForm(f.URL(), form)
	f.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if f.must(err); resp.StatusCode != http.StatusOK {
		f.Fatalf("%s: %s: %s", action, resp.Status, body)
	}
	return string(body)
}

// stray says that an instance which is not the deployment's takes traffic, although its events are through.
func (f *field) stray() bool {
	v := f.view()
	return !v.Over() && slices.ContainsFunc(f.InService(f.targets), func(in awssim.Target) bool {
		return !slices.ContainsFunc(v.Targets, func(t awssim.TargetView) bool { return t.Instance == in.ID })
	})
}

// moves are how many instances the group launched and terminated from one time to another.
type moves struct{ launched, ended int }

func (m moves) String() string {
	var out []string
	if m.ended > 0 {
		out = append(out, fmt.Sprintf("−%d", m.ended))
	}
	if m.launched > 0 {
		out = append(out, fmt.Sprintf("+%d", m.launched))
	}
	return cmp.Or(strings.Join(out, " "), "·")
}

// moved reads every change so far and counts the group's between the times.
func (f *field) moved(times ...time.Time) []moves {
	f.must(f.Suspend("mark", string(guard.Launch))) // the last change
	out := make([]moves, len(times)-1)
	going := map[string]bool{} // an instance that EC2 takes is terminated by Auto Scaling, too
	for c := range f.changes {
		if c.Group == "mark" && c.Kind == awssim.Suspended {
			break
		}
		for i := range out {
			if c.Group != f.group || !c.At.After(times[i]) || c.At.After(times[i+1]) {
				continue
			}
			switch c.Kind {
			case awssim.Launching:
				out[i].launched++
			case awssim.Terminating, awssim.Terminated:
				if !going[c.Instance] {
					out[i].ended++
				}
				going[c.Instance] = true
			}
		}
	}
	return out
}
