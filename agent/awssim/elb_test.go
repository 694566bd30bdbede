package awssim

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// balancer is the real SDK's client.
func (s *rig) balancer() *elb.Client {
	return elb.New(elb.Options{Region: "eu-west-1", BaseEndpoint: aws.String(s.URL()), Credentials: aws.CredentialsProviderFunc(signer), HTTPClient: whole{}, RetryMaxAttempts: 1})
}

// health gives each target's state and reason as the SDK reads them, without the ids.
func (s *rig) health(arn string, targets ...types.TargetDescription) string {
	s.t.Helper()
	out, err := s.balancer().DescribeTargetHealth(context.Background(), &elb.DescribeTargetHealthInput{TargetGroupArn: &arn, Targets: targets})
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, d := range out.TargetHealthDescriptions {
		all = append(all, strings.TrimSpace(string(d.TargetHealth.State)+" "+string(d.TargetHealth.Reason)))
	}
	return strings.Join(all, ", ")
}

// TestTargetStates follows one target from its registration to its end.
func TestTargetStates(t *testing.T) {
	s := newRig(t, 1, DeploymentGroupSpec{}, Config{})
	var id string
	s.do(func() {
		id = s.members("blue")[0].ID
		s.suspend(s.state.Groups["blue"], []string{"ReplaceUnhealthy"}) // the target is what is looked at here
	})
	if got := s.health(s.tg); got != "healthy" {
		t.Fatalf("at first it is %s", got)
	}
	c, ctx := s.balancer(), context.Background()
	target := types.TargetDescription{Id: &id}
	step := func(what string, do func(), wait time.Duration, want string) {
		t.Helper()
		do()
		s.Advance(wait)
		if got := s.health(s.tg, target); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	broken := func(b bool) func() { return func() { s.do(func() { s.state.Instances[id].Broken = b }) } }
	deregister := func() {
		must(c.DeregisterTargets(ctx, &elb.DeregisterTargetsInput{TargetGroupArn: &s.tg, Targets: []types.TargetDescription{target}}))
	}
	register := func() {
		must(c.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &s.tg, Targets: []types.TargetDescription{target}}))
	}
	step("one failed check", broken(true), 31*time.Second, "healthy")
	step("two failed checks", func() {}, 30*time.Second, "unhealthy Target.FailedHealthChecks")
	s.do(func() {
		if s.elbHealthy(s.tg, id) || !s.elbHealthy(s.tg, "i-other") {
			t.Error("elbHealthy")
		}
	})
	step("well again", broken(false), 150*time.Second, "healthy")
	step("deregistered", deregister, 299*time.Second, "draining Target.DeregistrationInProgress")
	if n := len(s.InService(s.tg)); n != 0 {
		t.Errorf("%d targets take new requests", n)
	}
	step("drained", func() {}, time.Second, "unused Target.NotRegistered")
	step("registered", register, 149*time.Second, "initial Elb.RegistrationInProgress")
	step("healthy", func() {}, time.Second, "healthy")
	step("without delay", func() {
		must(c.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: &s.tg, Attributes: []types.TargetGroupAttribute{{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String("0")}}}))
		deregister()
	}, 0, "unused Target.NotRegistered")
	step("stopped", func() {
		register()
		s.do(func() { s.state.Instances[id].State = "Stopped" })
	}, time.Minute, "unused Target.InvalidState")
	step("terminated", func() { s.do(func() { s.state.Instances[id].State = "Terminated" }) }, 10*time.Minute, "unused Target.NotRegistered")
}

// TestHealth: on the wall clock the health check is the caller's.
func TestHealth(t *testing.T) {
	var bad atomic.Bool
	sim, err := New(Config{Delays: Delays{Register: 50 * time.Millisecond}, Health: func(x Target) (bool, string) { return !bad.Load(), "Target.ResponseCodeMismatch" }})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	s := &rig{Sim: sim, t: t}
	if s.tg, err = s.AddTargetGroup("web", 8080); err != nil {
		t.Fatal(err)
	}
	s.do(func() {
		in := &instance{ID: "i-1", Address: "127.0.0.1", State: "InService"}
		s.state.Instances[in.ID] = in
		s.register(s.tg, in)
	})
	await := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); s.health(s.tg) != want; {
			if time.Now().After(deadline) {
				t.Fatalf("it is %s, never %s", s.health(s.tg), want)
			}
		}
	}
	await("healthy")
	bad.Store(true)
	await("unhealthy Target.ResponseCodeMismatch")
}

// TestELBSDK takes the SDK through every operation there is.
func TestELBSDK(t *testing.T) {
	s := newRig(t, 1, DeploymentGroupSpec{}, Config{})
	c, ctx := s.balancer(), context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do := func(input any) {
		t.Helper()
		_, err := invoke(c, input)
		must(err)
	}
	made, err := c.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{Name: aws.String("api"), Port: aws.Int32(9000), Protocol: types.ProtocolEnumHttp, VpcId: aws.String("vpc-1"), HealthCheckPath: aws.String("/healthz")})
	must(err)
	tg := made.TargetGroups[0]
	if *tg.HealthCheckPath != "/healthz" || *tg.Matcher.HttpCode != "200" || *tg.HealthyThresholdCount != 5 || len(tg.LoadBalancerArns) != 0 || *tg.Port != 9000 {
		t.Errorf("%+v", tg)
	}
	var id string
	s.do(func() { id = s.members("blue")[0].ID })
	targets := []types.TargetDescription{{Id: &id, Port: aws.Int32(9001)}}
	do(&elb.RegisterTargetsInput{TargetGroupArn: tg.TargetGroupArn, Targets: targets})
	if got := s.health(*tg.TargetGroupArn); got != "unused Target.NotInUse" {
		t.Errorf("without a load balancer: %s", got)
	}
	lb, err := c.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: aws.String("front"), Subnets: []string{"subnet-1"}})
	must(err)
	arn := lb.LoadBalancers[0].LoadBalancerArn
	do(&elb.CreateListenerInput{LoadBalancerArn: arn, Port: aws.Int32(80), Protocol: types.ProtocolEnumHttp, DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: tg.TargetGroupArn}}})
	s.Advance(10 * time.Minute)
	if got := s.health(*tg.TargetGroupArn); got != "healthy" {
		t.Errorf("behind a load balancer: %s", got)
	}
	listeners, err := c.DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: arn})
	must(err)
	if *listeners.Listeners[0].DefaultActions[0].TargetGroupArn != *tg.TargetGroupArn {
		t.Errorf("%+v", listeners)
	}
	balancers, err := c.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{Names: []string{"front"}})
	must(err)
	if b := balancers.LoadBalancers; len(b) != 1 || b[0].State.Code != types.LoadBalancerStateEnumActive || !b[0].CreatedTime.Equal(aDay().Add(10*time.Minute)) {
		t.Errorf("%+v", balancers)
	}
	do(&elb.ModifyTargetGroupInput{TargetGroupArn: tg.TargetGroupArn, HealthyThresholdCount: aws.Int32(2)})
	found, err := c.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{LoadBalancerArn: arn})
	must(err)
	if f := found.TargetGroups; len(f) != 1 || *f[0].HealthyThresholdCount != 2 || !slices.Equal(f[0].LoadBalancerArns, []string{*arn}) {
		t.Errorf("%+v", found)
	}
	do(&elb.ModifyTargetGroupAttributesInput{TargetGroupArn: tg.TargetGroupArn, Attributes: []types.TargetGroupAttribute{{Key: aws.String("stickiness.enabled"), Value: aws.String("true")}}})
	do(&elb.DescribeTargetGroupAttributesInput{TargetGroupArn: tg.TargetGroupArn})
	do(&elb.DeregisterTargetsInput{TargetGroupArn: tg.TargetGroupArn, Targets: targets})
	_, err = c.DeleteTargetGroup(ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: tg.TargetGroupArn})
	if exception(err) != "ResourceInUse" {
		t.Errorf("%v", err)
	}
	s.calledAll(t, "elasticloadbalancing", elbOperations())
}

func TestELBRefuses(t *testing.T) {
	s := newRig(t, 1, DeploymentGroupSpec{}, Config{})
	none := aws.String("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/nosuch/0")
	for _, c := range []struct {
		input any
		want  string
	}{
		{&elb.CreateTargetGroupInput{Name: aws.String("web"), Port: aws.Int32(1)}, "DuplicateTargetGroupName"},
		{&elb.DescribeTargetGroupsInput{Names: []string{"nosuch"}}, "TargetGroupNotFound"},
		{&elb.DescribeTargetHealthInput{TargetGroupArn: none}, "TargetGroupNotFound"},
		{&elb.RegisterTargetsInput{TargetGroupArn: none, Targets: []types.TargetDescription{{Id: aws.String("i-0")}}}, "TargetGroupNotFound"},
		{&elb.RegisterTargetsInput{TargetGroupArn: &s.tg, Targets: []types.TargetDescription{{Id: aws.String("i-0")}}}, "InvalidTarget"},
		{&elb.DescribeLoadBalancersInput{Names: []string{"nosuch"}}, "LoadBalancerNotFound"},
		{&elb.DescribeListenersInput{LoadBalancerArn: none}, "LoadBalancerNotFound"},
		{&elb.ModifyTargetGroupAttributesInput{TargetGroupArn: &s.tg, Attributes: []types.TargetGroupAttribute{{Key: aws.String("odd"), Value: aws.String("1")}}}, "InvalidConfigurationRequest"},
		{&elb.DeregisterTargetsInput{TargetGroupArn: &s.tg, Targets: []types.TargetDescription{{Id: aws.String("i-0")}}}, ""},
	} {
		// The SDK's types for these carry an Exception at their end that is not on the wire.
		if _, err := invoke(s.balancer(), c.input); strings.TrimSuffix(exception(err), "Exception") != c.want {
			t.Errorf("%T: %v", c.input, err)
		}
	}
}
