package breakage

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
)

// stage is the AWS of one scene: shop/web, on the Auto Scaling group web behind the target group web. Its clock is
// virtual and its delays are AWS's own, so that hours pass in no time.
type stage struct {
	sim *awssim.Sim
	id  string // of the deployment that is diagnosed

	mu     sync.Mutex
	rules  []rule
	held   map[string]func(awssim.Outcome) // by instance: an event that has not ended
	deaf   map[string]bool
	all    bool // every instance is deaf
	refuse string
	ends   [2]string                 // CodeDeploy's code and words
	shift  map[string]awssim.Outcome // by event
	sick   map[string]string         // reason by instance; "*" is all that is launched after
	well   map[string]bool
}

// rule is how an event comes out.
type rule struct {
	event string
	on    func(awssim.Command) bool
	does  func(c awssim.Command, done func(awssim.Outcome))
}

// stageError ends a scene that cannot be played.
type stageError struct{ error }

func (s *stage) must(err error) {
	if err != nil {
		panic(stageError{err})
	}
}

func newStage() (*stage, error) {
	s := &stage{held: map[string]func(awssim.Outcome){}, deaf: map[string]bool{}, shift: map[string]awssim.Outcome{}, sick: map[string]string{}, well: map[string]bool{}}
	return s, s.begin(awssim.Switches{})
}

// begin starts the stage's AWS; a scene that needs another one begins again.
func (s *stage) begin(switches awssim.Switches) (err error) {
	s.close()
	s.sim, err = awssim.New(awssim.Config{Start: time.Date(2026, 11, 25, 1, 30, 0, 0, time.UTC), InMemory: true, Switches: switches, Agent: s.agent, Health: s.health,
		Deaf: s.isDeaf, Refused: s.refused, Traffic: s.shifted, Ends: s.ended,
		Delays: awssim.Delays{Launch: 40 * time.Second, Terminate: time.Minute, Reconcile: 5 * time.Second, Register: 150 * time.Second, Deregister: 5 * time.Minute,
			Event: 20 * time.Second, Lost: time.Hour, Timeout: time.Hour, Spot: 2 * time.Minute, Minute: time.Minute}})
	return err
}

func (s *stage) close() {
	if s.sim != nil {
		_ = s.sim.Close() // it was in memory: nothing is left of it
	}
}

func (s *stage) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// agent is the CodeDeploy agents: an event succeeds, unless a rule says otherwise.
func (s *stage) agent(c awssim.Command, done func(awssim.Outcome)) {
	s.mu.Lock()
	i := slices.IndexFunc(s.rules, func(r rule) bool { return r.event == c.Event && (r.on == nil || r.on(c)) })
	var does func(awssim.Command, func(awssim.Outcome))
	if i >= 0 {
		does = s.rules[i].does
	}
	s.mu.Unlock()
	if does == nil {
		done(awssim.Outcome{Succeeded: true})
		return
	}
	does(c, done)
}

func (s *stage) isDeaf(id string) (deaf bool) {
	s.locked(func() { deaf = s.all || s.deaf[id] })
	return deaf
}

func (s *stage) refused(group string) (why string) {
	s.locked(func() {
		if group != "web" {
			why = s.refuse
		}
	})
	return why
}

func (s *stage) ended() (code, message string) {
	s.locked(func() { code, message = s.ends[0], s.ends[1] })
	return code, message
}

func (s *stage) shifted(_, event string) (o awssim.Outcome, is bool) {
	s.locked(func() { o, is = s.shift[event] })
	return o, is
}

func (s *stage) health(t awssim.Target) (healthy bool, reason string) {
	s.locked(func() {
		if reason = s.sick[t.ID]; reason == "" && !s.well[t.ID] {
			reason = s.sick["*"]
		}
	})
	return reason == "", reason
}

// rule makes an event come out otherwise than well. on may be nil: everywhere.
func (s *stage) rule(event string, on func(awssim.Command) bool, o awssim.Outcome) {
	s.does(event, on, func(_ awssim.Command, done func(awssim.Outcome)) { done(o) })
}

func (s *stage) does(event string, on func(awssim.Command) bool, does func(awssim.Command, func(awssim.Outcome))) {
	s.locked(func() { s.rules = append(s.rules, rule{event, on, does}) })
}

// hold keeps an event under way until it is let go.
func (s *stage) hold(event string, on func(awssim.Command) bool) {
	s.does(event, on, func(c awssim.Command, done func(awssim.Outcome)) {
		s.locked(func() { s.held[c.Instance] = done })
	})
}

// release ends what is held, but on these instances.
func (s *stage) release(o awssim.Outcome, but ...string) {
	var all []func(awssim.Outcome)
	s.locked(func() {
		s.rules = nil
		for id, done := range s.held {
			if !slices.Contains(but, id) {
				all = append(all, done)
				delete(s.held, id)
			}
		}
	})
	for _, done := range all {
		done(o)
	}
}

// first is the condition of the first instance that comes to it.
func first() func(awssim.Command) bool { return nth(1) }

// nth is the condition of the n-th instance that comes to it.
func nth(n int) func(awssim.Command) bool {
	var seen []string
	return func(c awssim.Command) bool {
		if !slices.Contains(seen, c.Instance) {
			seen = append(seen, c.Instance)
		}
		return slices.Index(seen, c.Instance) == n-1
	}
}

// script is a failure of a script, in the CodeDeploy agent's words.
func script(code, name, message, log string) awssim.Outcome {
	return awssim.Outcome{ErrorCode: code, Script: name, Message: "Script at specified location: " + name + " " + message, Log: log}
}

// unknown is a failure that is none of a script's.
func unknown(message string) awssim.Outcome {
	return awssim.Outcome{ErrorCode: "UnknownError", Message: message}
}

// group makes the Auto Scaling group web, and waits until it serves.
func (s *stage) group(instances int) (arn string) {
	arn, err := s.sim.AddTargetGroup("web", 8080)
	s.must(err)
	s.must(s.sim.CreateGroup(awssim.GroupSpec{Name: "web", Min: min(1, instances), Max: 4 * max(1, instances), Desired: instances, TargetGroups: []string{arn}}))
	s.sim.Advance(15 * time.Minute)
	g, _ := s.sim.Group("web")
	s.locked(func() {
		for _, in := range g.Instances {
			s.well[in.ID] = true
		}
	})
	s.must(s.sim.AddApplication("shop"))
	return arn
}

// blueGreen makes a blue/green deployment group of so many instances.
func (s *stage) blueGreen(instances int, change ...func(*awssim.DeploymentGroupSpec)) {
	s.group(instances)
	s.dg(true, change...)
}

// inPlace makes an in-place one, behind the load balancer.
func (s *stage) inPlace(instances int, change ...func(*awssim.DeploymentGroupSpec)) {
	s.group(instances)
	s.dg(false, change...)
}

func (s *stage) dg(blueGreen bool, change ...func(*awssim.DeploymentGroupSpec)) {
	spec := awssim.DeploymentGroupSpec{Application: "shop", Name: "web", ScalingGroups: []string{"web"}, TargetGroups: []string{"web"}, BlueGreen: blueGreen, Config: "CodeDeployDefault.AllAtOnce", TerminationWait: 60 * time.Minute}
	for _, c := range change {
		c(&spec)
	}
	s.must(s.sim.AddDeploymentGroup(spec))
}

func (s *stage) deploy(change ...func(*awssim.DeploymentSpec)) {
	spec := awssim.DeploymentSpec{Application: "shop", Group: "web", Revision: "shop-42.tgz"}
	for _, c := range change {
		c(&spec)
	}
	id, err := s.sim.Deploy(spec)
	s.must(err)
	s.id = id
}

func (s *stage) view() awssim.DeploymentView {
	v, _ := s.sim.Deployment(s.id)
	return v
}

// until lets time pass until something holds, a virtual day at the most.
func (s *stage) until(what string, holds func(awssim.DeploymentView) bool) {
	for range 24 * 60 * 4 {
		if holds(s.view()) {
			return
		}
		s.sim.Advance(15 * time.Second)
	}
	s.must(fmt.Errorf("it never is %s: %+v", what, s.view()))
}

// over deploys nothing: it waits for the deployment's end, and a while more.
func (s *stage) over() {
	s.until("over", awssim.DeploymentView.Over)
	s.sim.Advance(time.Minute)
}

// in waits until an event is under way on so many instances, and gives them.
func (s *stage) in(event string, n int) (ids []string) {
	s.until("in "+event, func(v awssim.DeploymentView) bool {
		ids = nil
		for _, t := range v.Targets {
			for _, e := range t.Events {
				if e.Name == event && e.Status == "InProgress" {
					ids = append(ids, t.Instance)
				}
			}
		}
		return len(ids) >= n
	})
	return ids
}

// green is the replacement's group.
func (s *stage) green() string { return "CodeDeploy_web_" + s.id }
