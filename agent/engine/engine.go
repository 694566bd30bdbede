// Package engine composes the parts: it turns "this event, of this revision" into a plan and a run. A hook, a
// person at a terminal and a rehearsal all run the very same engine.
package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/appspec"
	"github.com/codedeploy-wingman/wingman/agent/check"
	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/plan"
	"github.com/codedeploy-wingman/wingman/agent/proc"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// The longest that CodeDeploy lets a lifecycle event take, and what an event gets that appspec.yml does not name.
const eventLimit = 3600 * time.Second

// Paths are where this host keeps wingman's settings, state and logs.
type Paths struct {
	Settings string // WINGMAN_CONFIG, default /etc/wingman/host.yml
	State    string // WINGMAN_STATE_DIR, default /var/lib/wingman
	Logs     string // WINGMAN_LOG_DIR, default /var/log/wingman
}

// PathsFrom reads the paths from the environment.
func PathsFrom(getenv func(string) string) Paths {
	or := func(name, fallback string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return fallback
	}
	return Paths{or("WINGMAN_CONFIG", "/etc/wingman/host.yml"), or("WINGMAN_STATE_DIR", "/var/lib/wingman"), or("WINGMAN_LOG_DIR", "/var/log/wingman")}
}

// Engine runs events on this host.
type Engine struct {
	Paths
	Cloud  guard.Cloud                       // AWS; nil: as the environment says
	Drain  []string                          // argv of the process that reads an output still held when its script is done; see proc.Spec
	Served bool                              // a service follows the deployments, and gives guards back
	Cgroup string                            // where what events start is put; see proc.Spec
	Host   func() (data []byte, file string) // host.yml's text, and its name for messages, from who keeps the last that was valid; nil: Settings is read, each time

	once sync.Once // of aws
}

// host gives the host's settings. The error is a UsageError.
func (e *Engine) host() (h plan.Host, err error) {
	if e.Host == nil {
		h, err = plan.LoadHost(e.Settings)
	} else {
		data, file := e.Host()
		h, err = plan.ParseHost(data, file)
	}
	if err != nil {
		return plan.Host{}, UsageError{err}
	}
	return h, nil
}

// Request is one event to run or to show.
type Request struct {
	Event    lifecycle.Event
	Revision string            // the revision's folder
	File     string            // a wingman.yml to use instead of the revision's; "" for none
	Env      []string          // the caller's environment, CodeDeploy's variables among it
	ID       string            // the run's; "": a NewID
	Begin    func(step string) // told when a step begins; nil: nobody asks
}

// UsageError is a fault in the request or in a settings file: nothing was run.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }
func (e UsageError) Unwrap() error { return e.Err }

// Plan says what the request would run here, after defaults and policy. It changes nothing. Its errors are UsageErrors.
func (e *Engine) Plan(req Request) (plan.Plan, error) {
	host, err := e.host()
	if err != nil {
		return plan.Plan{}, err
	}
	return planned(req, host)
}

func planned(req Request, host plan.Host) (plan.Plan, error) {
	rev, err := load(req)
	if err != nil {
		return plan.Plan{}, UsageError{err}
	}
	if err := plan.CheckFiles(req.Revision, rev.All()).Err(); err != nil {
		return plan.Plan{}, UsageError{err}
	}
	budget, from, err := budget(req)
	if err != nil {
		return plan.Plan{}, UsageError{err}
	}
	p, err := plan.Make(plan.Request{Event: req.Event, Dir: req.Revision, Deployment: req.Deployment(), Revision: rev, Host: host, Budget: budget, BudgetFrom: from, CallerUID: os.Geteuid(), IsRoot: proc.IsRoot})
	if err == nil {
		err = plan.CheckFiles(req.Revision, p.All()).Err()
	}
	if err == nil {
		err = plan.CheckTrust(req.Revision, p.All()).Err()
	}
	if err != nil {
		return plan.Plan{}, UsageError{err}
	}
	return p, nil
}

func load(req Request) (plan.Revision, error) {
	if req.File == "" {
		return plan.LoadRevision(req.Revision)
	}
	data, err := os.ReadFile(req.File)
	if err != nil {
		return plan.Revision{}, fmt.Errorf("cannot read the checks: %w", err)
	}
	return plan.ParseRevision(data, req.File)
}

// budget gives the event its time, and says whose word that is: the timeout of wingman's own entry in the revision's
// appspec.yml, less the reserve.
func budget(req Request) (time.Duration, string, error) {
	spec, err := appspec.Load(req.Revision)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, "", err
	}
	d, named := spec.Budget(string(req.Event), ownEntry)
	if err != nil || !named || d > eventLimit {
		return plan.Budget(eventLimit), "CodeDeploy's limit of an hour", nil
	}
	return plan.Budget(d), fmt.Sprintf("the timeout of %d s in appspec.yml", int(d.Seconds())), nil
}

// ownEntry says whether a location in appspec.yml is wingman's own script.
func ownEntry(location string) bool {
	base := location[strings.LastIndexByte(location, '/')+1:]
	return base == "wingman.sh" || base == "wingman.ps1"
}

func (r Request) getenv(name string) string {
	value := ""
	for _, kv := range r.Env {
		if n, v, _ := strings.Cut(kv, "="); n == name {
			value = v
		}
	}
	return value
}

// Deployment is the one that the caller's environment names.
func (r Request) Deployment() lifecycle.Deployment { return lifecycle.FromEnv(r.getenv) }

// Run runs the event in this process and prints to out what it prints. The result says how it came out; an error
// (a UsageError) means that nothing was run.
func (e *Engine) Run(ctx context.Context, req Request, out io.Writer) (run.Result, error) {
	host, err := e.host()
	if err != nil {
		return run.Result{}, err
	}
	p, err := planned(req, host)
	if err != nil {
		return run.Result{}, err
	}
	d := req.Deployment()
	e.repairOwn(ctx, d)
	c := run.Config{ID: cmp.Or(req.ID, NewID(p.Event)), Plan: p, Deployment: d, Env: req.Env, Out: out, Drain: e.Drain, Cgroup: e.Cgroup, Begin: req.Begin, Journal: journal.New(e.State)}
	g := &guardian{Engine: e, journal: c.Journal, settings: host.Guard, event: p.Event, deployment: d, budget: p.Budget}
	c.Action, c.Roles, c.Notes = g, g, g.failures()
	for _, w := range plan.CheckTrust(req.Revision, p.All()).Warnings() {
		c.Notes = append(c.Notes, fmt.Sprintf("%s: %s", w.Message, w.Hint))
	}
	c.Last = func(ctx context.Context) bool {
		return last(req, func() lifecycle.Role { return g.Facts(ctx, d).Role })
	}
	if c.Log, err = run.OpenLog(e.Logs, d, p.Event, p.Log.MaxSize); err != nil {
		c.Notes = append(c.Notes, err.Error())
	}
	res := run.Run(ctx, c)
	if res.Verdict == journal.Succeeded { // else the summary is the last that is said
		g.remind(out)
	}
	e.prune(c.Journal, p.Log.Keep)
	return res, nil
}

// prune removes records and logs beyond what host.yml keeps. What cannot be removed now is tried again after the next run.
func (e *Engine) prune(j *journal.Journal, keep int) {
	gone, _ := j.Prune(keep)
	for _, name := range gone {
		os.RemoveAll(filepath.Join(e.Logs, name))
	}
}

// last says whether the event is the last on this instance that appspec.yml names. An original of a blue/green deployment
// runs the block-traffic events only; which it is has to be asked for where others would follow.
func last(req Request, role func() lifecycle.Role) bool {
	spec, err := appspec.Load(req.Revision)
	if err != nil {
		return false
	}
	var end, endOfBlock lifecycle.Event
	for _, ev := range lifecycle.Hookable() {
		if len(spec.Hooks[string(ev)]) == 0 {
			continue
		}
		if end = ev; ev == lifecycle.BeforeBlockTraffic || ev == lifecycle.AfterBlockTraffic {
			endOfBlock = ev
		}
	}
	return end == req.Event || endOfBlock == req.Event && role() == lifecycle.Original
}

// NewID names a run: when, what, and four random bytes.
func NewID(ev lifecycle.Event) string {
	var b [4]byte
	rand.Read(b[:])
	return fmt.Sprintf("%s-%s-%s", time.Now().UTC().Format("20060102T150405"), ev, hex.EncodeToString(b[:]))
}

// Checks gives the checks of a plan's steps, for running them apart from the event.
func Checks(p plan.Plan, env []string) []check.Named {
	var out []check.Named
	for _, s := range p.Steps {
		if s.Check != nil {
			out = append(out, check.Named{Name: s.Name, Settings: *s.Check, Env: run.Merge(run.Merge(env, p.Env), s.Env)})
		}
	}
	return out
}

// History gives the runs of this instance, whoever ran them, oldest first.
func (e *Engine) History() (runs []journal.Run, err error) {
	for _, p := range e.Paths.All() {
		more, failed := journal.New(p.State).Runs()
		runs, err = append(runs, more...), errors.Join(err, failed)
	}
	slices.SortStableFunc(runs, func(a, b journal.Run) int { return a.Started.Compare(b.Started) })
	return runs, err
}
