package awssim

import (
	"fmt"
	"slices"
	"time"
)

// scheduledAction changes a group's size at a time. A recurrence is kept, and does not recur.
type scheduledAction struct {
	Name, ARN, Recurrence, Zone string
	Start, End                  time.Time
	Min, Max, Desired           *int
}

// plan has the action done at its time, if it is still the same then. It is done once; if ScheduledActions is
// suspended then, it is not done at all.
func (s *Sim) plan(g *group, a *scheduledAction) {
	name, action, start := g.Name, a.Name, a.Start
	s.at(later(start, s.now()), func() {
		g := s.state.Groups[name]
		if g == nil || g.Deleting || g.Actions[action] == nil || !g.Actions[action].Start.Equal(start) {
			return
		}
		a := g.Actions[action]
		if a.Recurrence == "" {
			delete(g.Actions, action)
		}
		if !g.runs("ScheduledActions") {
			return
		}
		next := *g
		for from, into := range map[*int]*int{a.Min: &next.Min, a.Max: &next.Max} {
			if from != nil {
				*into = *from
			}
		}
		if a.Desired != nil {
			next.Desired = *a.Desired
		}
		next.Desired = max(next.Min, min(next.Max, next.Desired))
		g.Min, g.Max = next.Min, next.Max
		s.setDesired(g, next.Desired, "a scheduled action update of AutoScalingGroup constraints to min: %d, max: %d, desired: %d", g.Min, g.Max, next.Desired)
	})
}

func (c *call) putScheduledAction() (any, error) {
	g, err := c.live()
	if err != nil {
		return nil, err
	}
	if err := c.need("ScheduledActionName"); err != nil {
		return nil, err
	}
	a := &scheduledAction{Name: c.text("ScheduledActionName"), Recurrence: c.text("Recurrence"), Zone: c.text("TimeZone")}
	for name, into := range map[string]**int{"MinSize": &a.Min, "MaxSize": &a.Max, "DesiredCapacity": &a.Desired} {
		n, given, err := c.number(name)
		if err != nil {
			return nil, err
		}
		if given {
			*into = &n
		}
	}
	if a.Start, err = c.when("StartTime"); err != nil {
		return nil, err
	}
	if a.End, err = c.when("EndTime"); err != nil {
		return nil, err
	}
	switch {
	case a.Min == nil && a.Max == nil && a.Desired == nil:
		return nil, invalid("At least one of MinSize, MaxSize and DesiredCapacity must be specified")
	case a.Start.IsZero() && a.Recurrence == "":
		return nil, invalid("Start time or recurrence must be specified")
	case !a.Start.IsZero() && a.Start.Before(c.now()):
		return nil, invalid("Given start time is in the past")
	}
	a.ARN = fmt.Sprintf("arn:aws:autoscaling:%s:%s:scheduledUpdateGroupAction:%s:autoScalingGroupName/%s:scheduledActionName/%s", c.Region, c.Account, c.uuid(), g.Name, a.Name)
	g.Actions[a.Name] = a
	if !a.Start.IsZero() {
		c.plan(g, a)
	}
	return nil, nil
}

type scheduledActionAnswer struct {
	AutoScalingGroupName, ScheduledActionName, ScheduledActionARN string
	Recurrence, TimeZone                                          string     `xml:",omitempty"`
	Time, StartTime, EndTime                                      *time.Time `xml:",omitempty"`
	MinSize, MaxSize, DesiredCapacity                             *int       `xml:",omitempty"`
}

func (c *call) describeScheduledActions() (any, error) {
	name := c.text("AutoScalingGroupName")
	if name != "" {
		if _, err := c.group(); err != nil {
			return nil, err
		}
	}
	names, given := c.list("ScheduledActionNames")
	var all []scheduledActionAnswer
	for _, g := range sorted(c.st.Groups) {
		for _, a := range sorted(g.Actions) {
			if (name == "" || name == g.Name) && (!given || slices.Contains(names, a.Name)) {
				all = append(all, scheduledActionAnswer{g.Name, a.Name, a.ARN, a.Recurrence, a.Zone, moment(a.Start), moment(a.Start), moment(a.End), a.Min, a.Max, a.Desired})
			}
		}
	}
	part, next, err := page(c, all, 50, 100)
	if err != nil {
		return nil, err
	}
	return struct {
		ScheduledUpdateGroupActions memberList[scheduledActionAnswer]
		NextToken                   string `xml:",omitempty"`
	}{listOf(part), next}, nil
}

func (c *call) deleteScheduledAction() (any, error) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	name := c.text("ScheduledActionName")
	if g.Actions[name] == nil {
		return nil, invalid("Scheduled action name not found")
	}
	delete(g.Actions, name)
	return nil, nil
}
