package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/journald"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/live"
)

// How long what an ended run printed is kept in memory for a client that comes back for it; its log has it for longer.
const keepEnded = 10 * time.Minute

// key is what there is one run of: an event of a deployment, for one user. One user's run must not stand for another's.
type key struct {
	uid               int
	deployment, event string
}

// runs are the runs that this service started, or found when it started.
type runs struct {
	mu    sync.Mutex
	byKey map[key]*held
	byID  map[string]*held
}

// held is one run.
type held struct {
	meta  live.Meta
	dir   live.Dir
	key   key
	ready chan struct{} // closed once it is known whether it begins
	err   error         // why it did not; valid after ready
	step  string        // that systemd was told of; see tellStep
	end   chan struct{} // closed once it is over

	mu      sync.Mutex
	waiting int // clients
	over    bool
	told    bool       // to end
	once    sync.Once  // of the interrupted
	lost    api.Result // of one whose runner was killed
}

func hold(m live.Meta, dir live.Dir) *held {
	return &held{meta: m, dir: dir, ready: make(chan struct{}), end: make(chan struct{})}
}

func (rs *runs) find(id string) *held {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.byID[id]
}

func (rs *runs) all() (out []*held) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, h := range rs.byID {
		out = append(out, h)
	}
	return out
}

func (rs *runs) put(h *held) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.byID[h.meta.ID] = h
	if h.key.deployment != "" {
		rs.byKey[h.key] = h
	}
}

func (rs *runs) drop(h *held) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.byID, h.meta.ID)
	if rs.byKey[h.key] == h {
		delete(rs.byKey, h.key)
	}
}

// running gives the runs under way.
func (rs *runs) running() (out []*held) {
	for _, h := range rs.all() {
		if h.begun() && !h.ended() {
			out = append(out, h)
		}
	}
	return out
}

// begun says that the run may have begun: what is known of it does not change any more.
func (h *held) begun() bool {
	select {
	case <-h.ready:
		return h.err == nil
	default:
		return false
	}
}

// ended says that the run is over; its process may be there for another moment.
func (h *held) ended() bool {
	h.mu.Lock()
	over := h.over
	h.mu.Unlock()
	return over || h.begun() && h.dir.State(h.meta.UID) != ""
}

// join counts a client that waits for the run; it gives what undoes that.
func (a *Agent) join(h *held, p peer) func() {
	h.mu.Lock()
	h.waiting++
	h.mu.Unlock()
	if p.pid != 0 {
		h.dir.Client(p.pid, live.ProcessStart(p.pid))
	}
	return func() {
		h.mu.Lock()
		h.waiting--
		last := h.waiting == 0
		h.mu.Unlock()
		if last && !a.leaves() {
			a.abandon(h, "nobody waits for it any more: whoever called wingman, as the CodeDeploy agent does, has ended it")
		}
	}
}

// leaves says whether the service is about to end: its clients come back to the next one.
func (a *Agent) leaves() bool {
	select {
	case <-a.draining:
		return true
	default:
		return false
	}
}

// abandon has the run's own process end it: its steps get TERM, time, and KILL, on_failure and always run.
func (a *Agent) abandon(h *held, why string) {
	h.mu.Lock()
	told := h.told
	h.told = true
	h.mu.Unlock()
	if told || h.meta.Unattended || h.dir.State(h.meta.UID) != "" {
		return
	}
	a.Log.Warn("cancelled: "+why, runAttrs(h.meta)...)
	if err := h.dir.End(h.meta, why); err != nil {
		a.Log.Error("cannot cancel the run", append(runAttrs(h.meta), journald.Err, err)...)
	}
}

// store says where a user's records and logs are kept.
func (a *Agent) store(uid int) engine.Paths {
	if uid == os.Geteuid() {
		return a.Paths
	}
	return a.Paths.User(uid)
}

// recorded finds the run of that event in the records: the last of it, or one that goes on in its caller's own process.
func recorded(k key, state string) (journal.Run, bool) {
	if k.deployment == "" { // by hand
		return journal.Run{}, false
	}
	all, _ := journal.New(state).Of(k.deployment) // what cannot be read is no answer
	for i := len(all) - 1; i >= 0; i-- {
		if r := all[i]; string(r.Event) == k.event && !engine.IsAfter(r) {
			return r, true
		}
	}
	return journal.Run{}, false
}

// finish takes note that a run has ended, and forgets it later.
func (a *Agent) finish(ctx context.Context, h *held) {
	h.mu.Lock()
	was := h.over
	h.over = true
	h.mu.Unlock()
	if was {
		return
	}
	defer close(h.end)
	switch h.dir.State(h.meta.UID) {
	case live.Gone:
		a.counts.run(h.meta.Event, a.interrupted(h).Verdict)
	case live.Ended:
		res, _ := h.dir.Result(h.meta.UID)
		a.counts.run(h.meta.Event, cmp.Or(res.Verdict, "refused"))
		text := fmt.Sprintf("%s %s", h.meta.Event, ended(res))
		if res.ExitCode == 0 {
			a.Log.Info(text, runAttrs(h.meta)...)
		} else { // the journal may be shipped off the host, which may not live long
			a.Log.Warn(text, append(runAttrs(h.meta), "summary", a.summaryOf(h, res))...)
		}
	}
	a.tell()
	a.rest()
	if !a.leaves() {
		a.followAll(ctx)
	}
	a.forget(h)
}

// quiet is how long nothing runs before the service gives back the memory that it took for what ran.
const quiet = 30 * time.Second

func (a *Agent) rest() {
	a.resting.Do(func() {
		a.restTimer = time.AfterFunc(quiet, func() {
			if len(a.runs.running()) == 0 {
				debug.FreeOSMemory()
			}
		})
	})
	a.restTimer.Reset(quiet)
}

// forget forgets an ended run, later.
func (a *Agent) forget(h *held) {
	time.AfterFunc(keepEnded, func() {
		a.runs.drop(h)
		if err := h.dir.Remove(); err != nil {
			a.Log.Warn("cannot remove what an ended run left", append(runAttrs(h.meta), journald.Err, err)...)
		}
	})
}

// summaryOf gives the end of a failed run's log, which is its summary.
func (a *Agent) summaryOf(h *held, res api.Result) string {
	var rec journal.Run
	if json.Unmarshal(res.Run, &rec) != nil || rec.Log == "" {
		return res.Error
	}
	f, err := openLog(rec.Log, a.store(h.meta.UID).Logs)
	if err != nil {
		return ""
	}
	defer f.Close()
	return tail(f)
}

func ended(res api.Result) string {
	if res.Error != "" {
		return "was refused: " + firstLine(res.Error)
	}
	return res.Verdict
}

func runAttrs(m live.Meta) []any {
	return []any{journald.Run, m.ID, journald.Event, m.Event, journald.Deployment, m.Deployment}
}

// newRun makes the run of a request, not yet begun.
func (a *Agent) newRun(req api.Request, p peer) *held {
	event, d := lifecycle.Event(req.Event), deploymentOf(req.Env)
	m := live.Meta{ID: engine.NewID(event), UID: p.uid, Event: req.Event, Deployment: d.ID, Store: a.store(p.uid).State, Started: time.Now()}
	h := hold(m, live.Dir(filepath.Join(a.liveOf(p.uid), m.ID)))
	h.key = key{p.uid, d.ID, req.Event}
	return h
}

// reserve gives the run of a request: a new one, which the caller has to begin, or the one that there is already.
func (a *Agent) reserve(ctx context.Context, req api.Request, p peer) (h *held, isNew bool, err error) {
	h = a.newRun(req, p)
	for {
		a.runs.mu.Lock()
		have := a.runs.byKey[h.key]
		if have == nil || h.key.deployment == "" || req.Again && have.ended() {
			a.runs.byID[h.meta.ID] = h
			if h.key.deployment != "" {
				a.runs.byKey[h.key] = h
			}
			a.runs.mu.Unlock()
			return h, true, nil
		}
		a.runs.mu.Unlock()
		select {
		case <-have.ready:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
		if have.err == nil {
			return have, false, nil
		}
		a.runs.drop(have) // it never began: this one may
	}
}
