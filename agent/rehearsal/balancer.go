package rehearsal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
)

// balancer stands in for the load balancer: it checks the targets' health, and sends requests to those that are in
// service, one after the other. A request that is not answered with 2xx is lost: it is not sent again.
type balancer struct {
	*rehearsal
	real   atomic.Bool // the application answers, so that its health can be asked for
	cancel context.CancelFunc
	done   chan struct{}
	mu     sync.Mutex
	sent   int
	losses []string // the first of them
	lost   int
}

const (
	between = 50 * time.Millisecond // requests
	atOnce  = 64                    // requests that nobody has answered yet
	silence = 5 * time.Second       // after which a request is lost
	startup = 2 * time.Second       // that an application without a check of its own gets after the first deployment
)

// client keeps no connection: a request tells what a new one meets.
func client() *http.Client {
	return &http.Client{Timeout: silence, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ask sends one request to an instance, and gives the answer's first line.
func (b *balancer) ask(ctx context.Context, t awssim.Target, path string) (line string, reason string, err error) {
	port := t.Port
	if m := b.cast.find(t.ID); m != nil {
		port = m.port
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s", t.Address, port, path), nil)
	if err != nil {
		return "", "Target.FailedHealthChecks", err
	}
	req.Header.Set("User-Agent", "wingman-rehearsal")
	resp, err := client().Do(req)
	if err != nil {
		var outer *url.Error // its address stands beside it already
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return "", "Target.Timeout", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	switch {
	case err != nil:
		return "", "Target.FailedHealthChecks", err
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return "", "Target.ResponseCodeMismatch", fmt.Errorf("status %d", resp.StatusCode)
	}
	line, _, _ = strings.Cut(strings.TrimSpace(string(body)), "\n")
	return line, "", nil
}

// healthy is the target group's health check. Where there is no application to ask every target is healthy.
func (b *balancer) healthy(t awssim.Target) (bool, string) {
	if !b.real.Load() {
		return true, ""
	}
	_, reason, err := b.ask(context.Background(), t, b.Health)
	return err == nil, reason
}

// begin sends requests from now on, if the originals answer after the first deployment.
func (b *balancer) begin(ctx context.Context, r *rehearsal) error {
	targets := r.sim.InService(r.target)
	if err := b.answer(ctx, targets); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.note("%v after the first deployment: no traffic is sent, and targets count as healthy. An application gets some that listens on ADDRESS:PORT; --health names another path", err)
		return nil
	}
	b.real.Store(true)
	ctx, b.cancel = context.WithCancel(ctx)
	b.done = make(chan struct{})
	var where []string
	for _, m := range r.cast.members() {
		where = append(where, m.name+" "+strings.TrimPrefix(m.url(), "http://"))
	}
	r.say("%s serve the revision after a first deployment; a load balancer sends them %d requests a second", strings.Join(where, ", "), time.Second/between)
	go b.send(ctx)
	return nil
}

// answer waits until all targets answer, while there is anything that could.
func (b *balancer) answer(ctx context.Context, targets []awssim.Target) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startup)
	defer cancel()
	tick := time.NewTicker(2 * between)
	defer tick.Stop()
	for {
		var failed error
		for _, t := range targets {
			if _, _, err := b.ask(ctx, t, b.Health); err != nil && failed == nil {
				failed = fmt.Errorf("no good answer from %s at ADDRESS:PORT%s (%w)", b.who(t.ID), b.Health, err)
			}
		}
		if ctx.Err() == nil {
			err = failed // one that was cut short says nothing
		}
		if failed == nil || !lives(b.scratch) {
			return failed
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// send sends requests until ctx is done, and waits for their answers.
func (b *balancer) send(ctx context.Context) {
	defer close(b.done)
	var under sync.WaitGroup
	defer under.Wait()
	room := make(chan struct{}, atOnce)
	tick := time.NewTicker(between)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		select {
		case room <- struct{}{}:
		default:
			continue // as many clients as there are wait already
		}
		targets := b.sim.InService(b.target)
		under.Go(func() {
			defer func() { <-room }()
			if len(targets) == 0 {
				b.count("", fmt.Errorf("no instance is in service"))
				return
			}
			t := targets[n%len(targets)]
			// Not ctx: what is under way at the end is answered, too.
			_, _, err := b.ask(context.WithoutCancel(ctx), t, b.Health)
			b.count(b.who(t.ID)+": ", err)
		})
	}
}

func (b *balancer) count(who string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent++
	if err == nil {
		return
	}
	if b.lost++; len(b.losses) < 5 {
		b.losses = append(b.losses, fmt.Sprintf("at %.1f s: %s%v", time.Since(b.start).Seconds(), who, err))
	}
}

func (b *balancer) stop() {
	if b.cancel != nil {
		b.cancel()
		<-b.done
	}
}

// result ends the traffic and says what came of it, and who serves.
func (b *balancer) result(ctx context.Context) Traffic {
	b.stop()
	t := Traffic{Sent: b.sent, Lost: b.lost, Losses: b.losses, Serving: []Server{}}
	if b.real.Load() {
		t.URL = b.Health
	}
	for _, target := range b.sim.InService(b.target) {
		s := Server{Instance: b.who(target.ID)}
		if b.real.Load() {
			_, _, err := b.ask(ctx, target, b.Health)
			s.Answers = err == nil
			s.Build, _, _ = b.ask(ctx, target, "/version") // by convention; an application without it has no build to tell
		}
		t.Serving = append(t.Serving, s)
	}
	slices.SortFunc(t.Serving, func(a, b Server) int { return cmp.Compare(a.Instance, b.Instance) })
	return t
}
