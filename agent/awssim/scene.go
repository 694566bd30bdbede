package awssim

import (
	"fmt"
	"time"
)

// GroupSpec is an Auto Scaling group to start with. What is not set is as small as it can be: no cooldown, no grace
// period, Max as Desired.
type GroupSpec struct {
	Name              string
	Min, Max, Desired int
	Zones             []string // default: two of the region's
	HealthCheckType   string   // EC2 (default) or ELB
	GracePeriod       time.Duration
	Cooldown          time.Duration
	MaxLifetime       time.Duration
	TargetGroups      []string // ARNs
	Tags              map[string]string
	Suspended         map[string]time.Time // processes that an operator suspended then
}

// GroupView is what a group is now.
type GroupView struct {
	Name, ARN         string
	Min, Max, Desired int
	Instances         []InstanceView    // by launch
	Suspended         map[string]string // the reason, by process
	Tags              map[string]string
	TargetGroups      []string
	Deleting          bool
}

// InstanceView is what an instance is now.
type InstanceView struct {
	ID, Address, Zone string
	State             string // in its group: Pending, InService, Terminating:Wait, …
	Healthy           bool   // to Auto Scaling
	Broken            bool   // to EC2's status check and to who asks the application
	Gone              bool   // EC2 has terminated it
	Tags              map[string]string
}

// CreateGroup creates a group. Its instances come by themselves; Until waits for them.
func (s *Sim) CreateGroup(spec GroupSpec) (err error) {
	g := &group{Name: spec.Name, Min: spec.Min, Max: max(spec.Max, spec.Desired), Desired: spec.Desired, Zones: spec.Zones, HealthCheckType: spec.HealthCheckType,
		GracePeriod: spec.GracePeriod, Cooldown: spec.Cooldown, MaxLifetime: spec.MaxLifetime, TargetGroupARNs: spec.TargetGroups, Tags: map[string]tag{},
		Kept: map[string]string{"LaunchConfigurationName": spec.Name, "VPCZoneIdentifier": "subnet-0123456789abcdef0"}}
	for k, v := range spec.Tags {
		g.Tags[k] = tag{v, true}
	}
	s.do(func() {
		err = s.createGroup(g)
		for p, at := range spec.Suspended {
			g.Suspended[p] = suspension{Reason: "User suspended at " + stamp(at)}
		}
	})
	return err
}

// Groups gives the names of all groups, in order.
func (s *Sim) Groups() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range sorted(s.state.Groups) {
		names = append(names, g.Name)
	}
	return names
}

// Group gives what a group is now.
func (s *Sim) Group(name string) (GroupView, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now())
	g := s.state.Groups[name]
	if g == nil {
		return GroupView{}, false
	}
	v := GroupView{Name: g.Name, ARN: g.ARN, Min: g.Min, Max: g.Max, Desired: g.Desired, Suspended: map[string]string{}, Tags: map[string]string{},
		TargetGroups: append([]string(nil), g.TargetGroupARNs...), Deleting: g.Deleting}
	for p, why := range g.Suspended {
		v.Suspended[p] = why.Reason
	}
	for k, t := range g.Tags {
		v.Tags[k] = t.Value
	}
	for _, in := range s.members(name) {
		v.Instances = append(v.Instances, in.view())
	}
	return v, true
}

// Instance gives what an instance is now, also when it is in no group any more.
func (s *Sim) Instance(id string) (InstanceView, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now())
	in := s.state.Instances[id]
	if in == nil {
		return InstanceView{}, false
	}
	return in.view(), true
}

func (in *instance) view() InstanceView {
	tags := make(map[string]string, len(in.Tags))
	for k, v := range in.Tags {
		tags[k] = v
	}
	return InstanceView{in.ID, in.Address, in.Zone, in.State, in.Healthy, in.Broken, in.Gone, tags}
}

// InService gives the ids of a group's instances that are in service, by launch.
func (v GroupView) InService() (ids []string) {
	for _, in := range v.Instances {
		if in.State == inService {
			ids = append(ids, in.ID)
		}
	}
	return ids
}

// on changes an instance and has its group looked at.
func (s *Sim) on(id string, f func(*instance)) (err error) {
	s.do(func() {
		in := s.state.Instances[id]
		if in == nil || in.Gone {
			err = fmt.Errorf("there is no instance %s running", id)
			return
		}
		f(in)
		s.reconcile(in.Group)
	})
	return err
}

// Break makes an instance fail its status check, and its load balancers' health checks.
func (s *Sim) Break(id string) error {
	return s.on(id, func(in *instance) { in.Broken = true })
}

// Sicken makes an instance's application fail its load balancers' health checks, while EC2 finds nothing wrong with it.
func (s *Sim) Sicken(id string) error {
	return s.on(id, func(in *instance) { in.Sick = true })
}

// Mend ends Break and Sicken. Auto Scaling keeps calling unhealthy what it has marked.
func (s *Sim) Mend(id string) error {
	return s.on(id, func(in *instance) { in.Broken, in.Sick = false, false })
}

// Spot gives an instance notice that EC2 interrupts it, and after Delays.Spot EC2 terminates it, whatever is suspended:
// lifecycle hooks are not waited for, and Auto Scaling finds out by its health check.
func (s *Sim) Spot(id string) error {
	return s.on(id, func(in *instance) {
		in.Spot, in.Notice = true, s.now().Add(s.Delays.Spot)
		s.emit(Change{Kind: SpotNotice, Group: in.Group, Instance: id, Text: "terminate at " + stamp(in.Notice)})
		s.after(s.Delays.Spot, func() { s.kill(id) })
	})
}

// kill is the end of an instance at EC2's hand.
func (s *Sim) kill(id string) {
	in := s.state.Instances[id]
	if in == nil || in.Gone {
		return
	}
	in.Gone = true
	if g := s.state.Groups[in.Group]; g != nil {
		for _, arn := range g.TargetGroupARNs {
			s.deregister(arn, id)
		}
	}
	s.emit(Change{Kind: Terminated, Group: in.Group, Instance: id, Text: "by EC2"})
	s.reconcile(in.Group)
}

// SetAlarm gives an alarm a state: OK, ALARM or INSUFFICIENT_DATA.
func (s *Sim) SetAlarm(name, state string) (err error) {
	s.do(func() {
		a := s.state.Alarms[name]
		if a == nil {
			err = fmt.Errorf("there is no alarm %s", name)
			return
		}
		s.setAlarm(a, state, "set by the scene")
	})
	return err
}

// SetDesired changes what a group should have, as an operator does.
func (s *Sim) SetDesired(name string, n int) (err error) {
	s.do(func() {
		g := s.state.Groups[name]
		if g == nil || n < g.Min || n > g.Max {
			err = fmt.Errorf("there is no group %s that could have %d instances", name, n)
			return
		}
		s.setDesired(g, n, "a user request explicitly set group desired capacity")
	})
	return err
}

// Suspend and Resume are what an operator does in the console.
func (s *Sim) Suspend(name string, processes ...string) error {
	return s.onGroup(name, func(g *group) { s.suspend(g, processes) })
}

// Resume resumes exactly these processes.
func (s *Sim) Resume(name string, processes ...string) error {
	return s.onGroup(name, func(g *group) { s.resume(g, processes) })
}

func (s *Sim) onGroup(name string, f func(*group)) (err error) {
	s.do(func() {
		if g := s.state.Groups[name]; g != nil {
			f(g)
			return
		}
		err = fmt.Errorf("there is no group %s", name)
	})
	return err
}
