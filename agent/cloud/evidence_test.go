package cloud_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

// fallen is a blue/green deployment of shop/web, of which ValidateService has failed on every replacement.
func fallen(t *testing.T, instances int, c awssim.Config) (*awssim.Sim, string, *cloud.Client) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c.InMemory = true
	c.Agent = func(c awssim.Command, done func(awssim.Outcome)) {
		if c.Event == "ValidateService" {
			done(awssim.Outcome{ErrorCode: "ScriptFailed", Script: "check.sh", Message: "Script at specified location: check.sh failed with exit code 3", Log: "no answer"})
			return
		}
		done(awssim.Outcome{Succeeded: true})
	}
	sim, err := awssim.New(c)
	must(err)
	t.Cleanup(func() { must(sim.Close()) })
	arn, err := sim.AddTargetGroup("web", 80)
	must(err)
	must(sim.CreateGroup(awssim.GroupSpec{Name: "blue", Max: 2 * instances, Desired: instances, TargetGroups: []string{arn}}))
	must(sim.Until(t.Context(), func() bool { g, _ := sim.Group("blue"); return len(g.InService()) == instances }))
	must(sim.AddApplication("shop"))
	must(sim.AddDeploymentGroup(awssim.DeploymentGroupSpec{Application: "shop", Name: "web", ScalingGroups: []string{"blue"}, TargetGroups: []string{"web"}, BlueGreen: true, Config: "CodeDeployDefault.AllAtOnce"}))
	id, err := sim.Deploy(awssim.DeploymentSpec{Application: "shop", Group: "web", Revision: "v2.tgz"})
	must(err)
	must(sim.Until(t.Context(), func() bool { d, _ := sim.Deployment(id); return d.Over() }))
	return sim, id, cloud.New(cloud.Options{Endpoint: sim.URL(), Region: sim.Region, Dial: sim.Dial, Key: "AKIAOPERATOR", Patient: true})
}

// Everything is asked, and survives being saved.
func TestEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, id, client := fallen(t, 2, awssim.Config{})
		e, err := client.Evidence(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if gaps := e.Gaps(); len(gaps) > 0 {
			t.Errorf("missing: %+v", gaps)
		}
		green := "CodeDeploy_web_" + id
		var names []string
		for _, s := range e.Scaling {
			names = append(names, s.Name)
			if len(s.State.Value.Instances) != 2 || len(s.Activities.Value) == 0 {
				t.Errorf("%s: %+v", s.Name, s)
			}
		}
		if !slices.Equal(names, []string{"blue", green}) {
			t.Errorf("groups %q", names)
		}
		if i := e.Info.Value; i.Status != "Failed" || i.ErrorCode != "HEALTH_CONSTRAINTS" || !i.BlueGreen || !i.Copies || i.Counts.Failed != 2 || i.Revision != "s3://revisions/v2.tgz" {
			t.Errorf("info %+v", i)
		}
		failed := 0
		for _, target := range e.Targets.Value {
			for _, ev := range target.Events {
				if d := ev.Diagnostics; ev.Status == "Failed" && d.Code == "ScriptFailed" && d.Script == "check.sh" && d.Log == "no answer" {
					failed++
				}
			}
		}
		if failed != 2 || len(e.Balanced) != 1 || len(e.Balanced[0].Health.Value) != 2 || len(e.Copies.Value) != 1 || e.Asked.IsZero() {
			t.Errorf("%d failed; %+v; %+v", failed, e.Balanced, e.Copies)
		}
		var saved bytes.Buffer
		if err := e.Save(&saved); err != nil {
			t.Fatal(err)
		}
		back, err := deployment.Load(&saved)
		if d := cmp.Diff(e, back, cmpopts.EquateEmpty()); err != nil || d != "" {
			t.Errorf("%v\n%s", err, d)
		}
	})
}

// Who may not ask everything learns the rest, and which action it was.
func TestEvidenceOfWhatMayBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, id, client := fallen(t, 2, awssim.Config{})
		for _, tt := range []struct{ operation, action string }{
			{"GetDeployment", "codedeploy:GetDeployment"}, {"ListDeploymentTargets", "codedeploy:ListDeploymentTargets"}, {"BatchGetDeploymentTargets", "codedeploy:BatchGetDeploymentTargets"},
			{"GetDeploymentGroup", "codedeploy:GetDeploymentGroup"}, {"DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingGroups"},
			{"DescribeScalingActivities", "autoscaling:DescribeScalingActivities"}, {"DescribeLifecycleHooks", "autoscaling:DescribeLifecycleHooks"},
			{"DescribeTargetGroups", "elasticloadbalancing:DescribeTargetGroups"}, {"DescribeTargetHealth", "elasticloadbalancing:DescribeTargetHealth"},
			{"ListDeploymentGroups", "codedeploy:ListDeploymentGroups"},
		} {
			undo := sim.Inject(awssim.Fault{Operation: tt.operation, Deny: true})
			e, err := client.Evidence(t.Context(), id)
			undo()
			if err != nil {
				t.Errorf("%s: %v", tt.operation, err)
				continue
			}
			if !slices.ContainsFunc(e.Gaps(), func(m deployment.Missing) bool {
				return m.Why == deployment.Denied && m.Action == tt.action && m.Tells != ""
			}) {
				t.Errorf("%s: %+v", tt.operation, e.Gaps())
			}
		}
		defer sim.Inject(awssim.Fault{Service: "codedeploy", Deny: true})()
		var known *cloud.Error
		if _, err := client.Evidence(t.Context(), id); !errors.As(err, &known) || known.Kind != cloud.Denied {
			t.Errorf("of nothing: %v", err)
		}
	})
}

func TestEvidenceOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, _, client := fallen(t, 1, awssim.Config{})
		var known *cloud.Error
		if _, err := client.Evidence(t.Context(), "d-NOSUCHONE"); !errors.As(err, &known) || known.Kind != cloud.Gone || !strings.Contains(err.Error(), "--region") {
			t.Errorf("got %v", err)
		}
		defer sim.Inject(awssim.Fault{Hang: true})()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := client.Evidence(ctx, "d-NOSUCHONE"); !errors.As(err, &known) || known.Kind != cloud.Unreachable {
			t.Errorf("no answer: %v", err)
		}
	})
}

// A fleet at CodeDeploy's limit is read within half a minute, though AWS takes five calls a second of each service
// and 120 ms for each.
func TestEvidenceOfAFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, id, client := fallen(t, 1000, awssim.Config{})
		for _, service := range []string{"codedeploy", "autoscaling", "elasticloadbalancing"} {
			sim.Inject(awssim.Fault{Service: service, Rate: 5, Burst: 5})
			sim.Inject(awssim.Fault{Service: service, Latency: 120 * time.Millisecond})
		}
		from, calls := time.Now(), len(sim.Requests())
		e, err := client.Evidence(t.Context(), id)
		took := time.Since(from)
		if err != nil || len(e.Gaps()) > 0 {
			t.Fatalf("%v; missing: %+v", err, e.Gaps())
		}
		read := 0
		for _, target := range e.Targets.Value {
			if !target.Unread {
				read++
			}
		}
		throttled := 0
		for _, r := range sim.Requests()[calls:] {
			if strings.HasPrefix(r.Code, "Throttl") {
				throttled++
			}
		}
		t.Logf("%d targets read in %s: %d calls, of which %d throttled", read, took, len(sim.Requests())-calls, throttled)
		if want := 1000; read != want || took > 30*time.Second || throttled == 0 {
			t.Errorf("%d targets read in %s", read, took)
		}
	})
}
