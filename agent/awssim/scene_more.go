package awssim

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// What else people and their tools do to a group, an instance or a target group in a scene.

// AddHook puts a lifecycle hook on a group; launch says at which end of an instance's life. Without a result given for it
// an action comes to its default, ABANDON, after the heartbeat.
func (s *Sim) AddHook(name, hookName string, launch bool, heartbeat time.Duration) (err error) {
	transition := terminateTransition
	if launch {
		transition = launchTransition
	}
	if e := s.onGroup(name, func(g *group) {
		err = s.putHook(g, &hook{Name: hookName, Transition: transition, Heartbeat: heartbeat})
	}); e != nil {
		return e
	}
	return err
}

// Terminate terminates an instance by hand, which its group then replaces.
func (s *Sim) Terminate(id string) error {
	return s.on(id, func(in *instance) {
		s.terminate(in, s.say("an instance was taken out of service in response to a user request."), false)
	})
}

// Unhealthy calls an instance unhealthy, as SetInstanceHealth does.
func (s *Sim) Unhealthy(id string) error {
	return s.on(id, func(in *instance) { s.mark(in, "a user health-check.") })
}

// Policy changes what a group should have as a scaling policy does whose alarm is in breach.
func (s *Sim) Policy(name, alarm string, n int) error {
	return s.onGroup(name, func(g *group) {
		s.setDesired(g, n, "a monitor alarm %s in state ALARM triggered policy %s", alarm, alarm+"-policy")
	})
}

// Move changes a group's zones; AZRebalance makes it so.
func (s *Sim) Move(name string, zones ...string) error {
	return s.onGroup(name, func(g *group) { g.Zones = zones; s.reconcile(name) })
}

// Refresh starts an instance refresh, which replaces a tenth of the group at a time, and at least one.
func (s *Sim) Refresh(name string) error {
	return s.onGroup(name, func(g *group) {
		r := &refresh{ID: s.uuid(), Status: "Pending", Start: s.now(), N: len(s.state.Instances), Healthy: 90, Total: len(s.members(name))}
		g.Refreshes = append(g.Refreshes, r)
		s.reconcile(name)
	})
}

// Lifetime sets the greatest age of a group's instances; those beyond it are replaced one after the other.
func (s *Sim) Lifetime(name string, age time.Duration) error {
	return s.onGroup(name, func(g *group) {
		g.MaxLifetime = age
		s.watchLifetime(g)
		s.reconcile(name)
	})
}

// Protect protects a group from being deleted.
func (s *Sim) Protect(name string) error {
	return s.onGroup(name, func(g *group) { g.DeletionProtection = "prevent-force-deletion" })
}

// Drain sets how long a target group lets a target finish: its attribute deregistration_delay.timeout_seconds.
func (s *Sim) Drain(name string, delay time.Duration) error {
	return s.onTargetGroup(name, func(tg *targetGroup) {
		tg.Attributes["deregistration_delay.timeout_seconds"] = strconv.Itoa(int(delay.Seconds()))
	})
}

// Unlisten takes a target group from its load balancers: nothing forwards to it any more.
func (s *Sim) Unlisten(name string) error {
	return s.onTargetGroup(name, func(tg *targetGroup) {
		for _, b := range s.state.Balancers {
			b.Listeners = slices.DeleteFunc(b.Listeners, func(l listener) bool { return l.DefaultActions.Member[0].TargetGroupArn == tg.TargetGroupArn })
		}
	})
}

// Register and Deregister are what an operator does to a target.
func (s *Sim) Register(name, id string) error {
	return s.onTargetGroup(name, func(tg *targetGroup) { s.register(tg.TargetGroupArn, s.state.Instances[id]) })
}

// Deregister takes a target out of traffic.
func (s *Sim) Deregister(name, id string) error {
	return s.onTargetGroup(name, func(tg *targetGroup) { s.deregister(tg.TargetGroupArn, id) })
}

func (s *Sim) onTargetGroup(name string, f func(*targetGroup)) (err error) {
	s.do(func() {
		if tg := s.state.targetGroupNamed(name); tg != nil {
			f(tg)
			return
		}
		err = fmt.Errorf("there is no target group %s", name)
	})
	return err
}

// Tag sets a tag on a group.
func (s *Sim) Tag(name, key, value string) error {
	return s.onGroup(name, func(g *group) { s.setTag(g, key, tag{Value: value}) })
}
