package awssim

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
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

func (c *call) describe(groups ...*targetGroup) any {
	var out struct{ TargetGroups elbList[targetGroup] }
	for _, tg := range groups {
		x := *tg // encoded after the lock is free
		x.LoadBalancerArns.Member = c.st.balancersOf(tg.TargetGroupArn)
		out.TargetGroups.Member = append(out.TargetGroups.Member, x)
	}
	return out
}

// fill sets a struct's members from the form's parameters of the same names.
func (c *call) fill(to any) error {
	v := reflect.ValueOf(to).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		f, given := v.Field(i), c.form.Get(name)
		switch {
		case given == "":
		case f.Kind() == reflect.String:
			f.SetString(given)
		case f.Kind() == reflect.Int:
			n, err := strconv.Atoi(given)
			if err != nil {
				return invalid("%s is not a number: %s", name, given)
			}
			f.SetInt(int64(n))
		}
	}
	return nil
}

// configure sets a target group from the form, and checks it.
func (c *call) configure(tg *targetGroup) error {
	changed := *tg
	if err := c.fill(&changed); err != nil {
		return err
	}
	if codes := c.form.Get("Matcher.HttpCode"); codes != "" {
		changed.Matcher = &matcher{codes}
	}
	h, u, s := changed.HealthyThresholdCount, changed.UnhealthyThresholdCount, changed.HealthCheckIntervalSeconds
	if h < 2 || h > 10 || u < 2 || u > 10 || s < 5 || s > 300 {
		return invalid("Health check thresholds must be from 2 to 10, the interval from 5 to 300 seconds")
	}
	*tg = changed
	return nil
}

func createTargetGroup(c *call) (any, error) {
	name := c.form.Get("Name")
	if c.st.targetGroupNamed(name) != nil {
		return nil, fails(400, "DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", name)
	}
	tg := c.newTargetGroup(name, cmp.Or(c.form.Get("Protocol"), "HTTP"), 80)
	if err := c.configure(tg); err != nil {
		return nil, err
	}
	c.st.TargetGroups[tg.TargetGroupArn] = tg
	return c.describe(tg), nil
}

// newTargetGroup has AWS's defaults: those of an application load balancer, or for TCP of a network load balancer.
func (s *Sim) newTargetGroup(name, protocol string, port int) *targetGroup {
	tg := &targetGroup{TargetGroupArn: s.elbARN("targetgroup/" + name), TargetGroupName: name, Protocol: protocol, Port: port, TargetType: "instance", VpcId: "vpc-0123456789abcdef0",
		HealthCheckProtocol: "HTTP", HealthCheckPort: "traffic-port", HealthCheckEnabled: true, HealthCheckIntervalSeconds: 30, HealthCheckTimeoutSeconds: 5,
		HealthyThresholdCount: 5, UnhealthyThresholdCount: 2, HealthCheckPath: "/", Matcher: &matcher{"200"}, IpAddressType: "ipv4", Targets: map[string]*registration{},
		Attributes: map[string]string{"deregistration_delay.timeout_seconds": "300", "stickiness.enabled": "false", "stickiness.type": "lb_cookie"}}
	if protocol == "TCP" {
		tg.HealthCheckProtocol, tg.HealthCheckTimeoutSeconds, tg.HealthCheckPath, tg.Matcher = "TCP", 10, "", nil
		tg.Attributes["stickiness.type"] = "source_ip"
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

func noBalancers() error {
	return fails(400, "LoadBalancerNotFound", "One or more load balancers not found")
}

// asked gives those that a call asks for by ARN or by name, or all; one that is not there is an error.
func asked[T any](c *call, all map[string]T, list string, name func(T) string, none error) (found []T, err error) {
	arns, byARN := c.list(list)
	names, byName := c.list("Names")
	for _, arn := range slices.Sorted(maps.Keys(all)) {
		if one := all[arn]; !(byARN && !slices.Contains(arns, arn) || byName && !slices.Contains(names, name(one))) {
			found = append(found, one)
		}
	}
	if len(found) < len(arns)+len(names) {
		return nil, none
	}
	return found, nil
}

func describeTargetGroups(c *call) (any, error) {
	found, err := asked(c, c.st.TargetGroups, "TargetGroupArns", func(tg *targetGroup) string { return tg.TargetGroupName }, noTargetGroups())
	if err != nil {
		return nil, err
	}
	if b := c.form.Get("LoadBalancerArn"); b != "" {
		found = slices.DeleteFunc(found, func(tg *targetGroup) bool { return !slices.Contains(c.st.balancersOf(tg.TargetGroupArn), b) })
	}
	return c.describe(found...), nil
}

func modifyTargetGroup(c *call) (any, error) {
	tg, err := c.targetGroup()
	if err != nil {
		return nil, err
	}
	if err := c.configure(tg); err != nil {
		return nil, err
	}
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

type attribute struct{ Key, Value string }

func describeAttributes(c *call) (any, error) {
	tg, err := c.targetGroup()
	if err != nil {
		return nil, err
	}
	var out struct{ Attributes elbList[attribute] }
	for _, k := range slices.Sorted(maps.Keys(tg.Attributes)) {
		out.Attributes.Member = append(out.Attributes.Member, attribute{k, tg.Attributes[k]})
	}
	return out, nil
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
	return describeAttributes(c)
}

func describedBalancers(all ...*balancer) any {
	var out struct{ LoadBalancers elbList[balancer] }
	for _, b := range all {
		out.LoadBalancers.Member = append(out.LoadBalancers.Member, *b)
	}
	return out
}

func createBalancer(c *call) (any, error) {
	b := c.newBalancer(c.form.Get("Name"))
	err := c.fill(b)
	return describedBalancers(b), err
}

func (s *Sim) newBalancer(name string) *balancer {
	b := &balancer{LoadBalancerArn: s.elbARN("loadbalancer/app/" + name), LoadBalancerName: name, DNSName: name + ".elb.amazonaws.com", Type: "application", Scheme: "internet-facing",
		VpcId: "vpc-0123456789abcdef0", State: "active", IpAddressType: "ipv4", CreatedTime: s.now().UTC().Format(time.RFC3339)}
	s.state.Balancers[b.LoadBalancerArn] = b
	return b
}

func describeBalancers(c *call) (any, error) {
	found, err := asked(c, c.st.Balancers, "LoadBalancerArns", func(b *balancer) string { return b.LoadBalancerName }, noBalancers())
	return describedBalancers(found...), err
}

func describedListeners(all ...listener) any {
	var out struct{ Listeners elbList[listener] }
	out.Listeners.Member = slices.Clone(all)
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
	l := c.listen(b, arn)
	err := c.fill(l)
	return describedListeners(*l), err
}

func (s *Sim) listen(b *balancer, targetGroup string) *listener {
	b.Listeners = append(b.Listeners, listener{ListenerArn: s.elbARN("listener/app/" + b.LoadBalancerName), LoadBalancerArn: b.LoadBalancerArn, Protocol: "HTTP", Port: 80,
		DefaultActions: elbList[action]{[]action{{"forward", targetGroup}}}})
	return &b.Listeners[len(b.Listeners)-1]
}

func describeListeners(c *call) (any, error) {
	b := c.st.Balancers[c.form.Get("LoadBalancerArn")]
	if b == nil {
		return nil, noBalancers()
	}
	return describedListeners(b.Listeners...), nil
}

// targets reads the call's target group and list of targets. A port of 0 was not given.
func (c *call) targets() (tg *targetGroup, all []Target, err error) {
	if tg, err = c.targetGroup(); err != nil {
		return nil, nil, err
	}
	for i := 1; c.form.Has(fmt.Sprintf("Targets.member.%d.Id", i)); i++ {
		port, err := strconv.Atoi(cmp.Or(c.form.Get(fmt.Sprintf("Targets.member.%d.Port", i)), "0"))
		if err != nil {
			return nil, nil, invalid("A target's port is not a number: %s", err)
		}
		all = append(all, Target{ID: c.form.Get(fmt.Sprintf("Targets.member.%d.Id", i)), Port: port})
	}
	return tg, all, nil
}

func registerTargets(c *call) (any, error) {
	tg, all, err := c.targets()
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if gone(c.st.Instances[t.ID]) {
			return nil, fails(400, "InvalidTarget", "The following targets are not in a running state and cannot be registered: '%s'", t.ID)
		}
	}
	for _, t := range all {
		c.registerTarget(tg, Target{t.ID, c.st.Instances[t.ID].Address, cmp.Or(t.Port, tg.Port)})
	}
	return struct{}{}, nil
}

func deregisterTargets(c *call) (any, error) {
	tg, all, err := c.targets()
	for _, t := range all {
		for _, r := range tg.registered(t.ID, t.Port) {
			c.deregisterTarget(tg, r)
		}
	}
	return struct{}{}, err
}

func describeTargetHealth(c *call) (any, error) {
	tg, targets, err := c.targets()
	if err != nil {
		return nil, err
	}
	var found []*registration
	for _, t := range targets {
		all := tg.registered(t.ID, t.Port)
		if len(all) == 0 {
			all = append(all, tg.newRegistration(t))
			all[0].unused("Target.NotRegistered")
		}
		found = append(found, all...)
	}
	if len(targets) == 0 {
		for _, k := range slices.Sorted(maps.Keys(tg.Targets)) {
			found = append(found, tg.Targets[k])
		}
	}
	var out struct {
		TargetHealthDescriptions elbList[registration]
	}
	for _, r := range found {
		out.TargetHealthDescriptions.Member = append(out.TargetHealthDescriptions.Member, *r)
	}
	return out, nil
}
