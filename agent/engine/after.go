package engine

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/plan"
	"github.com/codedeploy-wingman/wingman/agent/proc"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// Due is that on_failure, where the deployment failed, and always are to be run, by After. It is plain data: a runner is
// given it.
type Due struct {
	Deployment lifecycle.Deployment `json:"deployment"`
	Event      lifecycle.Event      `json:"event"`    // of the newest run that started here
	Revision   string               `json:"revision"` // that run's
	Failed     bool                 `json:"failed"`   // else only always
	Why        string               `json:"why"`      // in words
}

// AfterRequest is what After is to do.
type AfterRequest struct {
	Due
	ID    string            // the run's; "": a NewID
	Begin func(step string) // told when a step begins; nil: nobody asks
}

// afterwards begins the source of a run that After made.
const afterwards = "after the deployment"

// afterLimit is the time that all of it gets: as much as an event that appspec.yml does not name, and like that bounded by
// host.yml's max_timeout. Nobody waits for it, so that it only has to end at all.
const afterLimit = eventLimit

// After runs on_failure, if the deployment failed, and always, of the revision, once per deployment and instance, as a
// run of its own. Its environment is CodeDeploy's variables of the deployment, with the newest run's LIFECYCLE_EVENT, and
// the system's PATH: the environment that the CodeDeploy agent gave to that run is not kept, since it may hold secrets. As
// everywhere wingman.yml's env goes over it.
//
// A revision that is gone is said, in a record of its own, and nothing is tried again. An error (a UsageError) means that
// nothing was run.
func (e *Engine) After(ctx context.Context, req AfterRequest, out io.Writer) (run.Result, error) {
	host, err := e.host()
	if err != nil {
		return run.Result{}, err
	}
	j := journal.New(e.State)
	id := cmp.Or(req.ID, NewID(req.Event))
	if _, err := os.Stat(req.Revision); err != nil {
		return e.revisionGone(j, id, req, out)
	}
	p, err := plannedAfter(req, host)
	if err != nil {
		return run.Result{}, UsageError{err}
	}
	c := run.Config{ID: id, Plan: p, Deployment: req.Deployment, Env: afterEnv(req), Out: out, Drain: e.Drain, Cgroup: e.Cgroup, Begin: req.Begin, Journal: j}
	g := &guardian{Engine: e, journal: j, settings: host.Guard, event: req.Event, deployment: req.Deployment, budget: p.Budget}
	c.Action, c.Roles, c.Notes = g, g, g.failures()
	if c.Log, err = run.OpenLog(e.Logs, req.Deployment, req.Event, p.Log.MaxSize); err != nil {
		c.Notes = append(c.Notes, err.Error())
	}
	return run.After(ctx, c, req.Failed), nil
}

// plannedAfter is the plan of the two phases alone: what stands of the event's own steps is no matter of theirs.
func plannedAfter(req AfterRequest, host plan.Host) (plan.Plan, error) {
	rev, err := plan.LoadRevision(req.Revision)
	if err != nil {
		return plan.Plan{}, err
	}
	rev.Events = map[lifecycle.Event][]plan.Step{req.Event: nil}
	if !req.Failed {
		rev.OnFailure = nil
	}
	p, err := plan.Make(plan.Request{Event: req.Event, Dir: req.Revision, Deployment: req.Deployment, Revision: rev, Host: host,
		Budget: plan.Budget(afterLimit), BudgetFrom: "an hour, as an event's", CallerUID: os.Geteuid(), IsRoot: proc.IsRoot})
	if err != nil {
		return plan.Plan{}, err
	}
	p.Steps, p.Source = nil, afterwards+": "+rev.File // a guard that Make put before the event's steps
	return p, plan.CheckFiles(req.Revision, p.All()).Err()
}

// revisionGone records that there is nothing to run any more, and claims it.
func (e *Engine) revisionGone(j *journal.Journal, id string, req AfterRequest, out io.Writer) (run.Result, error) {
	now := time.Now()
	why := fmt.Sprintf("on_failure and always cannot be run: their revision %s is gone (the CodeDeploy agent keeps five: max_revisions in codedeployagent.yml)", req.Revision)
	res := run.Result{Run: journal.Run{ID: id, Deployment: req.Deployment, Event: req.Event, Revision: req.Revision, Source: afterwards, PID: os.Getpid(), Started: now, Ended: now, Verdict: journal.Skipped, Reason: why}}
	fmt.Fprintf(out, "wingman: %s\n", why)
	w, err := j.Begin(res.Run)
	if err == nil {
		err = w.End(res.Run)
	}
	for _, phase := range []string{"on_failure", "always"} {
		if _, e := j.Claim(req.Deployment.ID, phase); err == nil {
			err = e
		}
	}
	if err != nil {
		fmt.Fprintf(out, "wingman: %v\n", err)
	}
	return res, nil
}

// afterEnv is the environment of what After runs.
func afterEnv(req AfterRequest) []string {
	var env []string
	switch runtime.GOOS {
	case "windows": // nothing starts there without these
		for _, name := range []string{"PATH", "SystemRoot", "ComSpec", "PATHEXT", "TEMP"} {
			env = append(env, name+"="+os.Getenv(name))
		}
	default:
		env = append(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
	return run.Merge(env, req.Deployment.Variables(req.Event))
}

// IsAfter says whether After made the run.
func IsAfter(r journal.Run) bool { return strings.HasPrefix(r.Source, afterwards) }
