package awssim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The states of an instance's life in its group.
const (
	pending     = "Pending"
	pendingWait = "Pending:Wait"
	inService   = "InService"
	terminating = "Terminating"
	termWait    = "Terminating:Wait"
	terminated  = "Terminated"
	standby     = "Standby"
	detached    = "Detached"
)

// reconcile has Auto Scaling look at a group soon, and do there what is to be done.
func (s *Sim) reconcile(name string) {
	g := s.state.Groups[name]
	if g == nil || g.Pending {
		return
	}
	g.Pending = true
	s.after(s.Delays.Reconcile, func() { s.act(name) })
}

// act is Auto Scaling at work on a group: each part looks at what is, does what its processes let it do, and leaves the
// rest for a later time, when what is under way has come to an end.
func (s *Sim) act(name string) {
	g := s.state.Groups[name]
	if g == nil {
		return
	}
	g.Pending = false
	if g.Deleting {
		s.finishDelete(g)
		return
	}
	s.checkHealth(g)
	s.replaceUnhealthy(g)
	s.scale(g)
	s.rebalance(g)
	s.replaceOld(g)
	s.refreshOn(g)
}

// capacity is what counts towards Desired.
func (s *Sim) capacity(g *group) (n int) {
	for _, in := range s.members(g.Name) {
		if in.State == inService || strings.HasPrefix(in.State, pending) && !in.Extra {
			n++
		}
	}
	return n
}

// stable says that nothing is under way in a group and that it has what it should.
func (s *Sim) stable(g *group) bool {
	for _, in := range s.members(g.Name) {
		if in.State != inService && in.State != standby {
			return false
		}
	}
	return s.capacity(g) >= g.Desired
}

// scale launches what is missing and terminates what is too much.
func (s *Sim) scale(g *group) {
	have := s.capacity(g)
	for n := have; n < g.Desired && g.runs("Launch"); n++ {
		why := s.say("an instance was started in response to a difference between desired and actual capacity, increasing the capacity from %d to %d.", have, g.Desired)
		if g.Cause != "" {
			why = g.Cause + "  " + why
		}
		if len(g.Replaces) > 0 {
			why, g.Replaces = s.say("%s", g.Replaces[0]), g.Replaces[1:]
		}
		s.launch(g, why, false)
	}
	for n := have; n > g.Desired && g.runs("Terminate"); n-- {
		in := s.victim(g)
		if in == nil {
			break
		}
		why := s.say("an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from %d to %d.", have, g.Desired)
		why += "  " + s.say("instance %s was selected for termination.", in.ID)
		if g.Cause != "" {
			why = g.Cause + "  " + why
		}
		s.terminate(in, why, false)
	}
	if s.capacity(g) == g.Desired {
		g.Cause, g.Replaces = "", nil
	}
}

// zones counts the instances of each zone: of the group's own first, in their order, and of those that it has left.
func (s *Sim) zones(g *group) (names []string, count map[string]int) {
	names, count = slices.Clone(g.Zones), map[string]int{}
	for _, in := range s.members(g.Name) {
		if in.State == inService || strings.HasPrefix(in.State, pending) {
			if count[in.Zone]++; !slices.Contains(names, in.Zone) {
				names = append(names, in.Zone)
			}
		}
	}
	return names, count
}

// victim is who goes at scale-in, by the default policy: the oldest of the zone that has most, a zone that the group has
// left before all others. Who is protected from scale-in stays.
func (s *Sim) victim(g *group) *instance {
	_, count := s.zones(g)
	var best *instance
	weight := func(in *instance) int {
		if !slices.Contains(g.Zones, in.Zone) {
			return 1 << 20
		}
		return count[in.Zone]
	}
	for _, in := range s.members(g.Name, inService) {
		if !in.Protected && (best == nil || weight(in) > weight(best)) {
			best = in
		}
	}
	return best
}

// rebalance launches one instance more where there are fewest, once zones are uneven; scaling in then takes one where
// there are most. It may exceed Max by a tenth or by one, and stays there if Terminate is suspended.
func (s *Sim) rebalance(g *group) {
	if !g.runs("AZRebalance") || !g.runs("Launch") || !s.stable(g) {
		return
	}
	names, count := s.zones(g)
	least, most, total, left := g.Zones[0], g.Zones[0], 0, 0
	for _, z := range names {
		total += count[z]
		if !slices.Contains(g.Zones, z) {
			left += count[z]
			continue
		}
		if count[z] < count[least] {
			least = z
		}
		if count[z] > count[most] {
			most = z
		}
	}
	if left == 0 && count[most]-count[least] < 2 || total > g.Desired && left > 0 || total >= g.Max+max(1, g.Max/10) {
		return
	}
	if v := s.victim(g); v == nil || left == 0 && v.Zone != most {
		return // who would have to go is protected
	}
	s.launch(g, s.say("instances were launched to balance instances in zones %s with other zones resulting in more than desired number of instances in the group.", least), true)
}

// launch starts an instance in the zone that has fewest.
func (s *Sim) launch(g *group, cause string, extra bool) {
	if s.Refused != nil {
		if why := s.Refused(g.Name); why != "" {
			s.refuse(g, why, cause)
			return
		}
	}
	_, count := s.zones(g)
	zone := g.Zones[0]
	for _, z := range g.Zones {
		if count[z] < count[zone] {
			zone = z
		}
	}
	n := len(s.state.Instances) + 1
	in := &instance{ID: fmt.Sprintf("i-0%016x", uint64(n)*0x9e3779b97f4a7c15), // an odd factor: no two are the same
		Group: g.Name, Zone: zone, Address: s.address(n), State: pending, Healthy: true, Protected: g.NewProtected,
		Launched: s.now(), N: n, Extra: extra, Tags: map[string]string{"aws:autoscaling:groupName": g.Name}, Waiting: map[string]*waitToken{}}
	for key, t := range g.Tags {
		if t.Launch {
			in.Tags[key] = t.Value
		}
	}
	s.state.Instances[in.ID] = in
	s.begin(g, in, "Launching a new EC2 instance: "+in.ID, cause)
	s.emit(Change{Kind: Launching, Group: g.Name, Instance: in.ID, Text: cause})
	s.boot(in.ID)
}

// refuse is a launch that EC2 refuses. Auto Scaling tries again, here after some of its looks at the group.
func (s *Sim) refuse(g *group, why, cause string) {
	a := &activity{ID: s.uuid(), Group: g.Name, ARN: g.ARN, Description: "Launching a new EC2 instance", Cause: cause, Status: "Failed", Zone: g.Zones[0], Start: s.now(), End: s.now()}
	a.failed(why + " Launching EC2 instance failed.")
	s.state.Activities = append(s.state.Activities, a)
	name := g.Name
	s.after(60*s.Delays.Reconcile, func() { s.reconcile(name) })
}

// boot lets an instance that is Pending come up, and into service once no lifecycle hook holds it.
func (s *Sim) boot(id string) {
	s.after(s.Delays.Launch, func() {
		if in := s.state.Instances[id]; in != nil && in.State == pending && !s.hold(in, launchTransition) {
			s.enterService(in)
		}
	})
}

func (s *Sim) address(n int) string {
	if s.Addresses != nil {
		return s.Addresses(n)
	}
	return fmt.Sprintf("10.0.%d.%d", n/250, n%250+4) // a subnet's first four addresses are AWS's own
}

// enterService puts an instance into service, and behind the group's load balancers unless AddToLoadBalancer is
// suspended: then it will never be.
func (s *Sim) enterService(in *instance) {
	g := s.state.Groups[in.Group]
	if g == nil {
		return
	}
	in.State, in.InServiceSince, in.Moved, in.Extra = inService, s.now(), true, false
	s.finish(in, "Successful")
	g.ScaledAt = s.now()
	if g.runs("AddToLoadBalancer") {
		for _, arn := range g.TargetGroupARNs {
			s.register(arn, in)
		}
	}
	s.emit(Change{Kind: EnteredService, Group: g.Name, Instance: in.ID})
	s.watchLifetime(g)
	s.reconcile(g.Name)
}

// terminate takes an instance out of service: it leaves the load balancers, waits for lifecycle hooks unless it is
// forced, and ends.
func (s *Sim) terminate(in *instance, cause string, force bool) {
	g := s.state.Groups[in.Group]
	if g == nil || strings.HasPrefix(in.State, terminating) && !force || in.State == terminated {
		return
	}
	s.finish(in, "Cancelled") // a launch under way, if there is one
	in.State, in.Moved = terminating, true
	clear(in.Waiting)
	s.begin(g, in, "Terminating EC2 instance: "+in.ID, cause)
	s.emit(Change{Kind: Terminating, Group: g.Name, Instance: in.ID, Text: cause})
	var drain time.Duration
	for _, arn := range g.TargetGroupARNs {
		s.deregister(arn, in.ID)
		drain = s.Delays.Deregister
	}
	if in.Gone {
		drain, force = 0, true
	}
	id := in.ID
	s.after(drain, func() {
		in := s.state.Instances[id]
		if in == nil || in.State != terminating || !force && s.hold(in, terminateTransition) {
			return
		}
		s.shutDown(in)
	})
}

// shutDown shuts an instance down, once nothing holds it any more.
func (s *Sim) shutDown(in *instance) {
	id := in.ID
	in.State = terminating + ":Proceed"
	s.after(s.Delays.Terminate, func() {
		in := s.state.Instances[id]
		if in == nil || in.State == terminated {
			return
		}
		in.State, in.Gone = terminated, true
		s.finish(in, "Successful")
		s.emit(Change{Kind: Terminated, Group: in.Group, Instance: id})
		if g := s.state.Groups[in.Group]; g != nil {
			g.ScaledAt = s.now()
			s.finishDelete(g)
		}
		s.reconcile(in.Group)
	})
}
