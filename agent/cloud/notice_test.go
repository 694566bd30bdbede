package cloud_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// fleet is a group of two in memory, on the bubble's clock, and a client on its first instance.
func fleet(t *testing.T) (*awssim.Sim, *cloud.Client, []string) {
	t.Helper()
	sim, err := awssim.New(awssim.Config{InMemory: true, Delays: awssim.Delays{Spot: 2 * time.Minute, Terminate: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	if err := sim.CreateGroup(awssim.GroupSpec{Name: "web", Desired: 2}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // of the bubble: they are launched
	g, _ := sim.Group("web")
	ids := g.InService()
	if len(ids) != 2 {
		t.Fatal(g)
	}
	meta, err := sim.IMDS(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	return sim, cloud.New(cloud.Options{Endpoint: sim.URL(), Metadata: meta, Region: "eu-west-1", Dial: sim.Dial}), ids
}

// The notice is none, until Spot or Auto Scaling is about to take the instance.
func TestNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, c, ids := fleet(t)
		n, err := c.Notice(t.Context())
		if err != nil || n.Some() || n.String() != "no notice" {
			t.Errorf("%+v %v", n, err)
		}
		if err := sim.Spot(ids[0]); err != nil {
			t.Fatal(err)
		}
		end := time.Now().Add(2 * time.Minute).Truncate(time.Second)
		want := "this instance is about to be terminated (spot notice, " + end.UTC().Format("15:04") + " UTC)"
		if n, err = c.Notice(t.Context()); err != nil || n.By != cloud.Spot || !n.At.Equal(end) || n.String() != want {
			t.Errorf("%+v %v", n, err)
		}
	})
}

func TestNoticeOfAScaleIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, c, ids := fleet(t)
		if err := sim.SetDesired("web", 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if v, _ := sim.Instance(ids[0]); !strings.HasPrefix(v.State, "Terminating") {
			t.Fatal(v)
		}
		if n, err := c.Notice(t.Context()); err != nil || n.By != cloud.AutoScaling || !strings.Contains(n.String(), "Auto Scaling takes it out") {
			t.Errorf("%+v %v", n, err)
		}
	})
}

// What Spot's interruptions other than the end are called, and what cannot be read.
func TestNoticesInWords(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 3, 0, 0, time.UTC)
	for action, want := range map[string]string{"stop": "about to be stopped (spot notice, 12:03 UTC)", "hibernate": "about to be hibernated (spot notice, 12:03 UTC)", "sell": "about to be taken away (spot notice: sell, 12:03 UTC)"} {
		if got := (cloud.Notice{By: cloud.Spot, Action: action, At: at}).String(); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s", action, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		sim, c, _ := fleet(t)
		sim.Inject(awssim.Fault{Service: "imds", Operation: "/latest/meta-data/spot/instance-action", Status: 403, Code: "Forbidden"})
		var e *cloud.Error
		if n, err := c.Notice(t.Context()); n.Some() || !errors.As(err, &e) || !strings.Contains(e.Error(), "switched off") {
			t.Errorf("%+v %v", n, err)
		}
	})
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	var e *cloud.Error
	if _, err := cloud.New(cloud.Options{}).Notice(context.Background()); !errors.As(err, &e) || e.Kind != cloud.NotEC2 {
		t.Errorf("not on EC2: %v", err)
	}
}

// What a deployment's status comes to: over, failed, really ended, and how large it is.
func TestStatus(t *testing.T) {
	s := newStage(t, awssim.DeploymentGroupSpec{}, "BeforeBlockTraffic")
	c := s.client(s.labelled(""))
	ask := func(id string) guard.Answer {
		return c.Guard(t.Context(), guard.Call{Op: guard.Status, Deployment: id})
	}
	if a := ask(s.deployment.ID); a.Err != nil || !a.Status.Known || a.Status.Over || a.Status.Ended || a.Status.Failed || a.Status.Instances != 2 {
		t.Errorf("%+v", a)
	}
	if a := ask("d-000000000"); !errors.Is(a.Err, guard.ErrGone) || a.Status.Known {
		t.Errorf("no such deployment: %+v", a)
	}
	s.must(s.sim.Stop(s.deployment.ID, false))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	s.open()
	s.must(s.sim.Until(ctx, func() bool { v, _ := s.sim.Deployment(s.deployment.ID); return v.Over() }))
	if a := ask(s.deployment.ID); a.Err != nil || !a.Status.Over || !a.Status.Ended || !a.Status.Failed || a.Status.Word != "Stopped" {
		t.Errorf("%+v", a)
	}
}

// The service begins at boot, perhaps before the metadata service can be reached. What one call could not find the next does.
func TestWhatCouldNotBeFoundOnceIsLookedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, _, ids := fleet(t)
		meta, err := sim.IMDS(ids[0])
		if err != nil {
			t.Fatal(err)
		}
		c := cloud.New(cloud.Options{Endpoint: sim.URL(), Metadata: meta, Dial: sim.Dial}) // no region: the instance says it
		mend := sim.Inject(awssim.Fault{Service: "imds", Status: 503, Code: "ServiceUnavailable"})
		if _, err := c.Notice(t.Context()); err == nil {
			t.Fatal("it was found")
		}
		mend()
		if _, err := c.Notice(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
