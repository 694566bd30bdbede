package cloud_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// stage is a deployment that stands still at one event, on all instances that run it.
type stage struct {
	*testing.T
	sim        *awssim.Sim
	deployment lifecycle.Deployment
	target     awssim.DeploymentView
	open       func() // lets the event go on
}

func newStage(t *testing.T, spec awssim.DeploymentGroupSpec, event string) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	gate, open := context.WithCancel(context.Background())
	sim, err := awssim.New(awssim.Config{Agent: func(c awssim.Command, done func(awssim.Outcome)) {
		if c.Event == event {
			<-gate.Done()
		}
		done(awssim.Outcome{Succeeded: true, ErrorCode: "Success"})
	}})
	s := &stage{T: t, sim: sim, open: open}
	s.must(err)
	t.Cleanup(func() { open(); s.must(sim.Close()) })
	arn, err := sim.AddTargetGroup("web", 80)
	s.must(err)
	s.must(sim.CreateGroup(awssim.GroupSpec{Name: "blue", Max: 4, Desired: 2, TargetGroups: []string{arn}}))
	s.must(sim.Until(ctx, func() bool { g, _ := sim.Group("blue"); return len(g.InService()) == 2 }))
	s.must(sim.AddApplication("shop"))
	spec.Application, spec.Name, spec.ScalingGroups, spec.TargetGroups, spec.Config = "shop", "web", []string{"blue"}, []string{"web"}, "CodeDeployDefault.AllAtOnce"
	s.must(sim.AddDeploymentGroup(spec))
	id, err := sim.Deploy(awssim.DeploymentSpec{Application: "shop", Group: "web", Revision: "r"})
	s.must(err)
	s.deployment = lifecycle.Deployment{ID: id, Application: "shop", Group: "web", GroupID: "dg"}
	s.must(sim.Until(ctx, func() bool {
		s.target, _ = sim.Deployment(id)
		in := 0
		for _, target := range s.target.Targets {
			for _, e := range target.Events {
				if e.Name == event && e.Status == "InProgress" {
					in++
				}
			}
		}
		return in == 2
	}))
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// labelled gives the first instance of the deployment with that label.
func (s *stage) labelled(label string) string {
	for _, t := range s.target.Targets {
		if t.Label == label {
			return t.Instance
		}
	}
	s.Fatalf("no %q instance", label)
	return ""
}

// client is one on an instance: it finds everything by the metadata service.
func (s *stage) client(instance string) *cloud.Client {
	s.Helper()
	meta, err := s.sim.IMDS(instance)
	s.must(err)
	return cloud.New(cloud.Options{Endpoint: s.sim.URL(), Metadata: meta})
}

// Where an instance stands in its deployment, asked in every way that is left.
func TestPlace(t *testing.T) {
	for _, v := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(v, "")
	}
	ctx := context.Background()
	green := newStage(t, awssim.DeploymentGroupSpec{BlueGreen: true}, "ValidateService")
	group := "CodeDeploy_web_" + green.deployment.ID
	place := func(t *testing.T, s *stage, label string, faults ...awssim.Fault) (guard.Place, string) {
		t.Helper()
		id := s.labelled(label)
		for _, f := range faults {
			f.Caller = id
			defer s.sim.Inject(f)()
		}
		p, err := s.client(id).Place(ctx, s.deployment)
		s.must(err)
		notes := strings.Join(p.Notes, "; ")
		p.Notes = nil
		return p, notes
	}
	deny := func(op string) awssim.Fault { return awssim.Fault{Operation: op, Deny: true} }
	untagged := awssim.Fault{Service: "imds", Operation: "/latest/meta-data/tags/instance/aws:autoscaling:groupName", Status: 404, Code: "NotFound"}
	want := guard.Place{Instance: green.labelled("Green"), Group: group, Role: lifecycle.Replacement, Creator: "user", Instances: 2, Originals: []string{"blue"}}
	for _, tt := range []struct {
		name   string
		faults []awssim.Fault
		change func(*guard.Place)
		notes  string
	}{
		{"all may be asked", nil, func(*guard.Place) {}, ""},
		{"not the target", []awssim.Fault{deny("GetDeploymentTarget")}, func(*guard.Place) {}, "may not call codedeploy:GetDeploymentTarget"},
		{"not the deployment", []awssim.Fault{deny("GetDeployment")}, func(p *guard.Place) { p.Creator, p.Instances = "unknown", 0 }, "may not call codedeploy:GetDeployment"},
		{"nothing of CodeDeploy", []awssim.Fault{deny("GetDeployment"), deny("GetDeploymentTarget"), deny("GetDeploymentGroup")}, func(p *guard.Place) { p.Creator, p.Instances, p.Originals = "unknown", 0, nil }, "the originals' group: this role may not call codedeploy:GetDeploymentGroup"},
		{"nothing of Auto Scaling", []awssim.Fault{untagged, deny("DescribeAutoScalingInstances")}, func(p *guard.Place) { p.Group = "" }, "may not call autoscaling:DescribeAutoScalingInstances"},
		{"no tags in its metadata", []awssim.Fault{untagged}, func(*guard.Place) {}, ""},
		{"throttled once", []awssim.Fault{{Operation: "GetDeployment", Throttle: true, Times: 1}}, func(*guard.Place) {}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := want
			tt.change(&w)
			got, notes := place(t, green, "Green", tt.faults...)
			if d := cmp.Diff(w, got); d != "" || !strings.Contains(notes, tt.notes) || tt.notes == "" && notes != "" {
				t.Errorf("%s\nnotes: %s", d, notes)
			}
		})
	}
	t.Run("an original", func(t *testing.T) {
		s := newStage(t, awssim.DeploymentGroupSpec{BlueGreen: true}, "BeforeBlockTraffic")
		got, notes := place(t, s, "Blue")
		if got.Role != lifecycle.Original || got.Group != "blue" || got.Originals != nil || notes != "" {
			t.Errorf("%+v %s", got, notes)
		}
	})
	t.Run("in place", func(t *testing.T) {
		s := newStage(t, awssim.DeploymentGroupSpec{}, "BeforeBlockTraffic")
		got, notes := place(t, s, "")
		if got.Role != lifecycle.InPlaceRole || got.Group != "blue" || notes != "" {
			t.Errorf("%+v %s", got, notes)
		}
	})
	t.Run("without a deployment", func(t *testing.T) {
		p, err := green.client(green.labelled("Green")).Place(ctx, lifecycle.Deployment{})
		if err != nil || p.Group != group {
			t.Errorf("%+v %v", p, err)
		}
	})
	t.Run("its tags", func(t *testing.T) {
		tags, err := green.client(green.labelled("Green")).Tags(ctx)
		if err != nil || tags["aws:autoscaling:groupName"] != group {
			t.Errorf("%v %v", tags, err)
		}
	})
	t.Run("only version 2 of the metadata service is asked", func(t *testing.T) {
		defer green.sim.Inject(awssim.Fault{Service: "imds", Operation: "/latest/api/token", Status: 403, Code: "Forbidden"})()
		before := len(green.sim.Requests())
		_, err := green.client(green.labelled("Green")).Place(ctx, green.deployment)
		if err == nil || !strings.Contains(err.Error(), "metadata service is switched off (403)") {
			t.Errorf("without a token: %v", err)
		}
		for _, r := range green.sim.Requests()[before:] {
			if r.Service == "imds" && r.Operation != "/latest/api/token" {
				t.Errorf("asked %s without a token", r.Operation)
			}
		}
	})
}

// Who else is in the middle of a guarded event.
func TestBusy(t *testing.T) {
	s := newStage(t, awssim.DeploymentGroupSpec{}, "BeforeBlockTraffic")
	id := s.labelled("")
	c := s.client(id)
	for _, tt := range []struct {
		events []lifecycle.Event
		want   bool
	}{{[]lifecycle.Event{lifecycle.BeforeBlockTraffic}, true}, {[]lifecycle.Event{lifecycle.AfterBlockTraffic}, false}, {nil, false}} {
		if busy, err := c.Busy(context.Background(), s.deployment.ID, id, tt.events); busy != tt.want || err != nil {
			t.Errorf("%v: %t %v", tt.events, busy, err)
		}
	}
	defer s.sim.Inject(awssim.Fault{Operation: "ListDeploymentTargets", Deny: true})()
	var e *cloud.Error
	if _, err := c.Busy(context.Background(), s.deployment.ID, id, nil); !errors.As(err, &e) || e.Kind != cloud.Denied || e.Action != "codedeploy:ListDeploymentTargets" {
		t.Errorf("%v", err)
	}
}

// Each failure is told apart, in words that name what to do.
func TestErrors(t *testing.T) {
	s := newStage(t, awssim.DeploymentGroupSpec{}, "BeforeBlockTraffic")
	id := s.labelled("")
	c := s.client(id)
	put := guard.Call{Op: guard.Put, Group: "blue", Key: guard.KeyPrefix + "0", Value: "x"}
	for _, tt := range []struct {
		name  string
		call  guard.Call
		fault awssim.Fault
		kind  cloud.Kind
		text  string
	}{
		{"denied", put, awssim.Fault{Operation: "CreateOrUpdateTags", Deny: true}, cloud.Denied, "this role may not call autoscaling:CreateOrUpdateTags"},
		{"throttled", put, awssim.Fault{Operation: "CreateOrUpdateTags", Throttle: true}, cloud.Throttled, "AWS throttles the account's calls (autoscaling:CreateOrUpdateTags)"},
		{"throttled by JSON", guard.Call{Op: guard.Status, Deployment: s.deployment.ID}, awssim.Fault{Operation: "GetDeployment", Throttle: true}, cloud.Throttled, "AWS throttles"},
		{"a group that is gone", guard.Call{Op: guard.Describe, Group: "gone"}, awssim.Fault{Service: "none"}, cloud.Gone, "there is no Auto Scaling group gone"},
		{"a write to a group that is gone", guard.Call{Op: guard.Suspend, Group: "gone", Processes: []guard.Process{guard.Terminate}}, awssim.Fault{Service: "none"}, cloud.Gone, "not found"},
		{"an unknown deployment", guard.Call{Op: guard.Status, Deployment: "d-AAAAAAAAA"}, awssim.Fault{Service: "none"}, cloud.Gone, "DeploymentDoesNotExistException"},
		{"a proxy's page", put, awssim.Fault{Operation: "CreateOrUpdateTags", Status: 502, Code: "BadGateway", Message: "no"}, cloud.Other, "BadGateway"},
		{"the connection breaks", put, awssim.Fault{Operation: "CreateOrUpdateTags", NoAnswer: true}, cloud.Unreachable, "AWS does not answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.fault.Caller = id
			defer s.sim.Inject(tt.fault)()
			a := c.Guard(context.Background(), tt.call)
			var e *cloud.Error
			if !errors.As(a.Err, &e) || e.Kind != tt.kind || !strings.Contains(e.Error(), tt.text) {
				t.Errorf("%#v: %v", e, a.Err)
			}
			if errors.Is(a.Err, guard.ErrGone) != (tt.kind == cloud.Gone) {
				t.Errorf("ErrGone: %v", a.Err)
			}
		})
	}
	for _, op := range []guard.Op{guard.Suspend, guard.Resume} {
		before := len(s.sim.Requests())
		if a := c.Guard(context.Background(), guard.Call{Op: op, Group: "blue"}); a.Err == nil || len(s.sim.Requests()) != before {
			t.Errorf("%s with no process: %v", op, a.Err)
		}
	}
}

// What does not answer is given up in time: a closed port at once, one that takes the call and is silent by the deadline.
func TestUnreachable(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, l := range map[string]net.Listener{"silent": silent, "closed": closed} {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		t.Setenv("AWS_ENDPOINT_URL", "http://"+l.Addr().String())
		t.Setenv("AWS_REGION", "eu-west-1")
		a := cloud.New(cloud.Options{}).Guard(ctx, guard.Call{Op: guard.Describe, Group: "web"})
		var e *cloud.Error
		if !errors.As(a.Err, &e) || e.Kind != cloud.Unreachable || !strings.Contains(e.Error(), "AWS does not answer") {
			t.Errorf("%s: %v", name, a.Err)
		}
		cancel()
	}
}

func TestNoMetadata(t *testing.T) {
	_, err := cloud.New(cloud.Options{Endpoint: "http://127.0.0.1:1", Metadata: "http://127.0.0.1:1"}).Place(context.Background(), lifecycle.Deployment{ID: "d-1"})
	var e *cloud.Error
	if !errors.As(err, &e) || e.Kind != cloud.Unreachable || !strings.Contains(err.Error(), "is this an EC2 instance?") {
		t.Errorf("%v", err)
	}
}

func TestNotEC2(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")
	_, err := cloud.New(cloud.Options{}).Place(context.Background(), lifecycle.Deployment{ID: "d-1"})
	var e *cloud.Error
	if !errors.As(err, &e) || e.Kind != cloud.NotEC2 {
		t.Errorf("%v", err)
	}
}

// The dead-man schedule goes there and back as it was, in the partition of its group.
func TestSchedule(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	for _, partition := range []string{"aws", "aws-cn", "aws-us-gov"} {
		sim, err := awssim.New(awssim.Config{Region: map[string]string{"aws": "eu-west-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}[partition]})
		if err != nil {
			t.Fatal(err)
		}
		defer sim.Close()
		t.Setenv("AWS_ENDPOINT_URL", sim.URL())
		t.Setenv("AWS_REGION", sim.Region)
		c := cloud.New(cloud.Options{})
		do := func(op guard.Op, s guard.Schedule) guard.Schedule {
			t.Helper()
			a := c.Guard(context.Background(), guard.Call{Op: op, Schedule: s})
			if a.Err != nil {
				t.Errorf("%s: %s: %v", partition, op, a.Err)
			}
			return a.Schedule
		}
		s := guard.Schedule{Name: "wm-1", ScheduleGroup: "default", Group: "web", GroupARN: "arn:" + partition + ":autoscaling:r:1:autoScalingGroup:1:autoScalingGroupName/web", At: time.Date(2027, 1, 2, 3, 4, 0, 0, time.UTC),
			Processes: []guard.Process{guard.AZRebalance, guard.Terminate}, RoleARN: "arn:" + partition + ":iam::1:role/x", MaxAge: time.Minute, Why: "a test"}
		if do(guard.GetSchedule, s).Exists {
			t.Error("it is there before it was made")
		}
		do(guard.MoveSchedule, s)
		got := do(guard.GetSchedule, guard.Schedule{Name: s.Name, ScheduleGroup: s.ScheduleGroup})
		if !got.Exists || !got.At.Equal(s.At) || !slices.Equal(got.Processes, s.Processes) || got.Group != "web" {
			t.Errorf("%+v", got)
		}
		s.At, s.Exists = s.At.Add(time.Hour), true
		do(guard.MoveSchedule, s)
		if got := do(guard.GetSchedule, s); !got.At.Equal(s.At) {
			t.Errorf("moved: %+v", got)
		}
		if arn := targetOf(sim); arn != "arn:"+partition+":scheduler:::aws-sdk:autoscaling:resumeProcesses" {
			t.Errorf("target %s", arn)
		}
		do(guard.DropSchedule, s)
		if do(guard.GetSchedule, s).Exists {
			t.Error("it is there after it was deleted")
		}
	}
}

func targetOf(sim *awssim.Sim) string {
	for _, r := range slices.Backward(sim.Requests()) {
		if _, after, ok := strings.Cut(r.Params[""], `"Target":{"Arn":"`); ok {
			arn, _, _ := strings.Cut(after, `"`)
			return arn
		}
	}
	return ""
}

// A service that is stopped does not wait for a metadata service that is silent.
func TestLookingForTheRegionEndsWithItsCaller(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	asked := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		if c, err := silent.Accept(); err == nil {
			defer c.Close()
			close(asked)
			<-ctx.Done()
		}
	}()
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://"+silent.Addr().String())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_REGION", "")
	ended := make(chan struct{})
	go func() {
		cloud.New(cloud.Options{Metadata: "http://" + silent.Addr().String()}).Notice(ctx)
		close(ended)
	}()
	select {
	case <-asked:
	case <-ended:
		t.Fatal("the metadata service was not asked")
	}
	began := time.Now()
	cancel()
	<-ended
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("it took %s", took)
	}
}
