package awssim

import (
	"slices"
	"strings"
	"time"
)

// gone says that nothing runs on an instance any more. One whose termination waits for a lifecycle action still runs.
func gone(in *instance) bool {
	return in == nil || in.Gone || strings.HasPrefix(in.State, "Terminat") && in.State != "Terminating:Wait"
}

// event has one instance go through one lifecycle event, and says later how it came out.
func (s *Sim) event(d *deployment, t *target, name string, then func(ok bool)) {
	e := t.Events[slices.IndexFunc(t.Events, func(e *event) bool { return e.Name == name })]
	if t.Status != "InProgress" {
		s.markTarget(t, "InProgress")
	}
	if gone(s.state.Instances[t.ID]) || s.Deaf != nil && s.Deaf(t.ID) && name != "AllowTraffic" && name != "BlockTraffic" {
		// AWS gives a command 5 minutes to begin, and one that began an hour to end (limits.md).
		s.after(s.Delays.Lost/12, func() {
			s.report(t, e, Outcome{ErrorCode: "UnknownError", Message: "CodeDeploy agent was not able to receive the lifecycle event. Check the CodeDeploy agent logs on your host and make sure the agent is running and can connect to the CodeDeploy server."}, then)
		})
		return
	}
	e.Status, e.Start = "InProgress", seconds{s.now()}
	s.tell(Progress{Deployment: t.Deployment, Instance: t.ID, Label: t.Label, Event: name, Status: e.Status})
	s.watch(t, e, then)
	limit := s.Delays.Timeout
	if name == "AllowTraffic" || name == "BlockTraffic" {
		limit = s.Delays.Traffic
	}
	s.after(limit, func() {
		s.report(t, e, Outcome{ErrorCode: "UnknownError", Message: "The lifecycle event did not complete within the time allowed."}, then)
	})
	report := func(o Outcome) {
		if !gone(s.state.Instances[t.ID]) { // nobody is left to report
			s.report(t, e, o, then)
		}
	}
	if s.Traffic != nil && (name == "AllowTraffic" || name == "BlockTraffic") {
		if o, is := s.Traffic(t.ID, name); is {
			s.after(s.Delays.Event, func() { report(o) })
			return
		}
	}
	switch {
	case name == "AllowTraffic":
		s.shift(d, t, e, s.Delays.Register, func(arn string) { s.register(arn, s.state.Instances[t.ID]) }, "healthy", report)
	case name == "BlockTraffic":
		s.shift(d, t, e, s.Delays.Deregister, func(arn string) { s.deregister(arn, t.ID) }, "unused", report)
	case s.Agent == nil:
		s.after(s.Delays.Event, func() { report(Outcome{Succeeded: true}) })
	default:
		s.command(d, t, name, report)
	}
}

// watch fails an event whose instance is gone.
func (s *Sim) watch(t *target, e *event, then func(bool)) {
	s.after(s.Delays.Lost, func() {
		switch {
		case e.Status != "InProgress":
		case gone(s.state.Instances[t.ID]):
			s.report(t, e, Outcome{ErrorCode: "UnknownError", Message: "The instance did not report the end of the lifecycle event within the time allowed."}, then)
		default:
			s.watch(t, e, then)
		}
	})
}

// command has the instance's CodeDeploy agent do it.
func (s *Sim) command(d *deployment, t *target, name string, report func(Outcome)) {
	if s.ctx.Err() != nil {
		return
	}
	c := Command{Deployment: d.ID, Application: d.Application, Group: d.Group, GroupID: d.GroupID, Event: name, Creator: d.Creator,
		Type: d.Settings.Style.Type, Revision: d.Revision.name(), Instance: t.ID, Address: s.state.Instances[t.ID].Address}
	if byScaling(d.Creator) {
		c.Type = "IN_PLACE"
	}
	s.busy++
	s.done.Go(func() {
		s.Agent(c, func(o Outcome) { s.do(func() { report(o) }) })
		s.mu.Lock()
		s.busy--
		s.idle.Broadcast()
		s.mu.Unlock()
	})
}

// route changes an instance's registration with the deployment's target groups and waits for its state in all of them.
func (s *Sim) shift(d *deployment, t *target, e *event, takes time.Duration, act func(arn string), state string, report func(Outcome)) {
	arns := s.targetGroupsOf(d)
	for _, arn := range arns {
		act(arn)
	}
	var look func()
	look = func() {
		if e.Status != "InProgress" {
			return
		}
		for _, arn := range arns {
			if s.targetState(arn, t.ID) != state {
				s.after(max(takes/10, time.Millisecond), look)
				return
			}
		}
		report(Outcome{Succeeded: true})
	}
	s.after(0, look)
}

// targetGroupsOf gives the target groups of a deployment, which knows them by their names.
func (s *Sim) targetGroupsOf(d *deployment) (arns []string) {
	if b := d.Settings.Balancer; b != nil {
		for _, n := range b.TargetGroups {
			if tg := s.state.targetGroupNamed(n.Name); tg != nil {
				arns = append(arns, tg.TargetGroupArn)
			}
		}
	}
	return arns
}

// maxLog is what AWS keeps of a script's output (SDK types.Diagnostics).
const maxLog = 4 << 10

// finish ends an event, once.
func (s *Sim) report(t *target, e *event, o Outcome, then func(bool)) {
	if e.Status != "InProgress" && e.Status != "Pending" {
		return
	}
	now := seconds{s.now()}
	e.Status, e.End, t.Updated = "Failed", now, now
	if e.Start.IsZero() {
		e.Start = now
	}
	if o.Succeeded {
		e.Status, o.ErrorCode = "Succeeded", "Success"
		if o.Message == "" {
			o.Message = "Succeeded"
		}
	}
	if o.ErrorCode == "" {
		o.ErrorCode = "UnknownError"
	}
	log := strings.ToValidUTF8(o.Log[max(0, len(o.Log)-maxLog):], "")
	e.Diagnostics = &diagnostics{o.ErrorCode, o.Script, o.Message, log}
	s.tell(Progress{Deployment: t.Deployment, Instance: t.ID, Label: t.Label, Event: e.Name, Status: e.Status, Text: o.Message})
	then(o.Succeeded)
}
