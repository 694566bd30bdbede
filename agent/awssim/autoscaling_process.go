package awssim

import (
	"slices"
	"strings"
)

// processes are the nine that can be suspended, as DescribeScalingProcessTypes has them.
func processes() []string {
	return []string{"AZRebalance", "AddToLoadBalancer", "AlarmNotification", "HealthCheck", "InstanceRefresh", "Launch", "ReplaceUnhealthy", "ScheduledActions", "Terminate"}
}

// runs says whether a process is not suspended.
func (g *group) runs(process string) bool {
	_, suspended := g.Suspended[process]
	return !suspended
}

// suspend is SuspendProcesses on a group, whoever asks.
func (s *Sim) suspend(g *group, names []string) {
	for _, p := range names {
		if !g.runs(p) && !s.Switches.RestampOnSuspend {
			continue
		}
		reason := "User suspended at " + stamp(s.now())
		if s.Switches.NoStamp {
			reason = ""
		}
		g.Suspended[p] = suspension{reason}
		s.emit(Change{Kind: Suspended, Group: g.Name, Process: p, Text: reason})
	}
}

// resume is ResumeProcesses on a group, whoever asks. What was held back by a process acts at once; what alarms would
// have done is done if they are still in ALARM, what scheduled actions would have done is not.
func (s *Sim) resume(g *group, names []string) {
	for _, p := range names {
		if g.runs(p) {
			continue
		}
		delete(g.Suspended, p)
		s.emit(Change{Kind: Resumed, Group: g.Name, Process: p})
		if p == "AlarmNotification" {
			s.evaluateAlarmsOf(g)
		}
	}
	s.reconcile(g.Name)
}

// scalingProcesses reads the list of the two calls: an omitted one means all.
func (c *call) scalingProcesses() ([]string, error) {
	names, given := c.list("ScalingProcesses")
	if !given || len(names) == 0 && c.Switches.EmptyListMeansAll {
		return processes(), nil
	}
	for _, p := range names {
		if !slices.Contains(processes(), p) {
			return nil, invalid("Invalid process type: %s. Valid process types are [%s]", p, strings.Join(processes(), ", "))
		}
	}
	return names, nil
}

func (c *call) suspendProcesses(g *group) (any, error) {
	names, err := c.scalingProcesses()
	switch {
	case err != nil:
		return nil, err
	case g.Deleting: // the words: cloud-custodian's issue 497
		return nil, invalid("Processes may not be suspended while the AutoScaling group is pending delete")
	}
	c.suspend(g, names)
	return nil, nil
}

func (c *call) resumeProcesses(g *group) (any, error) {
	names, err := c.scalingProcesses()
	if err == nil {
		c.resume(g, names)
	}
	return nil, err
}

type processType struct{ ProcessName string }

func (c *call) describeScalingProcessTypes() (any, error) {
	var all []processType
	for _, p := range processes() {
		all = append(all, processType{p})
	}
	return struct{ Processes memberList[processType] }{listOf(all)}, nil
}
