package agent

import (
	"io"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/journal"
)

func (a *Agent) version(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"v": api.Version, "wingman": a.Version, "pid": os.Getpid()})
}

// status says what the service does and knows.
func (a *Agent) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, a.Status())
}

// Status is what the service says of itself.
func (a *Agent) Status() api.Status {
	s := api.Status{V: api.Version, Wingman: a.Version, PID: os.Getpid(), Since: a.since, Doing: a.doing(), Settings: a.settings.get().api(a.Paths.Settings),
		Running: []api.Running{}, Guards: []api.Guard{}, Deployments: a.follower.open(), CodeDeploy: a.codedeploy.get(), News: a.news.last(), Problems: []string{}}
	for _, h := range a.runs.running() {
		h.mu.Lock()
		waiting := h.waiting
		h.mu.Unlock()
		s.Running = append(s.Running, api.Running{Run: h.meta.ID, Event: h.meta.Event, Deployment: h.meta.Deployment, User: userName(h.meta.UID), Step: h.dir.Now(h.meta.UID), Started: h.meta.Started, Waiting: waiting})
	}
	sort.Slice(s.Running, func(i, k int) bool { return s.Running[i].Started.Before(s.Running[k].Started) })
	for _, dir := range a.stores() {
		all, err := journal.New(dir.state).Guards()
		if err != nil {
			s.Problems = append(s.Problems, err.Error())
		}
		for _, g := range all {
			if g.Closed.IsZero() {
				s.Guards = append(s.Guards, api.Guard{Group: g.ScalingGroup, Deployment: g.Deployment.ID, State: g.State, Reason: g.Reason, Until: g.Until})
			}
		}
	}
	if s.Settings.Problem != "" {
		s.Problems = append(s.Problems, s.Settings.Problem)
	}
	if s.CodeDeploy.Problem != "" {
		s.Problems = append(s.Problems, s.CodeDeploy.Problem)
	}
	return s
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// dirs are the folders of one user's records and logs.
type dirs struct{ state, logs string }

// stores gives those of all users who ran an event here, the host's own first.
func (a *Agent) stores() []dirs {
	out := []dirs{{a.Paths.State, a.Paths.Logs}}
	entries, _ := os.ReadDir(filepath.Join(a.Paths.State, "users")) // none: nobody else did
	for _, e := range entries {
		out = append(out, dirs{filepath.Join(a.Paths.State, "users", e.Name()), filepath.Join(a.Paths.Logs, "users", e.Name())})
	}
	return out
}

// history gives the runs of this instance.
func (a *Agent) history(w http.ResponseWriter, _ *http.Request) {
	runs, problems := []journal.Run{}, []string{}
	for _, d := range a.stores() {
		more, err := journal.New(d.state).Runs()
		if err != nil {
			problems = append(problems, err.Error())
		}
		runs = append(runs, more...)
	}
	sort.SliceStable(runs, func(i, k int) bool { return runs[i].Started.Before(runs[k].Started) })
	answer(w, http.StatusOK, map[string]any{"version": api.Version, "runs": runs, "problems": problems})
}

// log gives a run's full log.
func (a *Agent) log(w http.ResponseWriter, r *http.Request) {
	p, id := peerOf(r.Context()), r.PathValue("id")
	for _, d := range a.stores() {
		runs, _ := journal.New(d.state).Runs() // one that cannot be read is not the one
		for _, rec := range runs {
			if rec.ID != id {
				continue
			}
			f, err := openLog(rec.Log, d.logs)
			if err != nil {
				refuse(w, http.StatusNotFound, api.NotFound, "%s", err)
				return
			}
			defer f.Close()
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.Copy(w, f)
			return
		}
	}
	refuse(w, http.StatusNotFound, api.NotFound, "no run %s here that user %d may see", id, p.uid)
}

// cancel has a run ended: its steps get TERM, time and KILL, on_failure and always run.
func (a *Agent) cancel(w http.ResponseWriter, r *http.Request) {
	h := a.runs.find(r.PathValue("id"))
	if h == nil {
		refuse(w, http.StatusNotFound, api.NotFound, "no run %s is under way here", r.PathValue("id"))
		return
	}
	if err := h.dir.End(h.meta, orElse(r.FormValue("why"), "somebody asked for it")); err != nil {
		refuse(w, http.StatusInternalServerError, api.BadInput, "%s", err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"v": api.Version})
}
