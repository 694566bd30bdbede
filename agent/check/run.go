package check

import (
	"context"
	"sync"
	"time"
)

// Named is one check to be run: commands in Dir, with Env as their whole environment, in Cgroup.
type Named struct {
	Name string
	Settings
	Env    []string
	Dir    string
	Cgroup string // see proc.Spec
}

// Result is how a check stands, and at last how it ended.
type Result struct {
	Name     string        `json:"name"`
	Kind     string        `json:"kind"`
	Target   string        `json:"target"`
	Verdict  Verdict       `json:"verdict"` // "" in an update of a check that still runs
	Reason   string        `json:"reason"`
	Tries    int           `json:"tries"`
	Healthy  time.Duration `json:"healthy_ns"` // from the start until it was healthy; 0 if never
	Duration time.Duration `json:"duration_ns"`
	Last     Observation   `json:"last"`
}

// Update is how one of the checks stands after a try, or at its end.
type Update struct {
	Index int `json:"index"` // in Run's checks
	Result
	State string `json:"state"` // a State
}

// Run runs all checks at once, each with its own thresholds and clock, and returns when each has a verdict; the results
// are in the order of checks. It calls observe, from one goroutine at a time, after each try and whenever a check ends.
func Run(ctx context.Context, checks []Named, observe func(Update)) []Result {
	jobs := make([]job, len(checks))
	for i, c := range checks {
		jobs[i] = job{index: i, named: c}
		jobs[i].checker, jobs[i].err = New(c.Settings, c.Env, c.Dir)
		if command, is := jobs[i].checker.(*commandChecker); is {
			command.spec.Cgroup = c.Cgroup
		}
	}
	return runJobs(ctx, jobs, observe)
}

// job is one check with its checker, or why there is none.
type job struct {
	index   int
	named   Named
	checker Checker
	err     error
}

func runJobs(ctx context.Context, jobs []job, observe func(Update)) []Result {
	var mu sync.Mutex
	serialized := func(u Update) {
		mu.Lock()
		defer mu.Unlock()
		if observe != nil {
			observe(u)
		}
	}
	results := make([]Result, len(jobs))
	var all sync.WaitGroup
	for i, j := range jobs {
		all.Go(func() {
			w := &watch{job: j, tracker: newTracker(j.named.Timing, time.Now()), observe: serialized}
			results[i] = w.run(ctx)
		})
	}
	all.Wait()
	return results
}

// watch looks until the tracker knows.
type watch struct {
	job
	tracker *tracker
	tries   int
	last    Result // as told
	observe func(Update)
}

func (w *watch) run(ctx context.Context) Result {
	if w.err != nil {
		w.tracker.fail(Inconclusive, oneLine("cannot check: "+w.err.Error(), 2*maxLine))
		w.tell()
		return w.last
	}
	for next := w.tracker.start; !w.tracker.done(); w.tell() {
		w.wait(ctx, next)
		begun := time.Now()
		switch {
		case ctx.Err() != nil:
			w.tracker.stop(whyDone(ctx), begun)
		case w.tracker.state == Starting && !begun.Before(w.tracker.startupEnds()):
			w.tracker.expire(begun)
		default:
			w.look(ctx)
			next = w.tracker.next(begun)
		}
	}
	return w.last
}

// wait returns at the time of the next look, or of the end of the time to start up, or when ctx is done.
func (w *watch) wait(ctx context.Context, until time.Time) {
	if ends := w.tracker.startupEnds(); w.tracker.state == Starting && ends.Before(until) {
		until = ends
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// look asks once. An answer that only says that we ended the try ourselves does not replace what the application said.
func (w *watch) look(ctx context.Context) {
	w.tries++
	try := ctx
	if w.tracker.state == Starting {
		var cancel context.CancelFunc
		try, cancel = context.WithDeadline(ctx, w.tracker.startupEnds())
		defer cancel()
	}
	o := w.checker.Check(try)
	now := time.Now()
	if o.Verdict == Pass || try.Err() == nil {
		w.tracker.observe(o, now)
	}
	if ctx.Err() != nil {
		w.tracker.stop(whyDone(ctx), now)
	}
	w.tracker.expire(now)
}

func (w *watch) result() Result {
	t := w.tracker
	return Result{
		Name:     w.named.Name,
		Kind:     w.named.Kind(),
		Target:   w.named.Target(),
		Verdict:  t.verdict,
		Reason:   t.reason,
		Tries:    w.tries,
		Healthy:  t.healthyAfter(),
		Duration: time.Since(t.start),
		Last:     t.last,
	}
}

func (w *watch) tell() {
	w.last = w.result()
	w.observe(Update{Index: w.index, Result: w.last, State: string(w.tracker.state)})
}
