package awssim

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// rig is a simulated AWS on a virtual clock: one Auto Scaling group behind one target group, and an application with
// a deployment group for it.
type rig struct {
	*Sim
	t  *testing.T
	tg string
}

// aDay is where the tests' virtual clocks start.
func aDay() time.Time { return time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC) }

// realDelays are AWS's own, as far as they are known.
func realDelays() Delays {
	return Delays{Launch: 40 * time.Second, Terminate: time.Minute, Reconcile: 5 * time.Second, Register: 150 * time.Second, Deregister: 300 * time.Second,
		Event: 20 * time.Second, Lost: time.Hour, Timeout: time.Hour, Minute: time.Minute}
}

func newRig(t *testing.T, instances int, spec DeploymentGroupSpec, c Config) *rig {
	t.Helper()
	c.Start = aDay()
	if c.Delays == (Delays{}) {
		c.Delays = realDelays()
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r := &rig{Sim: s, t: t}
	r.stock(instances, spec)
	return r
}

// stock makes what is deployed to: shop/web, of the group blue behind the target group web.
func (s *rig) stock(instances int, spec DeploymentGroupSpec) {
	s.t.Helper()
	var err error
	if s.tg, err = s.AddTargetGroup("web", 8080); err != nil {
		s.t.Fatal(err)
	}
	s.group("blue", instances, s.tg)
	spec.Application, spec.Name, spec.ScalingGroups, spec.TargetGroups = "shop", "web", []string{"blue"}, []string{"web"}
	if err := errors.Join(s.AddApplication("shop"), s.AddDeploymentGroup(spec)); err != nil {
		s.t.Fatal(err)
	}
}

// group makes an Auto Scaling group and waits until its instances serve.
func (s *rig) group(name string, instances int, targetGroups ...string) {
	s.t.Helper()
	var err error
	s.do(func() {
		err = s.createGroup(&group{Name: name, Min: 1, Max: 2 * instances, Desired: instances, Zones: []string{"eu-west-1a", "eu-west-1b"}, TargetGroupARNs: targetGroups,
			Tags: map[string]tag{"team": {"web", true}, "note": {"kept", false}, provisioningTag: {"d-OLDERONE0", false}}, Suspended: map[string]suspension{}})
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.virtual() {
		s.Advance(10 * time.Minute)
	}
}

func (s *rig) deploy(spec DeploymentSpec) string {
	s.t.Helper()
	spec.Application, spec.Group = "shop", "web"
	if spec.Revision == "" {
		spec.Revision = "v2.tgz"
	}
	id, err := s.Deploy(spec)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *rig) view(id string) DeploymentView {
	s.t.Helper()
	v, ok := s.Deployment(id)
	if !ok {
		s.t.Fatalf("no deployment %s", id)
	}
	return v
}

// until advances until what holds, within a virtual day.
func (s *rig) until(id string, what string, holds func(DeploymentView) bool) DeploymentView {
	s.t.Helper()
	for range 24 * 60 * 12 {
		if v := s.view(id); holds(v) {
			return v
		}
		s.Advance(5 * time.Second)
	}
	s.t.Fatalf("deployment %s: never %s; it is %+v", id, what, s.view(id))
	return DeploymentView{}
}

func (s *rig) end(id string) DeploymentView {
	s.t.Helper()
	return s.until(id, "over", DeploymentView.Over)
}

// story is a deployment in few words: Green Succeeded: ApplicationStop+ … per target.
func story(v DeploymentView) string {
	signs := map[string]string{"Succeeded": "+", "Failed": "!", "Skipped": "-", "Pending": "?", "InProgress": "…"}
	lines := []string{v.Status + " " + v.ErrorCode}
	for _, t := range v.Targets {
		line := t.Label + " " + t.Status + ":"
		for _, e := range t.Events {
			line += " " + e.Name + signs[e.Status]
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\n"
}

func (s *rig) suspendedOn(name string) (out string) {
	s.do(func() {
		if g := s.state.Groups[name]; g != nil {
			out = strings.Join(slices.Sorted(maps.Keys(g.Suspended)), " ")
		}
	})
	return out
}

const (
	greenDone = "ApplicationStop+ DownloadBundle+ BeforeInstall+ Install+ AfterInstall+ ApplicationStart+ ValidateService+ BeforeAllowTraffic+ AllowTraffic+ AfterAllowTraffic+\n"
	blueDone  = "BeforeBlockTraffic+ BlockTraffic+ AfterBlockTraffic+\n"
)
