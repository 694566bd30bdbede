package awssim

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// The members of what Elastic Load Balancing keeps are named and ordered as its answers have them.

// targetGroup is a target group of Elastic Load Balancing v2.
type targetGroup struct {
	TargetGroupArn, TargetGroupName, Protocol             string
	Port                                                  int
	VpcId                                                 string
	HealthCheckProtocol, HealthCheckPort                  string
	HealthCheckEnabled                                    bool
	HealthCheckIntervalSeconds, HealthCheckTimeoutSeconds int
	HealthyThresholdCount, UnhealthyThresholdCount        int
	HealthCheckPath                                       string          `xml:",omitempty"`
	Matcher                                               *matcher        `xml:",omitempty"`
	LoadBalancerArns                                      elbList[string] // as it is described
	TargetType, IpAddressType                             string

	Attributes map[string]string        `xml:"-"`
	Targets    map[string]*registration `xml:"-"` // by Target.key
}

type matcher struct{ HttpCode string }

// Target is one target of a target group.
type Target struct {
	ID      string // the instance
	Address string // its private address
	Port    int
}

// registration is a target with its state: initial, healthy, unhealthy, draining or unused.
type registration struct {
	ID              string `xml:"Target>Id"`
	Port            int    `xml:"Target>Port"`
	HealthCheckPort string
	State           string `xml:"TargetHealth>State"`
	Reason          string `xml:"TargetHealth>Reason,omitempty"`
	Description     string `xml:"TargetHealth>Description,omitempty"`

	Address   string `xml:"-"`
	Good, Bad int    `xml:"-"` // checks in a row
}

func (r *registration) target() Target { return Target{r.ID, r.Address, r.Port} }

// balancer is a load balancer with its listeners.
type balancer struct {
	LoadBalancerArn, DNSName, CreatedTime, LoadBalancerName, Scheme, VpcId string
	State                                                                  string `xml:"State>Code"`
	Type, IpAddressType                                                    string

	Listeners []listener `xml:"-"`
}

type listener struct {
	ListenerArn, LoadBalancerArn string
	Port                         int
	Protocol                     string
	DefaultActions               elbList[action]
}

type action struct{ Type, TargetGroupArn string }

func (t Target) key() string { return t.ID + ":" + strconv.Itoa(t.Port) }

func (st *state) targetGroupNamed(name string) *targetGroup {
	for _, tg := range st.TargetGroups {
		if tg.TargetGroupName == name {
			return tg
		}
	}
	return nil
}

// balancersOf gives the load balancers that forward to a target group: without one it is not in use.
func (st *state) balancersOf(arn string) (arns []string) {
	for _, b := range st.Balancers {
		if slices.ContainsFunc(b.Listeners, func(l listener) bool { return l.DefaultActions.Member[0].TargetGroupArn == arn }) {
			arns = append(arns, b.LoadBalancerArn)
		}
	}
	slices.Sort(arns)
	return arns
}

// register registers an instance with a target group, at the group's port. The caller holds mu.
func (s *Sim) register(arn string, in *instance) {
	if tg := s.state.TargetGroups[arn]; tg != nil && in != nil {
		s.registerTarget(tg, Target{in.ID, in.Address, tg.Port})
	}
}

// registerTarget is idempotent; a target that drains starts anew.
func (s *Sim) registerTarget(tg *targetGroup, t Target) {
	if have := tg.Targets[t.key()]; have != nil && have.State != "draining" {
		return
	}
	r := tg.newRegistration(t)
	r.State, r.Reason, r.Description = "initial", "Elb.RegistrationInProgress", "Target registration is in progress"
	if len(s.state.balancersOf(tg.TargetGroupArn)) == 0 {
		r.unused("Target.NotInUse")
	}
	tg.Targets[t.key()] = r
	s.probeLater(tg, r)
}

func (tg *targetGroup) newRegistration(t Target) *registration {
	r := &registration{ID: t.ID, Address: t.Address, Port: cmp.Or(t.Port, tg.Port), HealthCheckPort: tg.HealthCheckPort}
	if r.HealthCheckPort == "traffic-port" {
		r.HealthCheckPort = strconv.Itoa(r.Port)
	}
	return r
}

// deregister takes an instance, at whatever ports, out of a target group. What is not registered is no error.
func (s *Sim) deregister(arn string, id string) {
	tg := s.state.TargetGroups[arn]
	if tg == nil {
		return
	}
	for _, r := range tg.registered(id, 0) {
		s.deregisterTarget(tg, r)
	}
}

// deregisterTarget lets a target finish what it has for the deregistration delay, of which 300 s, AWS's default, take
// Delays.Deregister.
func (s *Sim) deregisterTarget(tg *targetGroup, r *registration) {
	if r.State == "draining" {
		return
	}
	seconds, err := strconv.Atoi(tg.Attributes["deregistration_delay.timeout_seconds"])
	if r.State == "unused" || err == nil && seconds == 0 {
		delete(tg.Targets, r.target().key())
		return
	}
	r.State, r.Reason, r.Description = "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
	s.after(s.Delays.Deregister*time.Duration(seconds)/300, func() {
		if tg.Targets[r.target().key()] == r && r.State == "draining" {
			delete(tg.Targets, r.target().key())
		}
	})
}

// registered gives an instance's registrations, at one port or (0) at all.
func (tg *targetGroup) registered(id string, port int) (all []*registration) {
	for _, r := range tg.Targets {
		if r.ID == id && (port == 0 || port == r.Port) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *registration) int { return cmp.Compare(a.Port, b.Port) })
	return all
}

func (r *registration) unused(reason string) {
	r.State, r.Reason, r.Good, r.Bad = "unused", reason, 0, 0
	switch reason {
	case "Target.NotInUse":
		r.Description = "Target group is not configured to receive traffic from the load balancer"
	case "Target.InvalidState":
		r.Description = "Target is in the stopped state"
	default:
		r.Description = "Target is not registered to the target group"
	}
}

// targetState is an instance's state in a target group: unused where it is not registered.
func (s *Sim) targetState(arn, id string) string {
	if tg := s.state.TargetGroups[arn]; tg != nil {
		for _, r := range tg.registered(id, 0) {
			return r.State
		}
	}
	return "unused"
}

// elbHealthy is false only for an instance that the target group knows to be unhealthy. The caller holds mu.
func (s *Sim) elbHealthy(arn, id string) bool { return s.targetState(arn, id) != "unhealthy" }

// InService gives the targets of a target group that take new requests at this moment: those that are healthy. A load
// balancer whose targets are all unhealthy would ask them nevertheless; this one does not.
func (s *Sim) InService(arn string) []Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now())
	all := []Target{}
	if tg := s.state.TargetGroups[arn]; tg != nil {
		for _, r := range tg.Targets {
			if r.State == "healthy" {
				all = append(all, r.target())
			}
		}
	}
	slices.SortFunc(all, func(a, b Target) int { return cmp.Compare(a.key(), b.key()) })
	return all
}

// probeLater has a target checked one interval later. AWS's default of 5 checks at 30 s takes Delays.Register.
func (s *Sim) probeLater(tg *targetGroup, r *registration) {
	interval := s.Delays.Register * time.Duration(tg.HealthCheckIntervalSeconds) / 150
	s.after(max(interval, time.Millisecond), func() { s.probe(tg, r) })
}

// probe is one health check.
func (s *Sim) probe(tg *targetGroup, r *registration) {
	if tg.Targets[r.target().key()] != r || s.state.TargetGroups[tg.TargetGroupArn] != tg || r.State == "draining" {
		return
	}
	in := s.state.Instances[r.ID]
	if in != nil && (in.Gone || in.State == "Terminated") {
		s.deregisterTarget(tg, r) // as EC2's end of an instance does
		return
	}
	if in != nil && in.State == "Stopped" {
		r.unused("Target.InvalidState")
		s.probeLater(tg, r)
		return
	}
	if s.Health == nil {
		s.verdict(tg, r, in == nil || !in.Broken && !in.Sick, "")
		return
	}
	if s.virtual() {
		healthy, reason := s.Health(r.target())
		s.verdict(tg, r, healthy, reason)
		return
	}
	if s.ctx.Err() != nil {
		return
	}
	s.done.Go(func() {
		healthy, reason := s.Health(r.target())
		s.do(func() { s.verdict(tg, r, healthy, reason) })
	})
}

// verdict counts a health check's result.
func (s *Sim) verdict(tg *targetGroup, r *registration, healthy bool, reason string) {
	if tg.Targets[r.target().key()] != r || r.State == "draining" {
		return
	}
	defer s.probeLater(tg, r)
	if len(s.state.balancersOf(tg.TargetGroupArn)) == 0 {
		r.unused("Target.NotInUse")
		return
	}
	if r.State == "unused" {
		r.State, r.Reason, r.Description = "initial", "Elb.InitialHealthChecking", "Initial health checks in progress"
	}
	if healthy {
		r.Good, r.Bad = r.Good+1, 0
	} else {
		r.Good, r.Bad = 0, r.Bad+1
	}
	switch {
	case r.Good >= tg.HealthyThresholdCount:
		r.State, r.Reason, r.Description = "healthy", "", ""
	case r.Bad >= tg.UnhealthyThresholdCount:
		r.State, r.Reason = "unhealthy", cmp.Or(reason, "Target.FailedHealthChecks")
		switch r.Reason {
		case "Target.ResponseCodeMismatch":
			r.Description = "Health checks failed with these codes: [500]" // the check tells no code
		case "Target.Timeout":
			r.Description = "Request timed out"
		default:
			r.Description = "Health checks failed"
		}
		if in := s.state.Instances[r.ID]; in != nil { // a group with ELB health checks acts on it
			s.reconcile(in.Group)
		}
	}
}
