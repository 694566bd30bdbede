package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/journald"
	"github.com/codedeploy-wingman/wingman/agent/watch"
)

// How often the CodeDeploy agent is looked at; and how long a restart may take, and is given before the next.
const (
	codedeployLook    = time.Minute
	codedeployRestart = 5 * time.Minute
	codedeployAgain   = time.Hour // a restart cures neither a clock nor a network nor a missing permission
)

// codedeploy is how the CodeDeploy agent beside us does.
type codedeploy struct {
	agent     watch.CodeDeployAgent
	mu        sync.Mutex
	now       api.CodeDeploy
	badSince  time.Time
	restarted time.Time
}

func (c *codedeploy) get() api.CodeDeploy {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// everyMinute looks at the CodeDeploy agent, and for what others than this service have recorded: the only timer at rest.
func (a *Agent) everyMinute(ctx context.Context) {
	for {
		a.lookAtCodeDeploy(ctx)
		a.followNew(ctx)
		select {
		case <-time.After(codedeployLook):
		case <-ctx.Done():
			return
		}
	}
}

// lookAtCodeDeploy says when the CodeDeploy agent stops working or works again, and restarts it where host.yml wants that
// and nothing is in flight.
func (a *Agent) lookAtCodeDeploy(ctx context.Context) {
	c := &a.codedeploy
	st := c.agent.Look()
	now := api.CodeDeploy{Installed: st.Installed, Running: st.Running, Polling: st.Polling, Version: st.Version, Problem: st.Problem, Looked: time.Now()}
	if !st.Installed {
		now.Problem = "" // a host on which wingman is tried, or whose bootstrap goes on
	}
	c.mu.Lock()
	was := c.now
	c.now = now
	switch {
	case now.Problem == "":
		c.badSince = time.Time{}
	case c.badSince.IsZero():
		c.badSince = now.Looked
	}
	due := a.mayRestart(c, now)
	c.mu.Unlock()
	if now.Problem != was.Problem {
		n := api.News{At: now.Looked, Bad: now.Problem != "", Text: now.Problem}
		if n.Text == "" {
			n.Text = "the CodeDeploy agent runs and polls again"
		}
		a.report(n)
	}
	if due {
		a.restartCodeDeploy(ctx)
	}
}

// mayRestart says whether the CodeDeploy agent is to be restarted now. The caller holds its lock.
func (a *Agent) mayRestart(c *codedeploy, now api.CodeDeploy) bool {
	s := a.settings.get()
	if s.host == nil || s.host.CodeDeploy.RestartAfter == 0 || c.badSince.IsZero() {
		return false
	}
	return now.Looked.Sub(c.badSince) >= s.host.CodeDeploy.RestartAfter && (c.restarted.IsZero() || now.Looked.Sub(c.restarted) >= codedeployAgain) && len(a.runs.running()) == 0
}

func (a *Agent) restartCodeDeploy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, codedeployRestart)
	defer cancel()
	err := a.codedeploy.agent.Restart(ctx)
	if errors.Is(err, watch.ErrInDeployment) {
		a.Log.Info("the CodeDeploy agent is not restarted yet", journald.Err, err)
		return
	}
	a.codedeploy.mu.Lock()
	a.codedeploy.restarted = time.Now()
	a.codedeploy.mu.Unlock()
	if err != nil {
		a.report(api.News{At: time.Now(), Bad: true, Text: err.Error()})
		return
	}
	a.report(api.News{At: time.Now(), Text: "the CodeDeploy agent was restarted, as codedeploy_agent.restart_after in host.yml says"})
}
