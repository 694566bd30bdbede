package awssim

// What CodeDeploy needs of Auto Scaling, as little as its own tests need: the real one replaces this file.

import (
	"cmp"
	"fmt"
	"slices"
)

func (s *Sim) suspend(g *group, processes []string) {
	for _, p := range processes {
		g.Suspended[p] = suspension{"User suspended at " + s.now().UTC().Format("2006-01-02T15:04:05Z")}
	}
}

func (s *Sim) resume(g *group, processes []string) {
	for _, p := range processes {
		delete(g.Suspended, p)
	}
}

func (s *Sim) createGroup(g *group) error {
	if s.state.Groups[g.Name] != nil {
		return fmt.Errorf("group %s is there already", g.Name)
	}
	g.ARN, g.Created = "arn:aws:autoscaling:::autoScalingGroup:uuid:autoScalingGroupName/"+g.Name, s.now()
	if g.Suspended == nil {
		g.Suspended = map[string]suspension{}
	}
	s.state.Groups[g.Name] = g
	s.reconcile(g.Name)
	return nil
}

func (s *Sim) deleteGroup(name string, force bool) error {
	g := s.state.Groups[name]
	if g == nil {
		return fmt.Errorf("no group %s", name)
	}
	if g.DeletionProtection != "" {
		return fmt.Errorf("group %s is protected", name)
	}
	delete(s.state.Groups, name)
	for _, in := range s.state.Instances {
		if in.Group == name {
			in.State = "Terminated"
		}
	}
	return nil
}

func (s *Sim) members(name string, states ...string) []*instance {
	var out []*instance
	for _, in := range s.state.Instances {
		if in.Group == name && (len(states) == 0 || slices.Contains(states, in.State)) {
			out = append(out, in)
		}
	}
	slices.SortFunc(out, func(a, b *instance) int { return cmp.Or(a.Launched.Compare(b.Launched), cmp.Compare(a.ID, b.ID)) })
	return out
}

func (s *Sim) reconcile(name string) {
	g := s.state.Groups[name]
	for i := len(s.members(name, "Pending", "InService")); g != nil && i < g.Desired; i++ {
		s.seq++
		in := &instance{ID: fmt.Sprintf("i-%017x", s.seq), Group: name, Address: fmt.Sprintf("10.0.0.%d", s.seq%250), State: "Pending", Healthy: true, Launched: s.now()}
		s.state.Instances[in.ID] = in
		s.after(s.Delays.Launch, func() {
			if in.State == "Pending" {
				in.State, in.InServiceSince = "InService", s.now()
				for _, arn := range g.TargetGroupARNs {
					s.register(arn, in)
				}
			}
		})
	}
}
