package awssim

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const (
	launchTransition    = "autoscaling:EC2_INSTANCE_LAUNCHING"
	terminateTransition = "autoscaling:EC2_INSTANCE_TERMINATING"
	maxHooks            = 50 // per group: the user guide's quotas
)

// hook is a lifecycle hook of a group.
type hook struct {
	Name, Transition, Default, Role, Target, Metadata string
	Heartbeat                                         time.Duration
}

// waitToken is one lifecycle action that an instance waits for.
type waitToken struct {
	Token string
	Until time.Time
}

// putHook is PutLifecycleHook, whoever asks.
func (s *Sim) putHook(g *group, h *hook) error {
	if h.Transition != launchTransition && h.Transition != terminateTransition {
		return invalid("Invalid lifecycle transition: %s", h.Transition)
	}
	if g.Hooks[h.Name] == nil && len(g.Hooks) >= maxHooks {
		return fails(400, "LimitExceeded", "Only %d lifecycle hooks are allowed for the AutoScalingGroup %s", maxHooks, g.Name)
	}
	h.Default, h.Heartbeat = cmp.Or(h.Default, "ABANDON"), cmp.Or(h.Heartbeat, time.Hour)
	g.Hooks[h.Name] = h
	return nil
}

// hold has an instance wait for the group's lifecycle hooks of a transition, if there are any.
func (s *Sim) hold(in *instance, transition string) bool {
	g := s.state.Groups[in.Group]
	if g == nil || in.Gone {
		return false
	}
	held := false
	for _, h := range sorted(g.Hooks) {
		if h.Transition == transition {
			held = true
			in.Waiting[h.Name] = &waitToken{Token: s.uuid(), Until: s.now().Add(h.Heartbeat)}
			s.expireAt(in.ID, h.Name, s.now().Add(h.Heartbeat))
		}
	}
	if held {
		in.State = strings.TrimSuffix(in.State, ":Wait") + ":Wait"
		in.Moved = true
		if a := s.activityOf(in); a != nil {
			a.Status = "MidLifecycleAction"
		}
		s.emit(Change{Kind: Held, Group: in.Group, Instance: in.ID, Text: in.State})
	}
	return held
}

// expireAt gives an action its hook's default result when its heartbeat has run out.
func (s *Sim) expireAt(id, hookName string, t time.Time) {
	s.at(t, func() {
		in := s.state.Instances[id]
		if in == nil || in.Waiting[hookName] == nil {
			return
		}
		if w := in.Waiting[hookName]; w.Until.After(s.now()) {
			s.expireAt(id, hookName, w.Until)
			return
		}
		result := "ABANDON"
		if g := s.state.Groups[in.Group]; g != nil && g.Hooks[hookName] != nil {
			result = g.Hooks[hookName].Default
		}
		if result != "CONTINUE" {
			s.abandoned(in, "Heartbeat Timeout")
		}
		s.complete(in, hookName, result)
	})
}

// abandoned notes at an instance's launch why a lifecycle action came to nothing, in AWS's words (user guide of CodeDeploy,
// troubleshooting Auto Scaling).
func (s *Sim) abandoned(in *instance, why string) {
	if a := s.activityOf(in); a != nil && in.State == pendingWait {
		a.failed("Instance failed to complete user's Lifecycle Action: Lifecycle Action with token " + s.uuid() + " was abandoned: " + why)
	}
}

// complete ends a lifecycle action. An instance that is abandoned at launch is terminated and replaced; one that
// terminates ends in any case, abandoned without waiting for its other hooks.
func (s *Sim) complete(in *instance, hookName, result string) {
	delete(in.Waiting, hookName)
	abandoned := result != "CONTINUE"
	switch {
	case in.State == pendingWait && abandoned:
		s.terminate(in, s.say("an instance was taken out of service in response to a lifecycle hook being abandoned."), true)
		s.reconcile(in.Group)
	case in.State == pendingWait && len(in.Waiting) == 0:
		in.State = pending + ":Proceed"
		s.enterService(in)
	case in.State == termWait && (abandoned || len(in.Waiting) == 0):
		clear(in.Waiting)
		s.shutDown(in)
	}
}

func (c *call) putLifecycleHook(g *group) (any, error) {
	h := &hook{Name: c.text("LifecycleHookName")}
	if old := g.Hooks[h.Name]; old != nil {
		*h = *old // what is not given stays
	}
	c.keep("LifecycleTransition", &h.Transition)
	c.keep("DefaultResult", &h.Default)
	c.keep("RoleARN", &h.Role)
	c.keep("NotificationTargetARN", &h.Target)
	c.keep("NotificationMetadata", &h.Metadata)
	c.seconds("HeartbeatTimeout", &h.Heartbeat)
	return struct{}{}, c.putHook(g, h)
}

type hookAnswer struct {
	LifecycleHookName, AutoScalingGroupName, LifecycleTransition string
	NotificationTargetARN, RoleARN, NotificationMetadata         string `xml:",omitempty"`
	HeartbeatTimeout, GlobalTimeout                              int
	DefaultResult                                                string
}

func (c *call) describeLifecycleHooks(g *group) (any, error) {
	all := c.managedHooks(g)
	for _, h := range sorted(g.Hooks) {
		if c.among("LifecycleHookNames", h.Name) {
			global := min(100*h.Heartbeat, 48*time.Hour) // the guide, lifecycle-hooks
			all = append(all, hookAnswer{h.Name, g.Name, h.Transition, h.Target, h.Role, h.Metadata, int(h.Heartbeat.Seconds()), int(global.Seconds()), h.Default})
		}
	}
	return paged(c, "LifecycleHooks", all, maxHooks, maxHooks)
}

// managedHooks are those that CodeDeploy has on a group. They are shown only: here CodeDeploy deploys to what is launched
// without holding it up.
func (c *call) managedHooks(g *group) (all []hookAnswer) {
	for _, app := range c.st.Applications {
		for _, dg := range app.Groups {
			for _, h := range dg.ScalingGroups {
				if h.Name == g.Name && c.among("LifecycleHookNames", h.Hook) {
					all = append(all, hookAnswer{LifecycleHookName: h.Hook, AutoScalingGroupName: g.Name, LifecycleTransition: launchTransition, HeartbeatTimeout: 600, GlobalTimeout: 60000, DefaultResult: "ABANDON"})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b hookAnswer) int { return strings.Compare(a.LifecycleHookName, b.LifecycleHookName) })
	return all
}

func (c *call) deleteLifecycleHook(g *group) (any, error) {
	name := c.text("LifecycleHookName")
	h := g.Hooks[name]
	if h == nil {
		return nil, invalid("No Lifecycle Hook found with name: %s", name)
	}
	delete(g.Hooks, name)
	for _, in := range c.members(g.Name) {
		if in.Waiting[name] != nil {
			c.complete(in, name, "ABANDON") // what waits is abandoned at launch, and goes on ending: the API's reference
		}
	}
	return struct{}{}, nil
}

// lifecycleAction finds the action that a call is about, by its token or its instance.
func (c *call) lifecycleAction(g *group) (in *instance, w *waitToken, err error) {
	name, token, id := c.text("LifecycleHookName"), c.text("LifecycleActionToken"), c.text("InstanceId")
	for _, in := range c.members(g.Name, pendingWait, termWait) {
		if w := in.Waiting[name]; w != nil && (w.Token == token || in.ID == id) {
			return in, w, nil
		}
	}
	return nil, nil, invalid("No active Lifecycle Action found with instance ID %s", cmp.Or(id, token))
}

func (c *call) completeLifecycleAction(g *group) (any, error) {
	in, _, err := c.lifecycleAction(g)
	if err == nil {
		if c.text("LifecycleActionResult") != "CONTINUE" {
			c.abandoned(in, "Lifecycle Action Completed with ABANDON Result")
		}
		c.complete(in, c.text("LifecycleHookName"), c.text("LifecycleActionResult"))
	}
	return struct{}{}, err
}

func (c *call) recordHeartbeat(g *group) (any, error) {
	_, w, err := c.lifecycleAction(g)
	if h := g.Hooks[c.text("LifecycleHookName")]; err == nil && h != nil {
		w.Until = c.now().Add(h.Heartbeat)
	}
	return struct{}{}, err
}
