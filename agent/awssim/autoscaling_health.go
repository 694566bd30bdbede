package awssim

import "time"

// checkHealth marks unhealthy what EC2 or a load balancer says is, unless HealthCheck is suspended. An instance that EC2
// has terminated has no grace period.
func (s *Sim) checkHealth(g *group) {
	if !g.runs("HealthCheck") {
		return
	}
	for _, in := range s.members(g.Name, inService) {
		why := s.ailment(g, in)
		if why == "" || !in.Healthy {
			continue
		}
		if grace := in.InServiceSince.Add(g.GracePeriod); !in.Gone && s.now().Before(grace) {
			name := g.Name
			s.at(grace, func() { s.reconcile(name) })
			continue
		}
		s.mark(in, why)
	}
}

// ailment is what is wrong with an instance, in AWS's words; "" is nothing.
func (s *Sim) ailment(g *group, in *instance) string {
	switch {
	case in.Gone:
		return "an EC2 health check indicating it has been terminated or stopped."
	case in.Broken:
		return "an EC2 instance status checks failure."
	}
	if g.HealthCheckType != "ELB" {
		return ""
	}
	for _, arn := range g.TargetGroupARNs {
		if !s.elbHealthy(arn, in.ID) {
			return "an ELB system health check failure."
		}
	}
	return ""
}

// mark makes an instance unhealthy in Auto Scaling's eyes.
func (s *Sim) mark(in *instance, why string) {
	in.Healthy, in.Reason = false, why
	s.emit(Change{Kind: MarkedUnhealthy, Group: in.Group, Instance: in.ID, Text: why})
}

// replaceUnhealthy terminates what is marked; scaling then launches in its place. It needs Terminate, but not Launch:
// without that, the group shrinks (the guide's table says so of both).
func (s *Sim) replaceUnhealthy(g *group) {
	if !g.runs("ReplaceUnhealthy") || !g.runs("Terminate") {
		return
	}
	for _, in := range s.members(g.Name, inService) {
		if !in.Healthy {
			s.replace(g, in, "an instance was taken out of service in response to "+in.Reason, "an instance was launched in response to an unhealthy instance needing to be replaced.")
		}
	}
}

// replace terminates an instance and notes why the next one will be launched.
func (s *Sim) replace(g *group, in *instance, out, instead string) {
	g.Replaces = append(g.Replaces, instead)
	s.terminate(in, s.say("%s", out), false)
}

// watchLifetime has the group looked at when its instances reach their greatest age.
func (s *Sim) watchLifetime(g *group) {
	if g.MaxLifetime == 0 {
		return
	}
	name := g.Name
	for _, in := range s.members(name, inService) {
		s.at(later(in.Launched.Add(g.MaxLifetime), s.now()), func() { s.reconcile(name) })
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// replaceOld replaces, one at a time, what has reached the group's maximum instance lifetime. Which processes that
// takes is not documented: both Launch and Terminate, as for an instance refresh.
func (s *Sim) replaceOld(g *group) {
	if g.MaxLifetime == 0 || !s.stable(g) || !g.runs("Launch") || !g.runs("Terminate") {
		return
	}
	for _, in := range s.members(g.Name, inService) {
		if !s.now().Before(in.Launched.Add(g.MaxLifetime)) {
			s.replace(g, in, "an instance was taken out of service in response to a max instance lifetime expiration.", "an instance was launched in response to a max instance lifetime expiration.")
			return
		}
	}
}
