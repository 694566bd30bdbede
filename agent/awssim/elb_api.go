package awssim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

func elbOperations() map[string]operation {
	return map[string]operation{
		"CreateTargetGroup":             {true, createTargetGroup},
		"DescribeTargetGroups":          {false, describeTargetGroups},
		"ModifyTargetGroup":             {true, modifyTargetGroup},
		"DeleteTargetGroup":             {true, deleteTargetGroup},
		"DescribeTargetGroupAttributes": {false, describeAttributes},
		"ModifyTargetGroupAttributes":   {true, modifyAttributes},
		"CreateLoadBalancer":            {true, createBalancer},
		"DescribeLoadBalancers":         {false, describeBalancers},
		"CreateListener":                {true, createListener},
		"DescribeListeners":             {false, describeListeners},
		"RegisterTargets":               {true, registerTargets},
		"DeregisterTargets":             {true, deregisterTargets},
		"DescribeTargetHealth":          {false, describeTargetHealth},
	}
}

// elbList is a list that is there even when it is empty, as in AWS's answers.
type elbList[T any] struct {
	Member []T `xml:"member"`
}

type targetGroupXML struct {
	TargetGroupArn, TargetGroupName, Protocol             string
	Port                                                  int
	VpcId                                                 string
	HealthCheckProtocol, HealthCheckPort                  string
	HealthCheckEnabled                                    bool
	HealthCheckIntervalSeconds, HealthCheckTimeoutSeconds int
	HealthyThresholdCount, UnhealthyThresholdCount        int
	HealthCheckPath                                       string  `xml:",omitempty"`
	Matcher                                               *string `xml:"Matcher>HttpCode"`
	LoadBalancerArns                                      elbList[string]
	TargetType, IpAddressType                             string
}

type targetGroupsXML struct{ TargetGroups elbList[targetGroupXML] }

func (c *call) describe(groups ...*targetGroup) targetGroupsXML {
	out := targetGroupsXML{}
	for _, tg := range groups {
		k := tg.Check
		x := targetGroupXML{TargetGroupArn: tg.ARN, TargetGroupName: tg.Name, Protocol: tg.Protocol, Port: tg.Port, VpcId: tg.VPC,
			HealthCheckProtocol: k.Protocol, HealthCheckPort: k.Port, HealthCheckEnabled: true, HealthCheckIntervalSeconds: k.Interval,
			HealthCheckTimeoutSeconds: k.Timeout, HealthyThresholdCount: k.Healthy, UnhealthyThresholdCount: k.Unhealthy,
			LoadBalancerArns: elbList[string]{c.st.balancersOf(tg.ARN)}, TargetType: tg.Type, IpAddressType: "ipv4"}
		if k.Protocol != "TCP" {
			x.HealthCheckPath, x.Matcher = k.Path, &k.Codes
		}
		out.TargetGroups.Member = append(out.TargetGroups.Member, x)
	}
	return out
}

// number reads a number of the form into to, where it is there.
func (c *call) number(name string, to *int) error {
	if v := c.form.Get(name); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			return invalid("%s is not a number: %s", name, v)
		}
		*to = n
	}
	return nil
}

// check reads a health check's settings over what stands.
func (c *call) check(k *healthCheck) error {
	for name, to := range map[string]*string{"HealthCheckProtocol": &k.Protocol, "HealthCheckPort": &k.Port, "HealthCheckPath": &k.Path, "Matcher.HttpCode": &k.Codes} {
		*to = cmp.Or(c.form.Get(name), *to)
	}
	for name, to := range map[string]*int{"HealthCheckIntervalSeconds": &k.Interval, "HealthCheckTimeoutSeconds": &k.Timeout, "HealthyThresholdCount": &k.Healthy, "UnhealthyThresholdCount": &k.Unhealthy} {
		if err := c.number(name, to); err != nil {
			return err
		}
	}
	if k.Healthy < 2 || k.Healthy > 10 || k.Unhealthy < 2 || k.Unhealthy > 10 || k.Interval < 5 || k.Interval > 300 {
		return invalid("Health check thresholds must be from 2 to 10, the interval from 5 to 300 seconds")
	}
	return nil
}

func createTargetGroup(c *call) (any, error) {
	name, port := c.form.Get("Name"), 80
	if err := c.number("Port", &port); err != nil {
		return nil, err
	}
	if name == "" || len(name) > 32 {
		return nil, invalid("Target group name '%s' must have from 1 to 32 characters", name)
	}
	if c.st.targetGroupNamed(name) != nil {
		return nil, fails(400, "DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", name)
	}
	tg := c.newTargetGroup(name, cmp.Or(c.form.Get("Protocol"), "HTTP"), port)
	tg.VPC, tg.Type = c.form.Get("VpcId"), cmp.Or(c.form.Get("TargetType"), "instance")
	if err := c.check(&tg.Check); err != nil {
		return nil, err
	}
	c.st.TargetGroups[tg.ARN] = tg
	return c.describe(tg), nil
}

// newTargetGroup has AWS's defaults: those of an application load balancer, or for TCP of a network load balancer.
func (s *Sim) newTargetGroup(name, protocol string, port int) *targetGroup {
	tg := &targetGroup{ARN: s.elbARN("targetgroup/" + name), Name: name, Protocol: protocol, Port: port, Type: "instance", VPC: "vpc-0123456789abcdef0",
		Check:      healthCheck{Protocol: "HTTP", Port: "traffic-port", Path: "/", Codes: "200", Interval: 30, Timeout: 5, Healthy: 5, Unhealthy: 2},
		Attributes: map[string]string{"deregistration_delay.timeout_seconds": "300", "stickiness.enabled": "false", "stickiness.type": "lb_cookie", "slow_start.duration_seconds": "0", "load_balancing.algorithm.type": "round_robin"},
		Targets:    map[string]*registration{}}
	if protocol == "TCP" {
		tg.Check.Protocol, tg.Check.Timeout = "TCP", 10
	}
	return tg
}

func (s *Sim) elbARN(what string) string {
	return fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:%s/%016x", s.Region, s.Account, what, s.code(what))
}

// targetGroup finds the call's target group.
func (c *call) targetGroup() (*targetGroup, error) {
	if tg := c.st.TargetGroups[c.form.Get("TargetGroupArn")]; tg != nil {
		return tg, nil
	}
	return nil, noTargetGroups()
}

func noTargetGroups() error {
	return fails(400, "TargetGroupNotFound", "One or more target groups not found")
}

// named gives those of a map that a call asks for by ARN, by name or by load balancer, or all of them.
func describeTargetGroups(c *call) (any, error) {
	arns, byARN := c.list("TargetGroupArns")
	names, byName := c.list("Names")
	balancer := c.form.Get("LoadBalancerArn")
	var found []*targetGroup
	for _, arn := range slices.Sorted(maps.Keys(c.st.TargetGroups)) {
		tg := c.st.TargetGroups[arn]
		if byARN && !slices.Contains(arns, arn) || byName && !slices.Contains(names, tg.Name) || balancer != "" && !slices.Contains(c.st.balancersOf(arn), balancer) {
			continue
		}
		found = append(found, tg)
	}
	if len(found) < len(arns)+len(names) {
		return nil, noTargetGroups()
	}
	return c.describe(found...), nil
}

func modifyTargetGroup(c *call) (any, error) {
	tg, err := c.targetGroup()
	if err != nil {
		return nil, err
	}
	changed := tg.Check
	if err := c.check(&changed); err != nil {
		return nil, err
	}
	tg.Check = changed
	return c.describe(tg), nil
}

func deleteTargetGroup(c *call) (any, error) {
	arn := c.form.Get("TargetGroupArn")
	if len(c.st.balancersOf(arn)) > 0 {
		return nil, fails(400, "ResourceInUse", "Target group '%s' is currently in use by a listener or a rule", arn)
	}
	delete(c.st.TargetGroups, arn)
	return struct{}{}, nil
}

type attributeXML struct{ Key, Value string }

func attributesOf(tg *targetGroup) any {
	var out struct{ Attributes elbList[attributeXML] }
	for _, k := range slices.Sorted(maps.Keys(tg.Attributes)) {
		out.Attributes.Member = append(out.Attributes.Member, attributeXML{k, tg.Attributes[k]})
	}
	return out
}

func describeAttributes(c *call) (any, error) {
	tg, err := c.targetGroup()
	if err != nil {
		return nil, err
	}
	return attributesOf(tg), nil
}

func modifyAttributes(c *call) (any, error) {
	tg, err := c.targetGroup()
	if err != nil {
		return nil, err
	}
	for i := 1; c.form.Has(fmt.Sprintf("Attributes.member.%d.Key", i)); i++ {
		k, v := c.form.Get(fmt.Sprintf("Attributes.member.%d.Key", i)), c.form.Get(fmt.Sprintf("Attributes.member.%d.Value", i))
		if _, known := tg.Attributes[k]; !known {
			return nil, fails(400, "InvalidConfigurationRequest", "Target group attribute key '%s' is not recognized", k)
		}
		tg.Attributes[k] = v
	}
	return attributesOf(tg), nil
}

type balancerXML struct {
	LoadBalancerArn, DNSName, CreatedTime, LoadBalancerName, Scheme, VpcId string
	State                                                                  string `xml:"State>Code"`
	Type, IpAddressType                                                    string
}

func describedBalancers(all ...*balancer) any {
	var out struct{ LoadBalancers elbList[balancerXML] }
	for _, b := range all {
		out.LoadBalancers.Member = append(out.LoadBalancers.Member, balancerXML{b.ARN, b.Name + ".elb.amazonaws.com", b.Created.UTC().Format(time.RFC3339), b.Name, b.Scheme, b.VPC, "active", b.Type, "ipv4"})
	}
	return out
}

func createBalancer(c *call) (any, error) {
	b := c.newBalancer(c.form.Get("Name"))
	b.Type, b.Scheme = cmp.Or(c.form.Get("Type"), b.Type), cmp.Or(c.form.Get("Scheme"), b.Scheme)
	return describedBalancers(b), nil
}

func (s *Sim) newBalancer(name string) *balancer {
	b := &balancer{ARN: s.elbARN("loadbalancer/app/" + name), Name: name, Type: "application", Scheme: "internet-facing", VPC: "vpc-0123456789abcdef0", Created: s.now()}
	s.state.Balancers[b.ARN] = b
	return b
}

func describeBalancers(c *call) (any, error) {
	arns, byARN := c.list("LoadBalancerArns")
	names, byName := c.list("Names")
	var found []*balancer
	for _, arn := range slices.Sorted(maps.Keys(c.st.Balancers)) {
		b := c.st.Balancers[arn]
		if !(byARN && !slices.Contains(arns, arn) || byName && !slices.Contains(names, b.Name)) {
			found = append(found, b)
		}
	}
	if len(found) < len(arns)+len(names) {
		return nil, noBalancers()
	}
	return describedBalancers(found...), nil
}

func noBalancers() error {
	return fails(400, "LoadBalancerNotFound", "One or more load balancers not found")
}

type listenerXML struct {
	ListenerArn, LoadBalancerArn string
	Port                         int
	Protocol                     string
	DefaultActions               elbList[actionXML]
}

type actionXML struct{ Type, TargetGroupArn string }

func describedListeners(b *balancer, all ...listener) any {
	var out struct{ Listeners elbList[listenerXML] }
	for _, l := range all {
		out.Listeners.Member = append(out.Listeners.Member, listenerXML{l.ARN, b.ARN, l.Port, l.Protocol, elbList[actionXML]{[]actionXML{{"forward", l.TargetGroup}}}})
	}
	return out
}

func createListener(c *call) (any, error) {
	b := c.st.Balancers[c.form.Get("LoadBalancerArn")]
	if b == nil {
		return nil, noBalancers()
	}
	arn := c.form.Get("DefaultActions.member.1.TargetGroupArn")
	if c.st.TargetGroups[arn] == nil {
		return nil, noTargetGroups()
	}
	port := 80
	if err := c.number("Port", &port); err != nil {
		return nil, err
	}
	return describedListeners(b, c.listen(b, arn, port)), nil
}

func (s *Sim) listen(b *balancer, targetGroup string, port int) listener {
	l := listener{ARN: s.elbARN("listener/app/" + b.Name), Protocol: "HTTP", TargetGroup: targetGroup, Port: port}
	b.Listeners = append(b.Listeners, l)
	return l
}

func describeListeners(c *call) (any, error) {
	b := c.st.Balancers[c.form.Get("LoadBalancerArn")]
	if b == nil {
		return nil, noBalancers()
	}
	return describedListeners(b, b.Listeners...), nil
}

// targets reads the call's list of targets. A port of 0 was not given.
func (c *call) targets() (all []Target, err error) {
	for i := 1; c.form.Has(fmt.Sprintf("Targets.member.%d.Id", i)); i++ {
		t := Target{ID: c.form.Get(fmt.Sprintf("Targets.member.%d.Id", i))}
		if err := c.number(fmt.Sprintf("Targets.member.%d.Port", i), &t.Port); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func registerTargets(c *call) (any, error) {
	tg, err := c.targetGroup()
	if err != nil {
		return nil, err
	}
	all, err := c.targets()
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if in := c.st.Instances[t.ID]; in == nil || gone(in) {
			return nil, fails(400, "InvalidTarget", "The following targets are not in a running state and cannot be registered: '%s'", t.ID)
		}
	}
	for _, t := range all {
		t.Address, t.Port = c.st.Instances[t.ID].Address, cmp.Or(t.Port, tg.Port)
		c.registerTarget(tg, t)
	}
	return struct{}{}, nil
}

func deregisterTargets(c *call) (any, error) {
	tg, err := c.targetGroup()
	if err != nil {
		return nil, err
	}
	all, err := c.targets()
	for _, t := range all {
		for _, r := range tg.registered(t.ID) {
			if t.Port == 0 || t.Port == r.Port {
				c.deregisterTarget(tg, r)
			}
		}
	}
	return struct{}{}, err
}

type healthXML struct {
	Target struct {
		Id   string
		Port int
	}
	HealthCheckPort string
	TargetHealth    struct {
		State       string
		Reason      string `xml:",omitempty"`
		Description string `xml:",omitempty"`
	}
}

func describeTargetHealth(c *call) (any, error) {
	tg, err := c.targetGroup()
	if err != nil {
		return nil, err
	}
	asked, err := c.targets()
	if err != nil {
		return nil, err
	}
	var found []*registration
	for _, t := range asked {
		all := tg.registered(t.ID)
		all = slices.DeleteFunc(all, func(r *registration) bool { return t.Port != 0 && t.Port != r.Port })
		if len(all) == 0 {
			r := &registration{Target: Target{ID: t.ID, Port: cmp.Or(t.Port, tg.Port)}}
			r.unused("Target.NotRegistered")
			all = append(all, r)
		}
		found = append(found, all...)
	}
	if len(asked) == 0 {
		for _, k := range slices.Sorted(maps.Keys(tg.Targets)) {
			found = append(found, tg.Targets[k])
		}
	}
	var out struct {
		TargetHealthDescriptions elbList[healthXML]
	}
	for _, r := range found {
		x := healthXML{}
		x.Target.Id, x.Target.Port = r.ID, r.Port
		x.HealthCheckPort = strconv.Itoa(r.Port)
		if tg.Check.Port != "traffic-port" {
			x.HealthCheckPort = tg.Check.Port
		}
		x.TargetHealth.State, x.TargetHealth.Reason, x.TargetHealth.Description = r.State, r.Reason, r.Description
		out.TargetHealthDescriptions.Member = append(out.TargetHealthDescriptions.Member, x)
	}
	return out, nil
}
