package agent

import (
	"cmp"
	"io"
	"net/http"
	"os"
	"os/user"
	"sort"
	"strconv"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/engine"
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
		Running: []api.Running{}, Guards: []api.Guard{}, Deployments: a.following.open(), CodeDeploy: a.codedeploy.get(), News: a.news.last(), Problems: []string{}}
	for _, h := range a.runs.running() {
		h.mu.Lock()
		waiting := h.waiting
		h.mu.Unlock()
		s.Running = append(s.Running, api.Running{Run: h.meta.ID, Event: h.meta.Event, Deployment: h.meta.Deployment, User: userName(h.meta.UID), Step: h.dir.Now(h.meta.UID), Started: h.meta.Started, Waiting: waiting})
	}
	sort.Slice(s.Running, func(i, k int) bool { return s.Running[i].Started.Before(s.Running[k].Started) })
	for _, dir := range a.Paths.All() {
		all, err := journal.New(dir.State).Guards()
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

// history gives the runs of this instance.
func (a *Agent) history(w http.ResponseWriter, _ *http.Request) {
	runs, err := (&engine.Engine{Paths: a.Paths}).History()
	problems := []string{}
	if err != nil {
		problems = append(problems, err.Error())
	}
	if runs == nil {
		runs = []journal.Run{}
	}
	answer(w, http.StatusOK, map[string]any{"version": api.Version, "runs": runs, "problems": problems})
}

// log gives a run's full log.
func (a *Agent) log(w http.ResponseWriter, r *http.Request) {
	p, id := peerOf(r.Context()), r.PathValue("id")
	for _, d := range a.Paths.All() {
		runs, _ := journal.New(d.State).Runs() // one that cannot be read is not the one
		for _, rec := range runs {
			if rec.ID != id {
				continue
			}
			f, err := openLog(rec.Log, d.Logs)
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
	select {
	case <-h.ready:
	case <-r.Context().Done():
		return
	}
	if err := h.dir.End(h.meta, cmp.Or(r.FormValue("why"), "somebody asked for it")); err != nil {
		refuse(w, http.StatusInternalServerError, api.BadInput, "%s", err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"v": api.Version})
}
