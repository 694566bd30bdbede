package awssim

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// provisioningTag is on a group that CodeDeploy copied (TRACE).
const provisioningTag = "CodeDeployProvisioningDeploymentId"

// own are what CodeDeploy itself suspends on green until blue is out of traffic (TRACE).
func own() []string { return []string{"AddToLoadBalancer", "AlarmNotification", "ScheduledActions"} }

// provision makes or finds the replacement.
func (s *Sim) provision(d *deployment) {
	d.Phase = "provision"
	if !d.Settings.BlueGreen.copies() {
		s.discover(d)
		return
	}
	healthy := 0
	blue := s.state.Groups[d.Originals[0]]
	if blue == nil {
		s.fail(d, "AUTO_SCALING_CONFIGURATION", "The Auto Scaling group "+d.Originals[0]+" does not exist")
		return
	}
	for _, in := range s.members(blue.Name, "InService") {
		if in.Healthy && !in.Broken {
			healthy++
		}
	}
	if healthy == 0 {
		s.noInstances(d)
		return
	}
	green := s.copied(blue, d)
	if err := s.createGroup(green); err != nil {
		s.fail(d, "AUTO_SCALING_CONFIGURATION", err.Error())
		return
	}
	d.Green, d.TargetInstances = []string{green.Name}, &targetInstances{ScalingGroups: []string{green.Name}}
	green.Min, green.Desired = min(blue.Min, healthy), healthy
	s.reconcile(green.Name)
	s.suspendOwn(d, green.Name)
	s.await(d, s.now().Add(s.Delays.Timeout))
}

// copied is the group that CodeDeploy makes of blue: empty, with blue's tags and not attached to blue's target groups,
// and named as facts §1.5 has it.
func (s *Sim) copied(blue *group, d *deployment) *group {
	tags := map[string]tag{}
	maps.Copy(tags, blue.Tags)
	delete(tags, provisioningTag) // that of the deployment that made blue
	if !s.Switches.DropProvisioningTag {
		tags[provisioningTag] = tag{d.ID, false}
	}
	green := &group{Name: "CodeDeploy_" + d.Group + "_" + d.ID, Max: blue.Max, Zones: slices.Clone(blue.Zones), HealthCheckType: blue.HealthCheckType,
		GracePeriod: blue.GracePeriod, MaxLifetime: blue.MaxLifetime, Cooldown: blue.Cooldown, NewProtected: blue.NewProtected, Kept: maps.Clone(blue.Kept),
		Tags: tags, Suspended: map[string]suspension{}, Policies: map[string]*policy{}, Actions: map[string]*scheduledAction{}, Notifications: maps.Clone(blue.Notifications)}
	for name, p := range blue.Policies { // its alarms stay blue's
		q := *p
		q.ARN = strings.Replace(p.ARN, "autoScalingGroupName/"+blue.Name+":", "autoScalingGroupName/"+green.Name+":", 1)
		green.Policies[name] = &q
	}
	for name, a := range blue.Actions {
		b := *a
		green.Actions[name] = &b
	}
	return green
}

// discover finds the replacement that the caller named.
func (s *Sim) discover(d *deployment) {
	var found []*instance
	if t := d.TargetInstances; t != nil {
		d.Green = t.ScalingGroups
		for _, name := range t.ScalingGroups {
			found = append(found, s.members(name, "InService")...)
			if s.Switches.SuspendOnExisting {
				s.suspendOwn(d, name)
			}
		}
		found = append(found, s.tagged(t.TagFilters, slices.Concat(t.ScalingGroups, d.Originals))...)
	}
	if len(found) == 0 {
		s.noInstances(d)
		return
	}
	s.install(d, found)
}

// tagged gives the instances in service that any of the filters selects, but for those of some groups.
func (s *Sim) tagged(filters []tagFilter, but []string) (found []*instance) {
	for _, in := range s.state.Instances {
		hit := slices.ContainsFunc(filters, func(f tagFilter) bool {
			v, has := in.Tags[f.Key]
			return has && (f.Type == "KEY_ONLY" || v == f.Value)
		})
		if hit && in.State == "InService" && !slices.Contains(but, in.Group) {
			found = append(found, in)
		}
	}
	slices.SortFunc(found, func(a, b *instance) int { return cmp.Compare(a.ID, b.ID) })
	return found
}

// hold suspends on green what CodeDeploy suspends.
func (s *Sim) suspendOwn(d *deployment, name string) {
	if g := s.state.Groups[name]; g != nil {
		s.suspend(g, own())
		d.Suspended = append(d.Suspended, name)
	}
}

// letGo resumes it: exactly those, whoever suspended them (TRACE).
func (s *Sim) resumeOwn(d *deployment) {
	for _, name := range d.Suspended {
		if g := s.state.Groups[name]; g != nil {
			s.resume(g, own())
		}
	}
	d.Suspended = nil
}

// giveUp is what CodeDeploy does to green as a deployment fails or is stopped.
func (s *Sim) giveUp(d *deployment) {
	if !s.Switches.KeepGreenSuspended {
		s.resumeOwn(d)
	}
}

// await waits until green's instances are in service.
func (s *Sim) await(d *deployment, until time.Time) {
	g := s.state.Groups[d.Green[0]]
	switch {
	case over(d.Status):
	case g == nil:
		s.fail(d, "AUTO_SCALING_CONFIGURATION", "The Auto Scaling group "+d.Green[0]+" does not exist")
	case len(s.members(g.Name, "InService")) >= g.Desired:
		s.install(d, s.members(g.Name, "InService"))
	case s.now().After(until):
		s.fail(d, "TIMEOUT", "The instances of the Auto Scaling group "+g.Name+" did not launch within the time allowed")
	default:
		s.after(s.Delays.Reconcile, func() { s.await(d, until) })
	}
}

// install deploys the revision to green.
func (s *Sim) install(d *deployment, green []*instance) {
	d.Phase = "install"
	if s.Switches.BlueFromStart {
		s.enlist(d, "Blue", s.originals(d))
	}
	s.enlist(d, "Green", green)
	s.through(d, d.labelled("Green"), installEvents(), "Ready", func() { s.ready(d) })
}

// ready reroutes at once, or waits to be told to.
func (s *Sim) ready(d *deployment) {
	option := d.Settings.BlueGreen.Ready
	if !option.is("STOP_DEPLOYMENT") {
		s.reroute(d)
		return
	}
	d.Phase = "ready"
	s.become(d, "Ready")
	s.after(time.Duration(option.minutes())*s.Delays.Minute, func() {
		if d.Phase == "ready" && !over(d.Status) {
			d.Stopping = "TIMEOUT"
			s.stopped(d)
		}
	})
}

// reroute sends traffic to green.
func (s *Sim) reroute(d *deployment) {
	if d.Status != "InProgress" {
		s.become(d, "InProgress")
	}
	d.Phase = "reroute"
	if !s.Switches.BlueFromStart {
		s.enlist(d, "Blue", s.originals(d))
	}
	s.through(d, d.labelled("Green"), allowEvents(), "Succeeded", func() { s.block(d) })
}

// block takes blue out of traffic.
func (s *Sim) block(d *deployment) {
	d.Phase = "block"
	s.throughAll(d, d.labelled("Blue"), blockEvents(), func() { s.handOver(d) })
}

// handOver makes green the deployment group's, and ends blue after its wait.
func (s *Sim) handOver(d *deployment) {
	s.resumeOwn(d)
	g := s.state.deploymentGroup(d.Application, d.Group)
	if g != nil && len(d.Green) > 0 {
		if err := s.attach(g, d.Green); err != nil {
			s.fail(d, "AUTO_SCALING_CONFIGURATION", err.Error())
			return
		}
	}
	option := d.Settings.BlueGreen.Terminate
	if !option.is("TERMINATE") {
		s.succeed(d)
		return
	}
	if d.Stopping != "" {
		s.stopped(d)
		return
	}
	d.Phase, d.WaitStarted = "terminate", true
	if s.Switches.SucceedBeforeEnd {
		s.become(d, "Succeeded")
	}
	s.after(time.Duration(option.minutes())*s.Delays.Minute, func() {
		if d.Phase == "terminate" && d.Stopping == "" {
			s.endBlue(d)
		}
	})
}

// terminate deletes blue, whatever is suspended on it; a group that is protected from that is not deleted (facts §0.7).
func (s *Sim) endBlue(d *deployment) {
	d.Phase = "terminated"
	for _, name := range d.Originals {
		if s.state.Groups[name] == nil {
			continue
		}
		if err := s.deleteGroup(name, true); err != nil {
			s.fail(d, "AUTO_SCALING_CONFIGURATION", err.Error())
			return
		}
	}
	if d.Status != "Succeeded" {
		s.become(d, "Succeeded")
	}
}

// routeBack gives traffic back to blue, and takes it from green.
func (s *Sim) routeBack(d *deployment) {
	for _, t := range s.state.Deployments[d.Rollback.Of].Targets {
		if in := s.state.Instances[t.ID]; t.Label == "Green" && !gone(in) {
			s.enlist(d, "Green", []*instance{in})
		}
	}
	s.enlist(d, "Blue", s.originals(d))
	if len(d.labelled("Blue")) == 0 {
		s.noInstances(d)
		return
	}
	d.Phase = "reroute"
	s.through(d, d.labelled("Blue"), allowEvents(), "Succeeded", func() {
		d.Phase = "block"
		s.throughAll(d, d.labelled("Green"), blockEvents(), func() {
			if g := s.state.deploymentGroup(d.Application, d.Group); g != nil && len(d.Originals) > 0 {
				if err := s.attach(g, d.Originals); err != nil {
					s.fail(d, "AUTO_SCALING_CONFIGURATION", err.Error())
					return
				}
			}
			s.succeed(d)
		})
	})
}
