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
	if len(g.Refreshes) == 0 {
		return
	}
	r := g.Refreshes[len(g.Refreshes)-1]
	switch {
	case r.Status == "Cancelling" && s.stable(g):
		r.Status, r.End = "Cancelled", s.now()
		return
	case r.Status != "Pending" && r.Status != "InProgress" || !g.runs("InstanceRefresh"):
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

func (c *call) startInstanceRefresh() (any, error) {
	g, err := c.live()
	if err != nil {
		return nil, err
	}
	if len(g.Refreshes) > 0 {
		if last := g.Refreshes[len(g.Refreshes)-1]; last.End.IsZero() {
			return nil, fails(400, "InstanceRefreshInProgress", "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.")
		}
	}
	r := &refresh{ID: c.uuid(), Status: "Pending", Start: c.now(), N: len(c.state.Instances), Healthy: 90}
	if n, given, err := c.number("Preferences.MinHealthyPercentage"); err != nil {
		return nil, err
	} else if given {
		r.Healthy = n
	}
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

func (c *call) describeInstanceRefreshes() (any, error) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	ids, given := c.list("InstanceRefreshIds")
	var all []refreshAnswer
	for _, r := range slices.Backward(g.Refreshes) {
		if given && !slices.Contains(ids, r.ID) {
			continue
		}
		a := refreshAnswer{InstanceRefreshId: r.ID, AutoScalingGroupName: g.Name, Status: r.Status, StatusReason: r.Reason, StartTime: moment(r.Start), EndTime: moment(r.End), PercentageComplete: 100, MinHealthyPercentage: r.Healthy}
		for _, in := range c.st.members(g.Name) {
			if in.N <= r.N && r.Status != "Successful" {
				a.InstancesToUpdate++
			}
		}
		if r.Total > 0 {
			a.PercentageComplete = max(0, 100*(r.Total-a.InstancesToUpdate)/r.Total)
		}
		all = append(all, a)
	}
	part, next, err := page(c, all, 50, 100)
	if err != nil {
		return nil, err
	}
	return struct {
		InstanceRefreshes memberList[refreshAnswer]
		NextToken         string `xml:",omitempty"`
	}{listOf(part), next}, nil
}

func (c *call) cancelInstanceRefresh() (any, error) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	if n := len(g.Refreshes); n > 0 && g.Refreshes[n-1].End.IsZero() && g.Refreshes[n-1].Status != "Cancelling" {
		r := g.Refreshes[n-1]
		r.Status, r.Reason = "Cancelling", "Cancelled by user."
		c.reconcile(g.Name)
		return struct{ InstanceRefreshId string }{r.ID}, nil
	}
	return nil, fails(400, "ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found for Auto Scaling group %s", g.Name)
}
