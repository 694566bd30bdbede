package awssim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// alarm is a CloudWatch alarm. Its state is what SetAlarmState says, or a datum of its metric that it looks at at once.
type alarm struct {
	Name, Description, State, Reason           string
	Actions, OKActions, Insufficient           []string
	Disabled                                   bool
	Metric, Namespace, Statistic, Operator     string
	Period, Periods                            int
	Threshold                                  float64
	Updated, StateUpdated, StateTransitionedAt time.Time
}

func cloudwatchOperations() map[string]operation {
	return map[string]operation{
		"PutMetricAlarm": {true, (*call).putMetricAlarm},
		"DescribeAlarms": {false, (*call).describeAlarms},
		"DeleteAlarms":   {true, (*call).deleteAlarms},
		"SetAlarmState":  {true, (*call).setAlarmState},
		"PutMetricData":  {true, (*call).putMetricData},
	}
}

func (s *Sim) alarmARN(name string) string { return s.arn("cloudwatch", "alarm:"+name) }

// putAlarm stores an alarm; one that is there keeps its state.
func (s *Sim) putAlarm(a *alarm) {
	a.State, a.Reason, a.Updated, a.StateUpdated = "INSUFFICIENT_DATA", "Unchecked: Initial alarm creation", s.now(), s.now()
	a.StateTransitionedAt = a.StateUpdated
	if old := s.state.Alarms[a.Name]; old != nil {
		a.State, a.Reason, a.StateUpdated, a.StateTransitionedAt = old.State, old.Reason, old.StateUpdated, old.StateTransitionedAt
	}
	s.state.Alarms[a.Name] = a
}

// setAlarm gives an alarm a state. What it does, it does when it changes to that state.
func (s *Sim) setAlarm(a *alarm, state, reason string) {
	before := a.State
	a.State, a.Reason, a.StateUpdated = state, reason, s.now()
	if before == state {
		return
	}
	a.StateTransitionedAt = s.now()
	s.emit(Change{Kind: AlarmChanged, Text: a.Name + " " + state})
	s.trigger(a)
}

func (c *call) putMetricAlarm() (any, error) {
	if err := c.need("AlarmName"); err != nil {
		return nil, err
	}
	a := &alarm{Name: c.text("AlarmName"), Description: c.text("AlarmDescription"), Disabled: c.text("ActionsEnabled") == "false",
		Metric: c.text("MetricName"), Namespace: c.text("Namespace"), Statistic: c.text("Statistic"), Operator: c.text("ComparisonOperator")}
	a.Actions, _ = c.list("AlarmActions")
	a.OKActions, _ = c.list("OKActions")
	a.Insufficient, _ = c.list("InsufficientDataActions")
	c.into("Period", &a.Period)
	c.into("EvaluationPeriods", &a.Periods)
	a.Threshold, _ = strconv.ParseFloat(c.text("Threshold"), 64)
	c.putAlarm(a)
	return nil, nil
}

type alarmAnswer struct {
	AlarmName, AlarmArn                               string
	AlarmDescription                                  string `xml:",omitempty"`
	AlarmConfigurationUpdatedTimestamp                *time.Time
	ActionsEnabled                                    bool
	OKActions, AlarmActions, InsufficientDataActions  memberList[string]
	StateValue, StateReason                           string
	StateUpdatedTimestamp, StateTransitionedTimestamp *time.Time
	MetricName, Namespace, Statistic                  string `xml:",omitempty"`
	Dimensions                                        memberList[string]
	Period                                            int `xml:",omitempty"`
	EvaluationPeriods                                 int
	Threshold                                         float64
	ComparisonOperator                                string
}

func (c *call) describeAlarms() (any, error) {
	var all []alarmAnswer
	for _, a := range sorted(c.st.Alarms) {
		prefix := c.text("ActionPrefix")
		if !c.among("AlarmNames", a.Name) || !strings.HasPrefix(a.Name, c.text("AlarmNamePrefix")) || c.text("StateValue") != "" && c.text("StateValue") != a.State ||
			prefix != "" && !slices.ContainsFunc(a.Actions, func(arn string) bool { return strings.HasPrefix(arn, prefix) }) {
			continue
		}
		all = append(all, alarmAnswer{a.Name, c.alarmARN(a.Name), a.Description, moment(a.Updated), !a.Disabled, listOf(a.OKActions), listOf(a.Actions), listOf(a.Insufficient),
			a.State, a.Reason, moment(a.StateUpdated), moment(a.StateTransitionedAt), a.Metric, a.Namespace, a.Statistic, memberList[string]{},
			a.Period, a.Periods, a.Threshold, a.Operator})
	}
	part, next, err := page(c, all, 50, 100)
	return struct {
		MetricAlarms    memberList[alarmAnswer]
		CompositeAlarms memberList[string]
		NextToken       string `xml:",omitempty"`
	}{listOf(part), memberList[string]{}, next}, err
}

func (c *call) deleteAlarms() (any, error) {
	names, _ := c.list("AlarmNames")
	for _, n := range names {
		delete(c.state.Alarms, n)
	}
	return nil, nil
}

func (c *call) setAlarmState() (any, error) {
	if err := c.need("AlarmName", "StateValue", "StateReason"); err != nil {
		return nil, err
	}
	a := c.state.Alarms[c.text("AlarmName")]
	if a == nil {
		return nil, fails(404, "ResourceNotFound", "Unknown alarm %s", c.text("AlarmName"))
	}
	state := c.text("StateValue")
	if !slices.Contains([]string{"OK", "ALARM", "INSUFFICIENT_DATA"}, state) {
		return nil, unmet(state, "stateValue", "satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]")
	}
	c.setAlarm(a, state, c.text("StateReason"))
	return nil, nil
}

// putMetricData compares each datum with the alarms of its metric, at once and whatever their period.
func (c *call) putMetricData() (any, error) {
	for _, d := range c.structs("MetricData") {
		value, err := strconv.ParseFloat(d.Get("Value"), 64)
		if err != nil {
			continue // a distribution: nothing here looks at those
		}
		for _, a := range sorted(c.state.Alarms) {
			if a.Namespace != c.text("Namespace") || a.Metric != d.Get("MetricName") {
				continue
			}
			state := "OK"
			if breaches(value, a.Operator, a.Threshold) {
				state = "ALARM"
			}
			c.setAlarm(a, state, fmt.Sprintf("Threshold Crossed: 1 datapoint [%v] was compared with the threshold (%v).", value, a.Threshold))
		}
	}
	return nil, nil
}

func breaches(value float64, operator string, threshold float64) bool {
	switch operator {
	case "GreaterThanThreshold":
		return value > threshold
	case "GreaterThanOrEqualToThreshold":
		return value >= threshold
	case "LessThanThreshold":
		return value < threshold
	}
	return value <= threshold
}
