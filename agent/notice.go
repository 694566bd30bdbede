package agent

import (
	"context"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/engine"
)

// How often the instance's metadata service is asked whether the instance is about to go: while an event runs, and while
// a deployment is still looked after. A Spot notice comes two minutes ahead (EC2 User Guide, "Spot Instance interruption
// notices"); asked at rest it would wake the host for nothing.
const (
	askRunning = 5 * time.Second
	askOpen    = 30 * time.Second
)

// notices asks for a notice as long as it matters.
type notices struct {
	woken chan struct{}
	told  engine.Notice
	since time.Time // when it was first seen
}

// watchNotices ends the events that run here once the instance is to be taken away: CodeDeploy would wait for them for
// an hour. What was printed is with its clients and in the journal by then, and guards are looked at once more.
func (a *Agent) watchNotices(ctx context.Context) {
	e := a.engine(a.Paths)
	asked, silent := time.Now(), false // silent: there is nobody to ask
	for {
		var wait <-chan time.Time
		if every := a.noticePeriod(); every > 0 && !silent {
			wait = time.After(time.Until(asked.Add(every)))
		}
		select {
		case <-wait:
		case <-a.notices.woken:
			if wait == nil { // most events are over before it is asked, and none is to be kept up by that
				asked, silent = time.Now(), false
			}
			continue // other events that begin meanwhile put nothing off
		case <-ctx.Done():
			return
		}
		n, err := e.Notice(ctx)
		asked = time.Now()
		switch {
		case err != nil:
			silent = engine.Nobody(err)
		case n.Some():
			a.leaving(ctx, n)
		}
	}
}

func (a *Agent) noticePeriod() time.Duration {
	switch {
	case len(a.runs.running()) > 0:
		return askRunning
	case len(a.following.open()) > 0:
		return askOpen
	}
	return 0
}

// leaving acts on a notice.
func (a *Agent) leaving(ctx context.Context, n engine.Notice) {
	if a.notices.told != n {
		a.notices.told, a.notices.since = n, time.Now()
		a.report(api.News{At: time.Now(), Bad: true, Text: n.String()})
		a.followAll(ctx) // a guard that can be given back is given back before this instance is gone
	}
	for _, h := range a.runs.running() {
		e := a.engine(engine.Paths{State: h.meta.Store})
		if !h.meta.Unattended && e.EndedBy(n, h.meta.Deployment, h.meta.Started.After(a.notices.since)) { // on_failure has what time is left
			a.abandon(h, n.String())
		}
	}
}

// wake has the metadata service asked, now that an event runs.
func (n *notices) wake() {
	select {
	case n.woken <- struct{}{}:
	default:
	}
}
