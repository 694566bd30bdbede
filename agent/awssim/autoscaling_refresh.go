package awssim

import (
	"slices"
	"time"
)

// refresh is an instance refresh. What was launched up to the N-th instance is replaced.
type refresh struct {
	ID, Status, Reason string
	Start, End         time.Time
	N, Total, Healthy  int // Healthy: the least percentage of the group that stays in service
}

// refreshOn takes the newest refresh of a group one step on: it replaces as many as MinHealthyPercentage allows, then
// waits for their successors. Suspended, it waits, and goes on when it is resumed.
func (s *Sim) refreshOn(g *group) {
	r := g.refreshing()
	switch {
	case r == nil:
		return
	case r.Status == "Cancelling":
		if s.stable(g) {
			r.Status, r.End = "Cancelled", s.now()
		}
		return
	case !g.runs("InstanceRefresh"):
		return
	}
	r.Status = "InProgress"
	if !s.stable(g) || !g.runs("Launch") || !g.runs("Terminate") {
		return
	}
	old := s.outdated(g, r)
	if len(old) == 0 {
		r.Status, r.End = "Successful", s.now()
		return
	}
	old = slices.DeleteFunc(old, func(in *instance) bool { return in.Protected || in.State != inService }) // it waits for those
	for _, in := range old[:min(len(old), max(1, g.Desired*(100-r.Healthy)/100))] {
		s.replace(g, in, "an instance was taken out of service in response to an instance refresh.", "an instance was launched in response to an instance refresh.")
	}
	s.scale(g)
}

func (s *Sim) outdated(g *group, r *refresh) []*instance {
	return slices.DeleteFunc(s.members(g.Name), func(in *instance) bool { return in.N > r.N })
}

// refreshing is the refresh that is under way.
func (g *group) refreshing() *refresh {
	if n := len(g.Refreshes); n > 0 && g.Refreshes[n-1].End.IsZero() {
		return g.Refreshes[n-1]
	}
	return nil
}

func (c *call) startInstanceRefresh(g *group) (any, error) {
	if g.refreshing() != nil {
		return nil, fails(400, "InstanceRefreshInProgress", "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.")
	}
	r := &refresh{ID: c.uuid(), Status: "Pending", Start: c.now(), N: len(c.state.Instances), Healthy: 90}
	c.into("Preferences.MinHealthyPercentage", &r.Healthy)
	r.Total = len(c.outdated(g, r))
	g.Refreshes = append(g.Refreshes, r)
	c.reconcile(g.Name)
	return struct{ InstanceRefreshId string }{r.ID}, nil
}

type refreshAnswer struct {
	InstanceRefreshId, AutoScalingGroupName, Status string
	StatusReason                                    string `xml:",omitempty"`
	StartTime, EndTime                              *time.Time
	PercentageComplete, InstancesToUpdate           int
	MinHealthyPercentage                            int `xml:"Preferences>MinHealthyPercentage"`
}

func (c *call) describeInstanceRefreshes(g *group) (any, error) {
	var all []refreshAnswer
	for _, r := range slices.Backward(g.Refreshes) {
		if !c.among("InstanceRefreshIds", r.ID) {
			continue
		}
		a := refreshAnswer{r.ID, g.Name, r.Status, r.Reason, moment(r.Start), moment(r.End), 100, 0, r.Healthy}
		for _, in := range c.st.members(g.Name) {
			if in.N <= r.N && r.Status != "Successful" {
				a.InstancesToUpdate++
			}
		}
		a.PercentageComplete -= 100 * a.InstancesToUpdate / max(1, r.Total)
		all = append(all, a)
	}
	return paged(c, "InstanceRefreshes", all, 50, 100)
}

func (c *call) cancelInstanceRefresh(g *group) (any, error) {
	r := g.refreshing()
	if r == nil || r.Status == "Cancelling" {
		return nil, fails(400, "ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found for Auto Scaling group %s", g.Name)
	}
	r.Status, r.Reason = "Cancelling", "Cancelled by user."
	c.reconcile(g.Name)
	return struct{ InstanceRefreshId string }{r.ID}, nil
}
