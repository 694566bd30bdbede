package awssim

import "time"

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
		desired := g.Desired
		for from, into := range map[*int]*int{a.Min: &g.Min, a.Max: &g.Max, a.Desired: &desired} {
			if from != nil {
				*into = *from
			}
		}
		desired = max(g.Min, min(g.Max, desired))
		s.setDesired(g, desired, "a scheduled action update of AutoScalingGroup constraints to min: %d, max: %d, desired: %d", g.Min, g.Max, desired)
	})
}

func (c *call) putScheduledAction(g *group) (any, error) {
	a := &scheduledAction{Name: c.text("ScheduledActionName"), Recurrence: c.text("Recurrence"), Zone: c.text("TimeZone"), Start: c.when("StartTime"), End: c.when("EndTime")}
	for name, into := range map[string]**int{"MinSize": &a.Min, "MaxSize": &a.Max, "DesiredCapacity": &a.Desired} {
		if n, given := c.integer(name); given {
			*into = &n
		}
	}
	switch {
	case a.Min == nil && a.Max == nil && a.Desired == nil:
		return nil, invalid("At least one of MinSize, MaxSize and DesiredCapacity must be specified")
	case a.Start.IsZero() && a.Recurrence == "":
		return nil, invalid("Start time or recurrence must be specified")
	case !a.Start.IsZero() && a.Start.Before(c.now()):
		return nil, invalid("Given start time is in the past")
	}
	a.ARN = c.arn("autoscaling", "scheduledUpdateGroupAction:"+c.uuid()+":autoScalingGroupName/"+g.Name+":scheduledActionName/"+a.Name)
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
	groups, err := c.groups()
	if err != nil {
		return nil, err
	}
	var all []scheduledActionAnswer
	for _, g := range groups {
		for _, a := range sorted(g.Actions) {
			if c.among("ScheduledActionNames", a.Name) {
				all = append(all, scheduledActionAnswer{g.Name, a.Name, a.ARN, a.Recurrence, a.Zone, moment(a.Start), moment(a.Start), moment(a.End), a.Min, a.Max, a.Desired})
			}
		}
	}
	return paged(c, "ScheduledUpdateGroupActions", all, 50, 100)
}

func (c *call) deleteScheduledAction(g *group) (any, error) {
	name := c.text("ScheduledActionName")
	if g.Actions[name] == nil {
		return nil, invalid("Scheduled action name not found")
	}
	delete(g.Actions, name)
	return nil, nil
}
