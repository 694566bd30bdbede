package awssim

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
)

// TestAddToLoadBalancer registers what comes into service, unless it is suspended; resuming it registers nobody later.
func TestAddToLoadBalancer(t *testing.T) {
	s := start(t, Config{})
	c := elasticloadbalancingv2.New(elasticloadbalancingv2.Options{Region: s.Region, BaseEndpoint: aws.String(s.URL()), HTTPClient: whole{}, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "")})
	tg, err := c.CreateTargetGroup(t.Context(), &elasticloadbalancingv2.CreateTargetGroupInput{Name: aws.String("web"), Port: aws.Int32(80), Protocol: "HTTP", VpcId: aws.String("vpc-1")})
	arn := must(tg, err)(t).TargetGroups[0].TargetGroupArn
	registered := func(want int, when string) {
		t.Helper()
		s.Advance(time.Minute)
		if out := must(c.DescribeTargetHealth(t.Context(), &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: arn}))(t); len(out.TargetHealthDescriptions) != want {
			t.Errorf("%s: %d targets, not %d", when, len(out.TargetHealthDescriptions), want)
		}
	}
	if err := s.CreateGroup(GroupSpec{Name: "web", Max: 5, Desired: 1, TargetGroups: []string{*arn}}); err != nil {
		t.Fatal(err)
	}
	registered(1, "launched")
	if err := s.Suspend("web", "AddToLoadBalancer"); err != nil {
		t.Fatal(err)
	}
	desire(2)(t, s)
	registered(1, "launched while suspended")
	if err := s.Resume("web", "AddToLoadBalancer"); err != nil {
		t.Fatal(err)
	}
	registered(1, "resumed")
	desire(3)(t, s)
	registered(2, "launched after that")
	desire(0)(t, s)
	registered(0, "terminated")
}
