package awssim

import (
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
	if h.Default == "" {
		h.Default = "ABANDON"
	}
	if h.Heartbeat == 0 {
		h.Heartbeat = time.Hour
	}
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
		s.complete(in, hookName, result)
	})
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

func (c *call) putLifecycleHook() (any, error) {
	g, err := c.live()
	if err != nil {
		return nil, err
	}
	if err := c.need("LifecycleHookName"); err != nil {
		return nil, err
	}
	h := &hook{Name: c.text("LifecycleHookName")}
	if old := g.Hooks[h.Name]; old != nil {
		*h = *old // what is not given stays
	}
	for name, into := range map[string]*string{"LifecycleTransition": &h.Transition, "DefaultResult": &h.Default, "RoleARN": &h.Role, "NotificationTargetARN": &h.Target, "NotificationMetadata": &h.Metadata} {
		if c.form.Has(name) {
			*into = c.text(name)
		}
	}
	if err := c.seconds("HeartbeatTimeout", &h.Heartbeat); err != nil {
		return nil, err
	}
	return struct{}{}, c.putHook(g, h)
}

type hookAnswer struct {
	LifecycleHookName, AutoScalingGroupName, LifecycleTransition string
	NotificationTargetARN, RoleARN, NotificationMetadata         string `xml:",omitempty"`
	HeartbeatTimeout, GlobalTimeout                              int
	DefaultResult                                                string
}

func (c *call) describeLifecycleHooks() (any, error) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	names, given := c.list("LifecycleHookNames")
	var out struct{ LifecycleHooks memberList[hookAnswer] }
	for _, h := range sorted(g.Hooks) {
		if given && !slices.Contains(names, h.Name) {
			continue
		}
		global := min(100*h.Heartbeat, 48*time.Hour) // the guide, lifecycle-hooks
		out.LifecycleHooks.Member = append(out.LifecycleHooks.Member, hookAnswer{h.Name, g.Name, h.Transition, h.Target, h.Role, h.Metadata,
			int(h.Heartbeat.Seconds()), int(global.Seconds()), h.Default})
	}
	return out, nil
}

func (c *call) deleteLifecycleHook() (any, error) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	name := c.text("LifecycleHookName")
	if g.Hooks[name] == nil {
		return nil, invalid("No Lifecycle Hook found with name: %s", name)
	}
	result := g.Hooks[name].Default
	if g.Hooks[name].Transition == launchTransition {
		result = "ABANDON" // deleting a hook abandons launches and lets terminations go on: the API's reference
	}
	delete(g.Hooks, name)
	for _, in := range c.members(g.Name) {
		if in.Waiting[name] != nil {
			c.complete(in, name, result)
		}
	}
	return struct{}{}, nil
}

// lifecycleAction finds the action that a call is about, by its token or its instance.
func (c *call) lifecycleAction() (in *instance, w *waitToken, err error) {
	g, err := c.group()
	if err != nil {
		return nil, nil, err
	}
	name, token, id := c.text("LifecycleHookName"), c.text("LifecycleActionToken"), c.text("InstanceId")
	for _, in := range c.members(g.Name, pendingWait, termWait) {
		if w := in.Waiting[name]; w != nil && (w.Token == token || in.ID == id) {
			return in, w, nil
		}
	}
	if token == "" {
		return nil, nil, invalid("No active Lifecycle Action found with instance ID %s", id)
	}
	return nil, nil, invalid("No active Lifecycle Action found with token %s", token)
}

func (c *call) completeLifecycleAction() (any, error) {
	in, _, err := c.lifecycleAction()
	if err != nil {
		return nil, err
	}
	result := c.text("LifecycleActionResult")
	if result != "CONTINUE" && result != "ABANDON" {
		return nil, invalid("Invalid lifecycle action result: %s", result)
	}
	c.complete(in, c.text("LifecycleHookName"), result)
	return struct{}{}, nil
}

func (c *call) recordHeartbeat() (any, error) {
	in, w, err := c.lifecycleAction()
	if err != nil {
		return nil, err
	}
	if h := c.state.Groups[in.Group].Hooks[c.text("LifecycleHookName")]; h != nil {
		w.Until = c.now().Add(h.Heartbeat)
	}
	return struct{}{}, nil
}
