package awssim

import "slices"

// The deployment engine. A deployment goes through its phases, each of which is a wave: some instances, each through
// one lifecycle event after the other.
//
//	in place:    install ──────────────────────────────────────────────────────────────▶ Succeeded
//	blue/green:  provision ▶ install (green) ▶ ready ▶ reroute (green) ▶ block (blue) ▶ terminate ▶ Succeeded
//	rolled back: reroute (blue) ▶ block (green) ───────────────────────────────────────▶ Succeeded
//
// From each of them it may go to Failed or Stopped, and from there to a rollback, which is a deployment of its own.

// constraints are AWS's words for a deployment of which too much failed.
const constraints = "The overall deployment failed because too many individual instances failed deployment, too few healthy instances are available for deployment, or some instances in your deployment group are experiencing problems."

// eventsOf are the lifecycle events of a deployment's instances with a label, in order: facts §1.1 and the user
// guide's reference-appspec-file-structure-hooks.md. That ApplicationStop is last as an instance goes is inferred.
func (d *deployment) eventsOf(label string) []string {
	var allow, block []string
	if d.Settings.Style.Option == "WITH_TRAFFIC_CONTROL" {
		allow, block = allowEvents(), blockEvents()
	}
	switch {
	case d.Creator == "autoscaling":
		return append(installEvents(), allow...)
	case d.Creator == "autoscalingTermination":
		return append(block, "ApplicationStop")
	case d.Settings.Style.Type == "IN_PLACE":
		return slices.Concat(block, installEvents(), allow)
	case d.Creator == "codeDeployRollback" && label == "Blue":
		return allow
	case d.Creator == "codeDeployRollback" || label == "Blue":
		return block
	}
	return append(installEvents(), allow...)
}

func installEvents() []string {
	return []string{"ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall", "ApplicationStart", "ValidateService"}
}

func allowEvents() []string {
	return []string{"BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"}
}

func blockEvents() []string {
	return []string{"BeforeBlockTraffic", "BlockTraffic", "AfterBlockTraffic"}
}

// dequeue takes a deployment out of the queue.
func (s *Sim) dequeue(d *deployment) {
	if over(d.Status) {
		return
	}
	s.become(d, "InProgress")
	if s.Ends != nil {
		if code, message := s.Ends(); code != "" {
			s.fail(d, code, message)
			return
		}
	}
	switch {
	case byScaling(d.Creator) || d.Settings.Style.Type == "IN_PLACE":
		s.inPlace(d)
	case d.Creator == "codeDeployRollback":
		s.routeBack(d)
	default:
		s.provision(d)
	}
}

func (s *Sim) inPlace(d *deployment) {
	s.enlist(d, "", s.originals(d))
	if len(d.Targets) == 0 {
		s.noInstances(d)
		return
	}
	d.Phase = "install"
	s.through(d, d.Targets, d.eventsOf(""), "Succeeded", func() { s.succeed(d) })
}

// originals are the instances that a deployment's group has now.
func (s *Sim) originals(d *deployment) (found []*instance) {
	if len(d.Only) > 0 {
		for _, id := range d.Only {
			if in := s.state.Instances[id]; in != nil {
				found = append(found, in)
			}
		}
		return found
	}
	for _, name := range d.Originals {
		found = append(found, s.members(name, "InService")...)
	}
	if g := s.state.deploymentGroup(d.Application, d.Group); g != nil {
		found = append(found, s.tagged(g.EC2Tags, d.Originals)...)
	}
	return found
}

func (s *Sim) noInstances(d *deployment) {
	s.fail(d, "NO_INSTANCES", "The overall deployment failed because no instances were found for your deployment group. Check your deployment group settings to make sure the tags for your Amazon EC2 instances or Auto Scaling groups correctly identify the instances you want to deploy to, and then try again.")
}

// enlist makes instances a deployment's targets.
func (s *Sim) enlist(d *deployment, label string, instances []*instance) {
	for _, in := range instances {
		t := &target{Deployment: d.ID, ID: in.ID, ARN: "arn:aws:ec2:" + s.Region + ":" + s.Account + ":instance/" + in.ID, Status: "Pending", Updated: seconds{s.now()}, Label: label}
		for _, name := range d.eventsOf(label) {
			t.Events = append(t.Events, &event{Name: name, Status: "Pending"})
		}
		d.Targets = append(d.Targets, t)
	}
}

// labelled gives the targets with a label that have not failed.
func (d *deployment) labelled(label string) (out []*target) {
	for _, t := range d.Targets {
		if t.Label == label && t.Status != "Failed" {
			out = append(out, t)
		}
	}
	return out
}

// through takes targets through events under the rule of the deployment's configuration, and goes on where that held.
func (s *Sim) through(d *deployment, targets []*target, events []string, end string, next func()) {
	g := &wave{Sim: s, d: d, waiting: targets, events: events, end: end, of: len(targets), least: configs()[d.Settings.Config].healthy(len(targets)), next: next}
	g.advance()
}

// throughAll is through for instances that lose traffic: all at once, and one that fails fails the deployment
// (instances-health.md: even one that cannot be deregistered does).
func (s *Sim) throughAll(d *deployment, targets []*target, events []string, next func()) {
	g := &wave{Sim: s, d: d, waiting: targets, events: events, end: "Succeeded", of: len(targets), all: true, next: next}
	g.advance()
}

// wave is some targets on their way through some events.
type wave struct {
	*Sim
	d       *deployment
	waiting []*target
	events  []string
	end     string // a target's status after them
	of      int    // targets in all
	least   int    // of which so many stay healthy
	all     bool   // none may fail
	running int
	failed  int
	next    func()
}

// advance starts what may start. An instance under way is not healthy, and one that failed is not.
func (g *wave) advance() {
	for len(g.waiting) > 0 && g.d.Stopping == "" && g.of-g.failed-g.running-1 >= g.least {
		t := g.waiting[0]
		g.waiting = g.waiting[1:]
		g.running++
		g.step(t, 0)
	}
	switch {
	case g.running > 0:
	case g.d.Stopping != "":
		g.stopped(g.d)
	case len(g.waiting) > 0, g.of-g.failed < g.least, g.of > 0 && g.failed == g.of, g.all && g.failed > 0:
		g.fail(g.d, "HEALTH_CONSTRAINTS", constraints)
	default:
		g.next()
	}
}

// step runs a target's event, and on its success the next.
func (g *wave) step(t *target, i int) {
	if i == len(g.events) || g.d.Stopping != "" {
		if i == len(g.events) {
			g.markTarget(t, g.end)
		}
		g.after(0, func() { g.running--; g.advance() })
		return
	}
	name := g.events[i]
	g.event(g.d, t, name, func(ok bool) {
		stops := []string{"ApplicationStop", "BeforeBlockTraffic", "AfterBlockTraffic"} // all that the option forgives (SDK)
		if ok || g.d.IgnoreStopFailures && slices.Contains(stops, name) {
			g.step(t, i+1)
			return
		}
		g.running--
		g.failed++
		g.skip(t)
		g.markTarget(t, "Failed")
		g.advance()
	})
}

func (s *Sim) markTarget(t *target, status string) {
	t.Status, t.Updated = status, seconds{s.now()}
	s.tell(Progress{Deployment: t.Deployment, Instance: t.ID, Label: t.Label, Status: status})
}

// skip leaves out what a target has not begun.
func (s *Sim) skip(t *target) {
	for _, e := range t.Events {
		if e.Status == "Pending" {
			e.Status = "Skipped"
		}
	}
}

// close leaves out what no target has begun.
func (s *Sim) close(d *deployment) {
	for _, t := range d.Targets {
		s.skip(t)
		if slices.Contains([]string{"Pending", "Ready", "InProgress"}, t.Status) {
			s.markTarget(t, "Skipped")
		}
	}
}

func (s *Sim) succeed(d *deployment) {
	if d.Stopping != "" {
		s.stopped(d)
		return
	}
	s.become(d, "Succeeded")
}

func (s *Sim) fail(d *deployment, code, message string) {
	d.Failure = &errorInformation{code, message}
	s.close(d)
	s.giveUp(d)
	s.become(d, "Failed")
	s.rollBack(d, d.rollsBackOn("DEPLOYMENT_FAILURE"))
}

// stop ends a deployment: at once, or once what its instances are doing has come to its end.
func (s *Sim) stop(d *deployment, rollBack bool) {
	d.Stopping, d.RollBack = "MANUAL_STOP", rollBack
	if !slices.Contains([]string{"install", "reroute", "block"}, d.Phase) {
		s.stopped(d)
	}
}

func (s *Sim) stopped(d *deployment) {
	d.Failure = &errorInformation{d.Stopping, "The deployment was stopped by a user."}
	if d.Stopping == "TIMEOUT" {
		d.Failure.Message = "The deployment was stopped because traffic was not rerouted to the replacement environment within the time allowed."
	}
	s.close(d)
	s.giveUp(d)
	s.become(d, "Stopped")
	s.rollBack(d, d.RollBack)
}

// rollBack starts the deployment that undoes one. A rollback is not rolled back.
func (s *Sim) rollBack(d *deployment, wanted bool) {
	g := s.state.deploymentGroup(d.Application, d.Group)
	if !wanted || g == nil || d.Creator == "codeDeployRollback" || byScaling(d.Creator) {
		return
	}
	blueGreen := d.Settings.Style.Type == "BLUE_GREEN"
	r := &deployment{Creator: "codeDeployRollback", Revision: g.Revision, Rollback: &rollbackInfo{Of: d.ID, Message: "Deployment " + d.ID + " did not succeed: it is rolled back"}}
	if blueGreen && r.Revision == nil {
		r.Revision = d.Revision // only traffic moves
	}
	if r.Revision == nil || blueGreen && len(d.Targets) == 0 {
		d.Rollback = &rollbackInfo{Message: "There is nothing to roll back to"}
		return
	}
	if err := s.create(g, r, d.Settings.Config, nil); err != nil {
		d.Rollback = &rollbackInfo{Message: err.Error()}
		return
	}
	r.Originals, r.Green = d.Originals, d.Green
	d.Rollback = &rollbackInfo{By: r.ID, Message: "Rolled back by deployment " + r.ID}
}
