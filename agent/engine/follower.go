package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/plan"
)

// Follower does what is to be done for the deployments that this instance took part in and that may still be open, once
// their hooks have ended: it looks at guards and gives them back, finds left-over ones, and says when on_failure and
// always are due. All that it knows it finds in the engine's records, so that one made anew goes on where another ended.
type Follower struct {
	*Engine
	Pace Pace
	Due  func(Due) // told what is to be run (by After, in a process of its own); again after a while, if nobody claimed it; nil: nobody runs it

	mu     sync.Mutex
	news   bulletin
	guards map[string]*watched // by deployment and group
	debts  map[string]*owed    // by deployment
	reaps  struct {
		last   time.Time
		jitter float64
		busy   bool
	}
}

// NewFollower makes a follower of an engine's deployments.
func NewFollower(e *Engine, due func(Due)) *Follower {
	return &Follower{Engine: e, Due: due, news: bulletin{map[string]string{}}, guards: map[string]*watched{}, debts: map[string]*owed{}}
}

// watched is one guard that this instance has a part in.
type watched struct {
	record journal.Guard
	standing
	busy bool // somebody looks just now
}

// survey is what the records say at the time of a Step.
type survey struct {
	settings guard.Settings
	pace     Pace
	guards   []journal.Guard
	runs     map[string][]journal.Run // by deployment, oldest first
	fleets   map[string]guard.Place   // by deployment: what is kept of this instance's place
	owing    map[string]plan.Revision // by deployment, where its newest run is not known yet: that run's
	groups   []string                 // that may carry a guard: where there is something to reap
}

// Step does what is due now, and returns when it is done: at once, or after the seconds that a guard's release takes. It
// says when it wants to be called again; zero: nothing is open, until the next run. It should be called, too, whenever a
// run has begun or ended. It may be called while another Step goes on: what that one does is left to it.
func (f *Follower) Step(ctx context.Context) (next time.Time, news []News) {
	s, news, ok := f.survey()
	if !ok {
		return time.Now().Add(time.Minute), news
	}
	f.mu.Lock()
	jobs := f.jobs(s)
	f.mu.Unlock()
	f.call(s)
	results := make([][]News, len(jobs))
	var wg sync.WaitGroup // the waits of one guard must not put off what another gives back
	for i, job := range jobs {
		wg.Go(func() { results[i] = job(ctx) })
	}
	wg.Wait()
	f.call(s) // what the answers made due
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range slices.Concat(results...) {
		if f.news.fresh(n) {
			news = append(news, n)
		}
	}
	return f.next(s), news
}

// survey reads the records. Where the settings cannot be read nothing can be done.
func (f *Follower) survey() (s survey, news []News, ok bool) {
	fail := func(err error) {
		if err == nil {
			return
		}
		if n := (News{At: time.Now(), Kind: Failing, Text: err.Error()}); f.fresh(n) {
			news = append(news, n)
		}
	}
	host, err := f.host()
	if err != nil {
		fail(err)
		return s, news, false
	}
	j := journal.New(f.State)
	runs, err := j.Runs()
	fail(err)
	s.guards, err = j.Guards()
	fail(err)
	s.settings, s.pace, s.runs, s.fleets = host.Guard, f.Pace.withDefaults(), map[string][]journal.Run{}, map[string]guard.Place{}
	own := ""
	for _, r := range runs {
		d := r.Deployment.ID
		if _, seen := s.runs[d]; !seen {
			var at found
			if j.Kept(d, placeFile, &at); at.Group != "" {
				own = at.Group
			}
			s.fleets[d] = at.Place
		}
		s.runs[d] = append(s.runs[d], r)
	}
	s.groups, s.owing = s.mayReap(own), f.newRevisions(s.runs)
	return s, news, true
}

func (f *Follower) fresh(n News) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.news.fresh(n)
}

// mayReap gives the groups that may carry left-over guards: this instance's own, and those that it lately had a part in.
func (s survey) mayReap(own string) (groups []string) {
	if s.settings.Mode != guard.Enforce {
		return nil
	}
	if own != "" {
		groups = append(groups, own)
	}
	for _, g := range s.guards {
		if (g.Closed.IsZero() || time.Since(g.Closed) < owedFor) && !slices.Contains(groups, g.ScalingGroup) {
			groups = append(groups, g.ScalingGroup)
		}
	}
	return groups
}

// fleet is how many instances a deployment has, as far as that is known.
func (f *Follower) fleet(s survey, deployment string) int {
	n := s.fleets[deployment].Instances
	if d := f.debts[deployment]; d != nil {
		n = max(n, d.status.Instances)
	}
	return n
}

// jobs takes up what the records say, and gives what is to be done now. The caller holds mu.
func (f *Follower) jobs(s survey) (jobs []func(context.Context) []News) {
	now := time.Now()
	f.takeUp(s, now)
	for _, w := range f.guards {
		if !w.busy && !s.pace.look(w.standing).After(now) {
			w.busy = true
			jobs = append(jobs, func(ctx context.Context) []News { return f.lookAt(ctx, s, w) })
		}
	}
	for _, d := range f.debts {
		if at := d.next(s); !d.busy && !at.IsZero() && !at.After(now) {
			d.busy = true
			id, wanted := d.of.Deployment.ID, !d.running && !d.mute && !d.status.Over
			jobs = append(jobs, func(ctx context.Context) []News { return f.ask(ctx, d, id, wanted) })
		}
	}
	if r := &f.reaps; len(s.groups) > 0 && !r.busy && !f.nextReap(s).After(now) {
		r.busy = true
		jobs = append(jobs, func(ctx context.Context) []News { return f.reap(ctx, s.groups) })
	}
	return jobs
}

// takeUp makes the follower's list of guards and deployments that of the records.
func (f *Follower) takeUp(s survey, now time.Time) {
	if f.reaps.last.IsZero() {
		f.reaps.last, f.reaps.jitter = now, rand.Float64()
	}
	f.takeUpDebts(s, now)
	open := map[string]bool{}
	for _, r := range s.guards {
		key := r.Deployment.ID + "\x00" + r.ScalingGroup
		if !r.Closed.IsZero() {
			continue
		}
		open[key] = true
		w := f.guards[key]
		if w == nil || !w.record.Begun.Equal(r.Begun) && !w.busy {
			w = &watched{standing: standing{Jitter: rand.Float64()}}
			f.guards[key] = w
		}
		if w.busy {
			continue
		}
		w.record, w.Begun, w.Grace, w.Ends = r, r.Begun, s.settings.Grace, r.Ends
		if w.Ends.IsZero() { // nothing was begun yet
			w.Ends = r.Begun.Add(s.settings.MaxWindow)
		}
		w.Fleet = f.fleet(s, r.Deployment.ID)
		w.Chosen = chosen(r.Deployment.ID, r.Instance, w.Fleet)
	}
	maps.DeleteFunc(f.guards, func(key string, w *watched) bool { return !open[key] && !w.busy })
}

// lookAt looks at one guard.
func (f *Follower) lookAt(ctx context.Context, s survey, w *watched) (news []News) {
	out := f.follow(ctx, s.settings, w.record)
	f.mu.Lock()
	defer f.mu.Unlock()
	d := w.record.Deployment.ID
	w.busy, w.Looked, w.State, w.Jitter = false, time.Now(), out.State, rand.Float64()
	unanswered := out.State == guard.Failed || out.StatusErr != nil
	w.Denied = isDenied(out.Err) || isDenied(out.StatusErr)
	switch {
	case ctx.Err() != nil:
		return nil
	case unanswered && !w.Denied:
		w.Failed++
	default:
		w.Failed = 0
	}
	if isDenied(out.StatusErr) {
		news = append(news, News{At: time.Now(), Kind: Denied, Deployment: d, Group: out.Group, Text: fmt.Sprintf("whether %s is over cannot be asked: %s; the guard of %s is given back once its time is up", d, why(out.StatusErr), out.Group)})
	}
	if n, is := ofOutcome(out.Group, d, out.Outcome); is {
		news = append(news, n)
	} else {
		f.news.forget(Failing, d, out.Group)
		f.news.forget(InDispute, d, out.Group)
	}
	return append(news, f.learn(d, out.Status)...)
}

// why is the error in this program's words, without what was being done.
func why(err error) string {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if isDenied(inner) {
			err = inner
		}
	}
	return strings.TrimSpace(err.Error())
}

// reap looks for left-over guards.
func (f *Follower) reap(ctx context.Context, groups []string) (news []News) {
	looked, err := f.Reap(ctx, groups)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reaps.busy, f.reaps.last, f.reaps.jitter = false, time.Now(), rand.Float64()
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		news = append(news, News{At: time.Now(), Kind: Failing, Text: err.Error()})
	}
	for _, l := range looked {
		if n, is := ofOutcome(l.Group, l.Deployment, l.Outcome); is {
			news = append(news, n)
		}
	}
	return news
}

func (f *Follower) nextReap(s survey) time.Time {
	fleet := 0
	for d := range s.fleets {
		fleet = max(fleet, f.fleet(s, d))
	}
	return s.pace.reap(f.reaps.last, fleet, f.reaps.jitter)
}

// next is when something is due again. The caller holds mu.
func (f *Follower) next(s survey) (next time.Time) {
	for _, w := range f.guards {
		if !w.busy && w.State != guard.Released && w.State != guard.Observed && w.State != guard.Frozen {
			next = sooner(next, s.pace.look(w.standing))
		}
	}
	for _, d := range f.debts {
		if !d.busy {
			next = sooner(next, d.next(s))
		}
	}
	if len(s.groups) > 0 && !f.reaps.busy {
		next = sooner(next, f.nextReap(s))
	}
	return next
}

// Open is a deployment that is still looked after.
type Open struct {
	Deployment string
	Owed       []string  // guard, on_failure, always
	Next       time.Time // when something is due; zero: not known
}

// Open gives the deployments that are still looked after, as the last Step left them.
func (f *Follower) Open() []Open {
	f.mu.Lock()
	defer f.mu.Unlock()
	by := map[string]*Open{}
	of := func(id string) *Open {
		if by[id] == nil {
			by[id] = &Open{Deployment: id}
		}
		return by[id]
	}
	for _, w := range f.guards {
		if o := of(w.record.Deployment.ID); !slices.Contains(o.Owed, "guard") {
			o.Owed = append(o.Owed, "guard")
		}
	}
	for id, d := range f.debts {
		if d.failure {
			of(id).Owed = append(of(id).Owed, "on_failure")
		}
		if d.always {
			of(id).Owed = append(of(id).Owed, "always")
		}
	}
	out := make([]Open, 0, len(by))
	for _, o := range by {
		out = append(out, *o)
	}
	return out
}
