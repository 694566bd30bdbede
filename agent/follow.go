package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/journald"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/live"
)

// The longest that one look may take: a release waits some 40 s, a silent AWS somewhat longer. One that takes longer
// stands still, and the service with it.
const stepLimit = 10 * time.Minute

// following follows the deployments that this instance took part in, each user's by its own records.
type following struct {
	mu    sync.Mutex
	parts map[string]*part // by state folder
	seen  string           // how the records' folders looked
}

// part is what follows one user's deployments.
type part struct {
	*engine.Follower
	woken chan struct{}
	mu    sync.Mutex
	steps map[time.Time]bool // when those began that go on
}

// follow begins to follow what there are records of. It is called again whenever there may be more.
func (a *Agent) followAll(ctx context.Context) {
	for _, paths := range a.Paths.All() {
		a.following.mu.Lock()
		p := a.following.parts[paths.State]
		if p == nil {
			uid := owner(a.Paths, paths)
			p = &part{woken: make(chan struct{}, 1), steps: map[time.Time]bool{}}
			p.Follower = engine.NewFollower(a.engine(paths), func(d engine.Due) { a.due(ctx, uid, d) })
			a.following.parts[paths.State] = p
			a.wg.Go(func() { a.turn(ctx, p) })
		}
		a.following.mu.Unlock()
		select {
		case p.woken <- struct{}{}:
		default: // it is already
		}
	}
}

// followNew follows what a hook did by itself (executor: inline, a service that was down just then) or a person by hand: a
// guard that is not known of is never given back. A file that was made or replaced shows in its folder's time.
func (a *Agent) followNew(ctx context.Context) {
	seen := ""
	for _, p := range a.Paths.All() {
		folders, _ := filepath.Glob(filepath.Join(p.State, "runs", "*")) // the pattern is a good one
		for _, dir := range append(folders, filepath.Join(p.State, "guards")) {
			seen += look(dir)
		}
	}
	a.following.mu.Lock()
	isNew := seen != a.following.seen
	a.following.seen = seen
	a.following.mu.Unlock()
	if isNew {
		a.followAll(ctx)
	}
}

// engine makes the engine for one user's records.
func (a *Agent) engine(paths engine.Paths) *engine.Engine {
	return &engine.Engine{Paths: paths, Drain: a.Drain, Host: func() ([]byte, string) { return a.settings.get().text, a.Paths.Settings }}
}

// owner gives the user whose records are in those folders.
func owner(host, paths engine.Paths) int {
	if uid, err := strconv.Atoi(filepath.Base(paths.State)); err == nil && paths != host {
		return uid
	}
	return os.Geteuid()
}

// settle is how long the follower lets things settle that have changed, so that it does not read all records anew in the
// middle of the next event. A guard's first look is later anyway.
const settle = 500 * time.Millisecond

// turn steps whenever something is due, or has changed. A step may take as long as a release; what comes up meanwhile is
// another's.
func (a *Agent) turn(ctx context.Context, p *part) {
	done := make(chan time.Time)
	for next := time.Now(); ; {
		timer := time.NewTimer(time.Until(next))
		if next.IsZero() {
			timer.Stop()
		}
		select {
		case <-timer.C:
			next = time.Time{}
			a.wg.Go(func() {
				at := a.step(ctx, p)
				select {
				case done <- at:
				case <-ctx.Done():
				}
			})
		case <-p.woken:
			if soon := time.Now().Add(settle); next.IsZero() || soon.Before(next) {
				next = soon
			}
		case at := <-done:
			if next.IsZero() || !at.IsZero() && at.Before(next) {
				next = at
			}
			a.tell()
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

func (a *Agent) step(ctx context.Context, p *part) time.Time {
	began := time.Now()
	p.mu.Lock()
	p.steps[began] = true
	p.mu.Unlock()
	next, news := p.Step(ctx)
	p.mu.Lock()
	delete(p.steps, began)
	p.mu.Unlock()
	for _, n := range news {
		a.report(api.News{At: n.At, Bad: n.Bad(), Deployment: n.Deployment, Text: n.Text}, journald.Group, n.Group)
	}
	return next
}

// stuck says that a step stands still.
func (f *following) stuck() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.parts {
		p.mu.Lock()
		for began := range p.steps {
			if time.Since(began) > stepLimit {
				p.mu.Unlock()
				return fmt.Errorf("what follows deployments stands still since %s", began.Format(time.TimeOnly))
			}
		}
		p.mu.Unlock()
	}
	return nil
}

// open gives the deployments that are looked after, and when each is looked at again.
func (f *following) open() []api.Deployment {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []api.Deployment{}
	for _, p := range f.parts {
		for _, o := range p.Open() {
			out = append(out, api.Deployment{ID: o.Deployment, Owed: o.Owed, Next: o.Next})
		}
	}
	sort.Slice(out, func(i, k int) bool { return out[i].ID < out[k].ID })
	return out
}

// due runs what is owed after a deployment, in a process of its own.
func (a *Agent) due(ctx context.Context, uid int, d engine.Due) {
	if a.leaves() {
		return
	}
	a.report(api.News{At: time.Now(), Bad: d.Failed, Deployment: d.Deployment.ID, Text: fmt.Sprintf("on_failure and always of %s are due: %s", d.Deployment.ID, d.Why)})
	p := peer{uid: uid, known: true}
	if uid != os.Geteuid() {
		var err error
		if p, err = account(uid); err != nil {
			a.Log.Error("cannot run what is owed after the deployment", journald.Deployment, d.Deployment.ID, journald.Err, err)
			return
		}
	}
	m := live.Meta{ID: engine.NewID(d.Event), UID: uid, Event: string(d.Event), Deployment: d.Deployment.ID, Store: a.store(uid).State, Started: time.Now(), Unattended: true}
	h := hold(m, live.Dir(filepath.Join(a.liveOf(uid), m.ID)))
	a.runs.put(h)
	gate, err := a.launch(ctx, h, nil, "/", p)
	if err == nil {
		o := a.order(h, api.Request{Umask: 0o022})
		o.After, err = json.Marshal(d)
		if err == nil {
			err = gate.Open(o)
		}
	}
	if err != nil {
		a.unreserve(h, err)
		_ = h.dir.Remove() // else the next service does
		a.Log.Error("cannot run what is owed after the deployment", append(runAttrs(m), journald.Err, err)...)
		return
	}
	close(h.ready)
	a.tell()
}

// account finds a user's groups, as a login would.
func account(uid int) (peer, error) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return peer{}, fmt.Errorf("the user who ran its events is gone: %w", err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return peer{}, fmt.Errorf("user %s has no usable group: %w", u.Username, err)
	}
	p := peer{uid: uid, gid: gid, known: true}
	ids, _ := u.GroupIds() // its own group remains
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil {
			p.groups = append(p.groups, n)
		}
	}
	return p, nil
}

// repair puts right what an earlier failure left, in everybody's records.
func (a *Agent) repair(ctx context.Context) {
	for _, paths := range a.Paths.All() {
		a.mend(ctx, paths)
	}
}

func (a *Agent) mend(ctx context.Context, paths engine.Paths) {
	done, err := a.engine(paths).Repair(ctx, func(id string) bool {
		h := a.runs.find(id)
		return h != nil && (!h.begun() || h.dir.Lives())
	})
	for _, r := range done.Runs {
		a.Log.Warn("a run was interrupted; its record has been closed", journald.Run, r.ID, journald.Event, string(r.Event), journald.Deployment, r.Deployment.ID, "reason", r.Reason)
	}
	if err != nil && ctx.Err() == nil {
		a.Log.Error("some records cannot be read, and are left as they are", journald.Err, err)
	}
}

// news is the last of what is worth knowing.
type news struct {
	mu  sync.Mutex
	all []api.News
	bad int // so far
}

const newsKept = 20

// report logs what happened, and keeps it for who asks.
func (a *Agent) report(n api.News, attrs ...any) {
	a.news.mu.Lock()
	if a.news.all = append(a.news.all, n); len(a.news.all) > newsKept {
		a.news.all = a.news.all[1:]
	}
	level := a.Log.Info
	if n.Bad {
		a.news.bad++
		level = a.Log.Warn
	}
	a.news.mu.Unlock()
	level(n.Text, append(attrs, journald.Deployment, n.Deployment)...)
}

func (n *news) last() []api.News {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]api.News{}, n.all...)
}

// deploymentOf reads CodeDeploy's variables from a caller's environment.
func deploymentOf(env []string) lifecycle.Deployment {
	return engine.Request{Env: env}.Deployment()
}
