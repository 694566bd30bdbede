package rehearsal

import (
	"fmt"
	"net"
	"strconv"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// record puts a deployment as CodeDeploy has it together with what the instances' CodeDeploy agents reported.
func (r *rehearsal) record(v awssim.DeploymentView) Deployment {
	d := Deployment{ID: v.ID, Part: r.part(v.ID), Status: v.Status, Succeeded: v.Status == "Succeeded", Started: v.Created, Instances: []Instance{}}
	if !v.Completed.IsZero() {
		d.Duration = v.Completed.Sub(v.Created)
	}
	if v.ErrorCode != "" {
		d.Error = v.ErrorCode + ": " + v.ErrorMessage
	}
	for _, t := range v.Targets {
		m := r.cast.of(r, t.Instance, t.Label)
		now, _ := r.sim.Instance(t.Instance)
		in := Instance{Name: m.name, ID: m.id, Address: net.JoinHostPort(now.Address, strconv.Itoa(m.port)), Events: []Event{}}
		for _, e := range t.Events {
			out := m.ended(v.ID, e.Name, e.Status, e.End)
			out.Started = e.Start
			if !e.Start.IsZero() && !e.End.IsZero() {
				out.Duration = e.End.Sub(e.Start)
			}
			if e.Status == "Failed" {
				out.Verdict = Failed // also where CodeDeploy says so, and not the CodeDeploy agent
				if out.Message == "" {
					out.Message = e.Message
				}
				if out.Name == lifecycle.AllowTraffic {
					out.Message += fmt.Sprintf("\nwingman: the target did not become healthy: GET %s on its ADDRESS:PORT; the real AWS would have waited an hour for it", r.Health)
				}
			}
			in.Events = append(in.Events, out)
		}
		d.Instances = append(d.Instances, in)
	}
	return d
}

// failure is the first event that failed.
func (r *rehearsal) failure() *Failure {
	for _, d := range r.result.Deployments {
		var first *Failure
		for _, in := range d.Instances {
			for i, e := range in.Events {
				if e.Verdict != Failed || first != nil && !e.Started.Before(first.Started) {
					continue
				}
				first = &Failure{Deployment: d.ID, Part: d.Part, Instance: in.Name, Event: e}
				for _, later := range in.Events[i+1:] {
					if later.Verdict == NotRun {
						first.NotReached = append(first.NotReached, later.Name)
					}
				}
			}
		}
		if first != nil {
			return first
		}
	}
	return nil
}
