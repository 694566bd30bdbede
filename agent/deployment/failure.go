package deployment

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// fail is one lifecycle event that failed on one instance, or, in a deployment that goes on, one that is under way.
type fail struct {
	*Target
	Event
	side lifecycle.Role
	at   time.Time
}

// said is what there is of the event's diagnostics.
func (f fail) said() Diagnostics {
	if f.Diagnostics == nil {
		return Diagnostics{}
	}
	return *f.Diagnostics
}

// tail gives the last lines of the event's output, without the CodeDeploy agent's tags.
func (f fail) tail(n int) (out []string) {
	for line := range strings.Lines(f.said().Log) {
		line = strings.TrimSpace(line)
		for _, tag := range []string{"[stdout]", "[stderr]"} {
			line = strings.TrimPrefix(line, tag)
		}
		if line != "" && !strings.HasPrefix(line, "LifecycleEvent - ") && !strings.HasPrefix(line, "Script - ") {
			out = append(out, clip(line, 160))
		}
	}
	return out[max(0, len(out)-n):]
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// The phases of a deployment, in order: a failure that a later phase follows did not fail the deployment.
const (
	installing = 1 + iota
	allowing
	blocking
)

// phase is the one that an event of a side belongs to. Of a rollback, and of an original, the order is the other way round
// than that of one instance in place: traffic is allowed on one side first, then blocked on the other.
func (v *view) phase(e lifecycle.Event, side lifecycle.Role) int {
	if !v.info.BlueGreen {
		return installing
	}
	switch e {
	case lifecycle.BeforeAllowTraffic, lifecycle.AllowTraffic, lifecycle.AfterAllowTraffic:
		return allowing
	case lifecycle.BeforeBlockTraffic, lifecycle.BlockTraffic, lifecycle.AfterBlockTraffic:
		return blocking
	}
	return installing
}

// events gives the lifecycle events with a status, the first first.
func (v *view) events(status string) (out []fail) {
	for i := range v.Targets.Value {
		t := &v.Targets.Value[i]
		for _, e := range t.Events {
			if e.Status == status {
				at := e.End
				if at.IsZero() {
					at = e.Start
				}
				out = append(out, fail{t, e, v.side(t.ID), at})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b fail) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.ID, b.ID)) })
	return out
}

// decisive gives the failures of the last phase that the deployment reached; what failed before and was let pass is
// tolerated.
func (v *view) decisive() (fails, tolerated []fail) {
	all, reached := v.events("Failed"), 0
	for _, t := range v.Targets.Value {
		for _, e := range t.Events {
			if !e.Start.IsZero() || e.Status == "Failed" || e.Status == "Succeeded" || e.Status == "InProgress" {
				reached = max(reached, v.phase(lifecycle.Event(e.Name), v.side(t.ID)))
			}
		}
	}
	for _, f := range all {
		passed := v.info.Status == "Succeeded" || v.info.IgnoreStop && forgiven(f) || v.known && !v.info.Over()
		if passed || v.phase(lifecycle.Event(f.Name), f.side) < reached {
			tolerated = append(tolerated, f)
		} else {
			fails = append(fails, f)
		}
	}
	if v.known && !v.info.Over() { // it may still be let pass, or not: it is what there is to tell
		return tolerated, nil
	}
	return fails, tolerated
}

// forgiven says that ignoreApplicationStopFailures lets the event's failure pass, and that the instance went on.
func forgiven(f fail) bool {
	switch lifecycle.Event(f.Name) {
	case lifecycle.ApplicationStop, lifecycle.BeforeBlockTraffic, lifecycle.AfterBlockTraffic:
		return f.Target.Status != "Failed"
	}
	return false
}

// unseen says that failures may be missing in the evidence that would change what came first.
func (v *view) unseen() *Missing {
	if v.Targets.Whole() {
		return nil
	}
	seen := 0
	for _, t := range v.Targets.Value {
		if t.Status == "Failed" && slices.ContainsFunc(t.Events, func(e Event) bool { return e.Status == "Failed" && e.Diagnostics != nil }) {
			seen++
		}
	}
	if c := v.info.Counts; v.known && c != nil && c.Failed <= seen && seen > 0 {
		return nil
	}
	return v.Targets.Missing
}

// failure says where the deployment failed.
func (v *view) failure(fails []fail) *Failure {
	if len(fails) == 0 {
		return nil
	}
	first := fails[0]
	out := &Failure{Side: first.side, Event: lifecycle.Event(first.Name), At: first.at, Of: v.of(first.side), Instances: []Instanced{}}
	for _, f := range fails {
		if f.Name != first.Name || f.side != first.side {
			continue
		}
		if out.Count++; len(out.Instances) < shown {
			d := f.said()
			out.Instances = append(out.Instances, Instanced{ID: f.ID, At: f.at, Script: d.Script, Message: clip(d.Message, 300), Tail: f.tail(4)})
		}
	}
	return out
}

// shown is how many instances are named.
const shown = 3
