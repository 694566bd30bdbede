package awssim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// policy is a scaling policy. One of target tracking scales by one, as its two alarms say.
type policy struct {
	Name, ARN, Type, Adjustment string
	Amount                      int
	Cooldown                    *time.Duration // none: the group's
	Disabled                    bool
	Metric                      string // target tracking's
	Target                      float64
	OneWay                      bool // DisableScaleIn
}

// wants is the capacity that a policy leads to, within the group's bounds.
func (p *policy) wants(g *group, alarmName string) int {
	n := g.Desired
	switch {
	case p.Type == "TargetTrackingScaling" && strings.Contains(alarmName, "-AlarmLow-"):
		if !p.OneWay {
			n--
		}
	case p.Type == "TargetTrackingScaling":
		n++
	case p.Adjustment == "ExactCapacity":
		n = p.Amount
	case p.Adjustment == "PercentChangeInCapacity":
		change := g.Desired * p.Amount / 100
		if change == 0 && p.Amount != 0 { // AWS rounds what is less than one to one
			change = p.Amount / max(p.Amount, -p.Amount)
		}
		n += change
	default:
		n += p.Amount
	}
	return max(g.Min, min(g.Max, n))
}

// readyAt is when the policy's cooldown is over.
func (p *policy) readyAt(g *group) time.Time {
	if p.Type != "SimpleScaling" { // only simple scaling waits
		return time.Time{}
	}
	if p.Cooldown != nil {
		return g.ScaledAt.Add(*p.Cooldown)
	}
	return g.ScaledAt.Add(g.Cooldown)
}

// trigger has an alarm in ALARM do what its actions say, unless the group's AlarmNotification is suspended.
func (s *Sim) trigger(a *alarm) {
	if a.State != "ALARM" || a.Disabled {
		return
	}
	for _, arn := range a.Actions {
		g, p := s.policyOf(arn)
		if p == nil || p.Disabled || g.Deleting || !g.runs("AlarmNotification") {
			continue
		}
		name := a.Name
		if ready := p.readyAt(g); s.now().Before(ready) {
			s.at(ready, func() {
				if a := s.state.Alarms[name]; a != nil {
					s.trigger(a)
				}
			})
			continue
		}
		s.setDesired(g, p.wants(g, name), "a monitor alarm %s in state ALARM triggered policy %s", name, p.Name)
	}
}

// evaluateAlarmsOf looks at the alarms of a group's policies again: AlarmNotification has been resumed.
func (s *Sim) evaluateAlarmsOf(g *group) {
	for _, a := range sorted(s.state.Alarms) {
		if slices.ContainsFunc(a.Actions, func(arn string) bool { of, _ := s.policyOf(arn); return of == g }) {
			s.trigger(a)
		}
	}
}

func (s *Sim) policyOf(arn string) (*group, *policy) {
	for _, g := range s.state.Groups {
		for _, p := range g.Policies {
			if p.ARN == arn {
				return g, p
			}
		}
	}
	return nil, nil
}

func (c *call) putScalingPolicy(g *group) (any, error) {
	p := &policy{Name: c.text("PolicyName"), Type: cmp.Or(c.text("PolicyType"), "SimpleScaling"), Adjustment: c.text("AdjustmentType"), Disabled: c.text("Enabled") == "false"}
	if p.Type == "SimpleScaling" && p.Adjustment == "" {
		return nil, invalid("AdjustmentType is required for SimpleScaling policies")
	}
	c.into("ScalingAdjustment", &p.Amount)
	if c.form.Has("Cooldown") {
		p.Cooldown = new(time.Duration)
		c.seconds("Cooldown", p.Cooldown)
	}
	if old := g.Policies[p.Name]; old != nil {
		p.ARN = old.ARN
	} else {
		p.ARN = c.arn("autoscaling", "scalingPolicy:"+c.uuid()+":autoScalingGroupName/"+g.Name+":policyName/"+p.Name)
	}
	g.Policies[p.Name] = p
	if p.Type == "TargetTrackingScaling" {
		c.track(g, p)
	}
	a := c.policyAnswer(g, p)
	return struct {
		PolicyARN string
		Alarms    memberList[alarmOfOne]
	}{a.PolicyARN, a.Alarms}, nil
}

// track gives a policy of target tracking the two alarms that AWS makes for it.
func (c *call) track(g *group, p *policy) {
	const at = "TargetTrackingConfiguration."
	p.Metric = c.text(at + "PredefinedMetricSpecification.PredefinedMetricType")
	p.Target, _ = strconv.ParseFloat(c.text(at+"TargetValue"), 64)
	p.OneWay = c.yes(at + "DisableScaleIn")
	if len(c.policyAnswer(g, p).Alarms.Member) > 0 {
		return
	}
	for _, which := range []string{"AlarmHigh", "AlarmLow"} {
		c.putAlarm(&alarm{Name: fmt.Sprintf("TargetTracking-%s-%s-%s", g.Name, which, c.uuid()), Actions: []string{p.ARN},
			Metric: p.Metric, Namespace: "AWS/EC2", Statistic: "Average", Period: 60, Periods: 3, Threshold: p.Target, Operator: "GreaterThanThreshold"})
	}
}

type policyAnswer struct {
	AutoScalingGroupName, PolicyName, PolicyARN, PolicyType string
	AdjustmentType                                          string `xml:",omitempty"`
	ScalingAdjustment, Cooldown                             *int   `xml:",omitempty"`
	StepAdjustments                                         memberList[string]
	Alarms                                                  memberList[alarmOfOne]
	TargetTrackingConfiguration                             *trackingAnswer `xml:",omitempty"`
	Enabled                                                 bool
}

type alarmOfOne struct{ AlarmName, AlarmARN string }

type trackingAnswer struct {
	PredefinedMetricType string `xml:"PredefinedMetricSpecification>PredefinedMetricType"`
	TargetValue          float64
	DisableScaleIn       bool
}

func (c *call) policyAnswer(g *group, p *policy) policyAnswer {
	out := policyAnswer{AutoScalingGroupName: g.Name, PolicyName: p.Name, PolicyARN: p.ARN, PolicyType: p.Type, AdjustmentType: p.Adjustment, Enabled: !p.Disabled}
	for _, a := range sorted(c.st.Alarms) {
		if slices.Contains(a.Actions, p.ARN) {
			out.Alarms.Member = append(out.Alarms.Member, alarmOfOne{a.Name, c.alarmARN(a.Name)})
		}
	}
	if p.Type == "SimpleScaling" {
		out.ScalingAdjustment = &p.Amount
	}
	if p.Type == "TargetTrackingScaling" {
		out.TargetTrackingConfiguration = &trackingAnswer{p.Metric, p.Target, p.OneWay}
	}
	if p.Cooldown != nil {
		n := int(p.Cooldown.Seconds())
		out.Cooldown = &n
	}
	return out
}

func (c *call) describePolicies() (any, error) {
	groups, err := c.groups()
	if err != nil {
		return nil, err
	}
	var all []policyAnswer
	for _, g := range groups {
		for _, p := range sorted(g.Policies) {
			if c.among("PolicyNames", p.Name, p.ARN) {
				all = append(all, c.policyAnswer(g, p))
			}
		}
	}
	return paged(c, "ScalingPolicies", all, 50, 100)
}

// namedPolicy is the policy that a call names, or whose ARN it gives.
func (c *call) namedPolicy() (*group, *policy, error) {
	name := c.text("PolicyName")
	for _, g := range sorted(c.st.Groups) {
		for _, p := range sorted(g.Policies) {
			if p.ARN == name || p.Name == name && g.Name == c.text("AutoScalingGroupName") {
				return g, p, nil
			}
		}
	}
	return nil, nil, invalid("PolicyName not found - No such policy: %s", name)
}

func (c *call) deletePolicy() (any, error) {
	g, p, err := c.namedPolicy()
	if err != nil {
		return nil, err
	}
	delete(g.Policies, p.Name)
	if p.Type == "TargetTrackingScaling" {
		for name, a := range c.state.Alarms {
			if slices.Contains(a.Actions, p.ARN) {
				delete(c.state.Alarms, name)
			}
		}
	}
	return nil, nil
}

func (c *call) executePolicy() (any, error) {
	g, p, err := c.namedPolicy()
	if err != nil {
		return nil, err
	}
	if c.yes("HonorCooldown") && c.now().Before(p.readyAt(g)) {
		return nil, coolingDown(g)
	}
	c.setDesired(g, p.wants(g, ""), "a user request executed policy %s", p.Name)
	return nil, nil
}
