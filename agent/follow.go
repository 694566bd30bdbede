package agent

import (
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

type follower struct{}

func (f *follower) stuck() error           { return nil }
func (f *follower) doing() []string        { return nil }
func (f *follower) open() []api.Deployment { return []api.Deployment{} }

func (a *Agent) wake() {}

// news is the last of what is worth knowing.
type news struct {
	mu  sync.Mutex
	all []api.News
}

func (n *news) last() []api.News {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]api.News{}, n.all...)
}

type codedeploy struct {
	mu  sync.Mutex
	now api.CodeDeploy
}

func (c *codedeploy) get() api.CodeDeploy {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func newID(e lifecycle.Event) string { return engine.NewID(e) }

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// deploymentOf reads CodeDeploy's variables from a caller's environment.
func deploymentOf(env []string) lifecycle.Deployment {
	return engine.Request{Env: env}.Deployment()
}

var _ = time.Second
