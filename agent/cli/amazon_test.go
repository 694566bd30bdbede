package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
)

// amazon is a simulated AWS in which a deployment in place stands in BeforeBlockTraffic on every instance of the group
// web, until it is stopped.
type amazon struct {
	sim        *awssim.Sim
	deployment string
	instances  []string
	open       context.CancelFunc // the CodeDeploy agents report the event's end
}

// newAmazon starts it with n instances; suspended is what an operator suspended on the group, and when.
func newAmazon(n int, suspended map[string]time.Time) (a *amazon, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	gate, open := context.WithCancel(context.Background())
	sim, err := awssim.New(awssim.Config{Delays: awssim.Delays{Spot: 2 * time.Minute}, Agent: func(c awssim.Command, done func(awssim.Outcome)) {
		if c.Event == "BeforeBlockTraffic" {
			<-gate.Done()
		}
		done(awssim.Outcome{Succeeded: true, ErrorCode: "Success"})
	}})
	if err != nil {
		open()
		return nil, err
	}
	a = &amazon{sim: sim, open: open}
	defer func() {
		if err != nil {
			_ = a.close() // err tells more
		}
	}()
	arn, err := sim.AddTargetGroup("web", 80)
	if err != nil {
		return nil, err
	}
	if err := sim.CreateGroup(awssim.GroupSpec{Name: "web", Min: 1, Max: n + 2, Desired: n, TargetGroups: []string{arn}, Suspended: suspended}); err != nil {
		return nil, err
	}
	if err := sim.Until(ctx, func() bool { g, _ := sim.Group("web"); return len(g.InService()) == n }); err != nil {
		return nil, err
	}
	g, _ := sim.Group("web")
	a.instances = g.InService()
	return a, a.deploy(ctx, n)
}

// deploy starts the deployment, and waits until it is where it stays.
func (a *amazon) deploy(ctx context.Context, n int) (err error) {
	if err := a.sim.AddApplication("shop"); err != nil {
		return err
	}
	if err := a.sim.AddDeploymentGroup(awssim.DeploymentGroupSpec{Application: "shop", Name: "web", ScalingGroups: []string{"web"}, TargetGroups: []string{"web"}, Config: "CodeDeployDefault.AllAtOnce"}); err != nil {
		return err
	}
	if a.deployment, err = a.sim.Deploy(awssim.DeploymentSpec{Application: "shop", Group: "web", Revision: "r1"}); err != nil {
		return err
	}
	return a.sim.Until(ctx, func() bool {
		d, _ := a.sim.Deployment(a.deployment)
		in := 0
		for _, target := range d.Targets {
			for _, e := range target.Events {
				if e.Name == "BeforeBlockTraffic" && e.Status == "InProgress" {
					in++
				}
			}
		}
		return in == n
	})
}

// end stops the deployment, and waits until it is over.
func (a *amazon) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := a.sim.Stop(a.deployment, false); err != nil {
		return err
	}
	a.open()
	return a.sim.Until(ctx, func() bool { d, _ := a.sim.Deployment(a.deployment); return d.Over() })
}

func (a *amazon) close() error {
	a.open()
	return a.sim.Close()
}

// aws is AWS for a script:
//
//	aws                    starts it, as the first instance of the group web sees it; $DEPLOYMENT is in progress there
//	aws ends               stops the deployment
//	aws resumes P,P        is an operator's resuming on the group web
//	aws denies OPERATION   forbids a call from now on
//	aws group NAME         makes a group at its limit, on which somebody will have
//	                       suspended Terminate in ten minutes: what a guard does not claim, whenever it is begun
func aws(ts *testscript.TestScript, neg bool, args []string) {
	a := ts.Value("aws").(*amazon)
	if neg || (len(args) > 0) != (a.sim != nil) {
		ts.Fatalf("usage: aws first, then aws ends, aws group NAME, aws resumes P,P, aws denies OPERATION")
	}
	if len(args) == 0 {
		begin(ts, a)
		return
	}
	var err error
	switch verb, rest := args[0], args[1:]; {
	case verb == "ends" && len(rest) == 0:
		err = a.end()
	case verb == "resumes" && len(rest) == 1:
		err = a.sim.Resume("web", strings.Split(rest[0], ",")...)
	case verb == "denies" && len(rest) == 1:
		a.sim.Inject(awssim.Fault{Operation: rest[0], Deny: true})
	case verb == "group" && len(rest) == 1:
		err = a.sim.CreateGroup(awssim.GroupSpec{Name: rest[0], Min: 1, Desired: 1, Max: 1, Suspended: map[string]time.Time{"Terminate": time.Now().Add(10 * time.Minute)}})
	default:
		err = fmt.Errorf("aws does not know %q", args)
	}
	ts.Check(err)
}

func begin(ts *testscript.TestScript, a *amazon) {
	started, err := newAmazon(2, map[string]time.Time{"HealthCheck": time.Now().Add(-3 * time.Hour)})
	ts.Check(err)
	*a = *started
	ts.Defer(func() { ts.Check(a.close()) })
	meta, err := a.sim.IMDS(a.instances[0])
	ts.Check(err)
	for k, v := range map[string]string{"AWS_ENDPOINT_URL": a.sim.URL(), "AWS_EC2_METADATA_SERVICE_ENDPOINT": meta, "AWS_EC2_METADATA_DISABLED": "", "AWS_REGION": a.sim.Region, "DEPLOYMENT": a.deployment, "AWS_AGAIN": a.sim.URL()} {
		ts.Setenv(k, v)
	}
}
