package agent

import (
	"net/http"
	"sync"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/journald"
	"github.com/codedeploy-wingman/wingman/agent/metrics"
)

// counts are what is counted since the service started.
type counts struct {
	mu   sync.Mutex
	runs map[[2]string]int // by event and verdict
}

func (c *counts) run(event, verdict string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil {
		c.runs = map[[2]string]int{}
	}
	c.runs[[2]string{event, verdict}]++
}

// metrics gives what there is to count, in Prometheus' text format.
func (a *Agent) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", metrics.ContentType)
	s := a.Status()
	m := metrics.NewWriter(w) // a client that has gone hears no more
	one := func(v float64) func(func(float64, ...metrics.Label)) {
		return func(add func(float64, ...metrics.Label)) { add(v) }
	}
	m.Family("wingman_info", metrics.Gauge, "Which wingman this is.", func(add func(float64, ...metrics.Label)) {
		add(1, metrics.Label{Name: "version", Value: s.Wingman})
	})
	m.Family("wingman_start_time_seconds", metrics.Gauge, "When the service started, in seconds since 1970.", one(float64(s.Since.Unix())))
	m.Family("wingman_runs_in_flight", metrics.Gauge, "Lifecycle events that run now.", one(float64(len(s.Running))))
	m.Family("wingman_runs_total", metrics.Counter, "Runs that have ended since the service started.", a.addRuns)
	m.Family("wingman_guards_open", metrics.Gauge, "Guards that this instance takes part in and that are not given back yet, by how they stand.", func(add func(float64, ...metrics.Label)) {
		for state, n := range byState(s.Guards) {
			add(float64(n), metrics.Label{Name: "state", Value: state})
		}
	})
	m.Family("wingman_deployments_followed", metrics.Gauge, "Deployments that are still looked after.", one(float64(len(s.Deployments))))
	m.Family("wingman_warnings_total", metrics.Counter, "What happened since the service started that somebody should look at.", one(float64(a.news.badSoFar())))
	m.Family("wingman_settings_ok", metrics.Gauge, "Whether host.yml as it is now has no fault.", one(truth(s.Settings.Problem == "")))
	if s.CodeDeploy.Installed {
		m.Family("wingman_codedeploy_agent_running", metrics.Gauge, "Whether the CodeDeploy agent's processes live.", one(truth(s.CodeDeploy.Running)))
		m.Family("wingman_codedeploy_agent_polling", metrics.Gauge, "Whether the CodeDeploy agent asks for work, as far as its log tells.", one(truth(s.CodeDeploy.Polling)))
	}
	if err := m.Err(); err != nil {
		a.Log.Warn("cannot give metrics", journald.Err, err)
	}
}

func (a *Agent) addRuns(add func(float64, ...metrics.Label)) {
	a.counts.mu.Lock()
	defer a.counts.mu.Unlock()
	for k, n := range a.counts.runs {
		add(float64(n), metrics.Label{Name: "event", Value: k[0]}, metrics.Label{Name: "verdict", Value: k[1]})
	}
}

func byState(guards []api.Guard) map[string]int {
	out := map[string]int{}
	for _, g := range guards {
		out[g.State]++
	}
	return out
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (n *news) badSoFar() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bad
}
