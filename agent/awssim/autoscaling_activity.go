package awssim

import (
	"fmt"
	"slices"
	"time"
)

// activity is a scaling activity.
type activity struct {
	ID, Group, ARN, Description, Cause, Status, Message, Zone string
	Start, End                                                time.Time
}

// begin starts an instance's activity.
func (s *Sim) begin(g *group, in *instance, description, cause string) *activity {
	a := &activity{ID: s.uuid(), Group: g.Name, ARN: g.ARN, Description: description, Cause: cause, Status: "InProgress", Zone: in.Zone, Start: s.now()}
	s.state.Activities = append(s.state.Activities, a)
	in.Activity = a.ID
	return a
}

// activityOf is the activity under way for an instance, if there is one.
func (s *Sim) activityOf(in *instance) *activity {
	i := slices.IndexFunc(s.state.Activities, func(a *activity) bool { return a.ID == in.Activity })
	if i < 0 {
		return nil
	}
	return s.state.Activities[i]
}

// failed says in an activity why it came to nothing: AWS puts it into the description, too (troubleshooting pages of the
// Auto Scaling and CodeDeploy guides).
func (a *activity) failed(message string) {
	a.Message = message
	a.Description += ".  Status Reason: " + message
}

// finish ends it.
func (s *Sim) finish(in *instance, status string) {
	if a := s.activityOf(in); a != nil {
		a.Status, a.End = status, s.now()
	}
	in.Activity = ""
}

type activityAnswer struct {
	ActivityId, AutoScalingGroupName, AutoScalingGroupARN string
	AutoScalingGroupState                                 string `xml:",omitempty"`
	Cause, Description, Details                           string
	StartTime, EndTime                                    *time.Time `xml:",omitempty"`
	Progress                                              int
	StatusCode                                            string
	StatusMessage                                         string `xml:",omitempty"`
}

func (c *call) activityAnswer(a *activity) activityAnswer {
	out := activityAnswer{ActivityId: a.ID, AutoScalingGroupName: a.Group, AutoScalingGroupARN: a.ARN, Cause: a.Cause, Description: a.Description,
		Details: fmt.Sprintf(`{"Availability Zone":%q}`, a.Zone), StartTime: moment(a.Start), EndTime: moment(a.End), Progress: 50, StatusCode: a.Status, StatusMessage: a.Message}
	if !a.End.IsZero() {
		out.Progress = 100
	}
	if c.st.Groups[a.Group] == nil {
		out.AutoScalingGroupState = "Deleted"
	}
	return out
}

// describeScalingActivities lists the newest first, as AWS does, those under way before all.
func (c *call) describeScalingActivities() (any, error) {
	name, deleted := c.text("AutoScalingGroupName"), c.yes("IncludeDeletedGroups")
	if _, err := c.groups(); err != nil && !deleted {
		return nil, err
	}
	var open, closed []activityAnswer
	for _, a := range slices.Backward(c.st.Activities) {
		if name != "" && a.Group != name || !c.among("ActivityIds", a.ID) || c.st.Groups[a.Group] == nil && !deleted {
			continue
		}
		if a.End.IsZero() {
			open = append(open, c.activityAnswer(a))
		} else {
			closed = append(closed, c.activityAnswer(a))
		}
	}
	return paged(c, "Activities", append(open, closed...), 100, 100)
}
