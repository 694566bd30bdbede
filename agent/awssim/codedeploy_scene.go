package awssim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// What a scene is made of, without a client: an application with its deployment group behind a load balancer, and
// deployments that are started, watched, stopped and continued.

// DeploymentGroupSpec describes a deployment group.
type DeploymentGroupSpec struct {
	Application, Name string
	ScalingGroups     []string
	BlueGreen         bool
	TargetGroups      []string      // names; with any, a deployment controls traffic
	Config            string        // default CodeDeployDefault.OneAtATime
	Discover          bool          // the replacement is there already: DISCOVER_EXISTING, not COPY_AUTO_SCALING_GROUP
	KeepBlue          bool          // KEEP_ALIVE, not TERMINATE
	TerminationWait   time.Duration // in whole minutes, each of which takes Delays.Minute
	ReadyWait         time.Duration // so too: with any, a deployment waits for ContinueDeployment
	RollBack          bool          // when a deployment fails or is stopped
}

// DeploymentSpec describes a deployment.
type DeploymentSpec struct {
	Application, Group string
	Revision           string   // the bundle's name, which is an S3 key
	Config             string   // default the group's
	Creator            string   // default user; autoscaling and autoscalingTermination deploy to Instances only
	Instances          []string // default all of the group
	Replacement        []string // with Discover: green's Auto Scaling groups
	IgnoreStopFailures bool
}

// DeploymentView is a deployment as it stands.
type DeploymentView struct {
	ID, Application, Group, Creator, Status string
	ErrorCode, ErrorMessage                 string
	RolledBackBy, RollsBack                 string   // deployments
	Original, Replacement                   []string // Auto Scaling groups
	Created, Started, Completed             time.Time
	Targets                                 []TargetView
}

// TargetView is one instance in a deployment.
type TargetView struct {
	Instance, Label, Status string // the label is Blue, Green or, in place, nothing
	Events                  []EventView
}

// EventView is one lifecycle event on an instance.
type EventView struct {
	Name, Status                    string
	Start, End                      time.Time
	ErrorCode, Script, Message, Log string
}

// Progress is something that happened in a deployment: to all of it, to an instance, or to an instance's event.
type Progress struct {
	At                                 time.Time
	Deployment, Instance, Label, Event string
	Status                             string // the new one
	Text                               string // why it failed
}

func (s *Sim) tell(p Progress) {
	if p.At = s.now(); s.Deployed != nil {
		s.Deployed(p)
	}
}

// Over says whether the deployment has come to its end.
func (v DeploymentView) Over() bool { return over(v.Status) }

// AddTargetGroup makes a target group that a load balancer forwards to, and gives its ARN.
func (s *Sim) AddTargetGroup(name string, port int) (arn string, err error) {
	s.do(func() {
		if s.state.targetGroupNamed(name) != nil {
			err = fmt.Errorf("cannot add target group %s: it is there", name)
			return
		}
		tg := s.newTargetGroup(name, "HTTP", port)
		arn = tg.TargetGroupArn
		s.state.TargetGroups[arn] = tg
		s.listen(s.newBalancer(name), arn)
	})
	return arn, err
}

// AddApplication makes a CodeDeploy application.
func (s *Sim) AddApplication(name string) (err error) {
	s.do(func() { _, err = s.addApplication(name, "Server") })
	return err
}

// AddDeploymentGroup makes a deployment group.
func (s *Sim) AddDeploymentGroup(spec DeploymentGroupSpec) error {
	body, err := s.deploymentGroupBody(spec)
	if err != nil {
		return err
	}
	s.do(func() {
		_, err = createDeploymentGroup(&call{Sim: s, st: s.state, body: body}, &groupInput{ApplicationName: spec.Application, DeploymentGroupName: spec.Name})
	})
	return err
}

// ChangeDeploymentGroup makes a deployment group be as described, as UpdateDeploymentGroup does.
func (s *Sim) ChangeDeploymentGroup(spec DeploymentGroupSpec) error {
	body, err := s.deploymentGroupBody(spec)
	if err != nil {
		return err
	}
	s.do(func() {
		_, err = updateDeploymentGroup(&call{Sim: s, st: s.state, body: body}, &groupInput{ApplicationName: spec.Application, CurrentDeploymentGroupName: spec.Name})
	})
	return err
}

// deploymentGroupBody is what a client would send.
func (s *Sim) deploymentGroupBody(spec DeploymentGroupSpec) ([]byte, error) {
	in := answer{"serviceRoleArn": "arn:aws:iam::" + s.Account + ":role/CodeDeployServiceRole", "autoScalingGroups": spec.ScalingGroups, "deploymentConfigName": cmp.Or(spec.Config, "CodeDeployDefault.OneAtATime")}
	way := style{"IN_PLACE", "WITHOUT_TRAFFIC_CONTROL"}
	if len(spec.TargetGroups) > 0 {
		way.Option = "WITH_TRAFFIC_CONTROL"
		info := &balancerInfo{}
		for _, name := range spec.TargetGroups {
			info.TargetGroups = append(info.TargetGroups, named{name})
		}
		in["loadBalancerInfo"] = info
	}
	if spec.BlueGreen {
		way.Type = "BLUE_GREEN"
		in["blueGreenDeploymentConfiguration"] = spec.blueGreen()
	}
	if spec.RollBack {
		in["autoRollbackConfiguration"] = autoRollback{true, []string{"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST"}}
	}
	in["deploymentStyle"] = way
	return json.Marshal(in)
}

func (spec DeploymentGroupSpec) blueGreen() *blueGreen {
	wait, ready := int(spec.TerminationWait.Minutes()), int(spec.ReadyWait.Minutes())
	b := &blueGreen{&option{Action: "TERMINATE", TerminationWait: &wait}, &option{OnTimeout: "CONTINUE_DEPLOYMENT"}, &option{Action: "COPY_AUTO_SCALING_GROUP"}}
	if spec.KeepBlue {
		b.Terminate = &option{Action: "KEEP_ALIVE"}
	}
	if ready > 0 {
		b.Ready = &option{OnTimeout: "STOP_DEPLOYMENT", Wait: &ready}
	}
	if spec.Discover {
		b.Provision.Action = "DISCOVER_EXISTING"
	}
	return b
}

// Deploy starts a deployment.
func (s *Sim) Deploy(spec DeploymentSpec) (id string, err error) {
	d := &deployment{Creator: cmp.Or(spec.Creator, "user"), Only: spec.Instances, IgnoreStopFailures: spec.IgnoreStopFailures,
		Revision: &revision{Type: "S3", S3: map[string]string{"bucket": "revisions", "key": spec.Revision, "bundleType": "tgz"}}}
	if len(spec.Replacement) > 0 {
		d.TargetInstances = &targetInstances{ScalingGroups: spec.Replacement}
	}
	s.do(func() {
		g := s.state.deploymentGroup(spec.Application, spec.Group)
		if g == nil {
			err = fmt.Errorf("cannot deploy: there is no deployment group %s/%s", spec.Application, spec.Group)
			return
		}
		err = s.create(g, d, spec.Config, nil)
	})
	return d.ID, err
}

// Deployment gives a deployment as it stands.
func (s *Sim) Deployment(id string) (v DeploymentView, known bool) {
	s.mu.Lock() // a look is no change: Until would look again for ever
	defer s.mu.Unlock()
	s.settle(s.now())
	if d := s.state.Deployments[id]; d != nil {
		v, known = d.view(), true
	}
	return v, known
}

func (d *deployment) view() DeploymentView {
	v := DeploymentView{ID: d.ID, Application: d.Application, Group: d.Group, Creator: d.Creator, Status: d.Status, Created: d.Created.Time, Started: d.Started.Time,
		Completed: d.Completed.Time, Original: slices.Clone(d.Originals), Replacement: slices.Clone(d.Green)}
	if d.Failure != nil {
		v.ErrorCode, v.ErrorMessage = d.Failure.Code, d.Failure.Message
	}
	if d.Rollback != nil {
		v.RolledBackBy, v.RollsBack = d.Rollback.By, d.Rollback.Of
	}
	for _, t := range d.Targets {
		tv := TargetView{Instance: t.ID, Label: t.Label, Status: t.Status}
		for _, e := range t.Events {
			ev := EventView{Name: e.Name, Status: e.Status, Start: e.Start.Time, End: e.End.Time}
			if x := e.Diagnostics; x != nil {
				ev.ErrorCode, ev.Script, ev.Message, ev.Log = x.Code, x.Script, x.Message, x.Log
			}
			tv.Events = append(tv.Events, ev)
		}
		v.Targets = append(v.Targets, tv)
	}
	return v
}

// Stop stops a deployment, as StopDeployment does.
func (s *Sim) Stop(id string, rollBack bool) error {
	return s.onDeployment(id, func(d *deployment) error {
		if over(d.Status) {
			return fmt.Errorf("cannot stop deployment %s: it is %s", id, d.Status)
		}
		s.stop(d, rollBack)
		return nil
	})
}

// Continue ends a deployment's wait for rerouting (READY_WAIT) or before blue's end (TERMINATION_WAIT).
func (s *Sim) Continue(id, wait string) error {
	return s.onDeployment(id, func(d *deployment) error { return s.proceed(d, wait) })
}

func (s *Sim) onDeployment(id string, f func(*deployment) error) (err error) {
	s.do(func() {
		if d := s.state.Deployments[id]; d != nil {
			err = f(d)
			return
		}
		err = fmt.Errorf("there is no deployment %s", id)
	})
	return err
}

// End ends a deployment for a reason that is not simulated, such as an alarm or a service role that lacks a permission:
// its status is Failed, or Stopped, with CodeDeploy's code and words.
func (s *Sim) End(id, status, code, message string) error {
	return s.onDeployment(id, func(d *deployment) error {
		switch {
		case over(d.Status):
			return fmt.Errorf("cannot end deployment %s: it is %s", id, d.Status)
		case status == "Failed":
			s.fail(d, code, message)
		default:
			d.Stopping, d.RollBack = code, d.rollsBackOn("DEPLOYMENT_STOP_ON_ALARM")
			s.stopped(d)
			d.Failure.Message = message
		}
		return nil
	})
}
