package rehearsal

import (
	"context"
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
)

// scaling keeps every suspension on the groups and its end, as the groups themselves show it.
type scaling struct {
	mu     sync.Mutex
	all    []Scaling
	cancel func()
	done   chan struct{}
}

// one call suspends several processes, of each of which the simulator tells: what comes this close together is one.
const together = 30 * time.Millisecond

// watch begins to keep.
func (s *scaling) watch(r *rehearsal) {
	changes, cancel := r.sim.Watch()
	s.cancel, s.done = cancel, make(chan struct{})
	go func() {
		defer close(s.done)
		var open *Scaling
		var idle <-chan time.Time
		flush := func() {
			if open != nil {
				s.keep(r, *open)
			}
			open, idle = nil, nil
		}
		defer flush()
		for {
			select {
			case c, more := <-changes:
				if !more {
					return
				}
				if c.Kind == awssim.Created && c.Group != blue && c.Group != green {
					r.show(Progress{Part: Rehearsed, Said: "CodeDeploy copies " + blue + " to " + c.Group})
				}
				if c.Kind != awssim.Suspended && c.Kind != awssim.Resumed {
					continue
				}
				next := Scaling{At: c.At, Resumed: c.Kind == awssim.Resumed, Group: c.Group, By: r.who(c.By)}
				if open == nil || open.Group != next.Group || open.By != next.By || open.Resumed != next.Resumed {
					flush()
					open = &next
				}
				open.Processes, idle = append(open.Processes, c.Process), time.After(together)
			case <-idle:
				flush()
			}
		}
	}()
}

func (s *scaling) keep(r *rehearsal, one Scaling) {
	s.mu.Lock()
	s.all = append(s.all, one)
	s.mu.Unlock()
	r.show(Progress{Part: Rehearsed, Scaling: &one})
}

// of gives what was done to a group.
func (s *scaling) of(group string) []Scaling {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Scaling{}
	for _, one := range s.all {
		if one.Group == group {
			out = append(out, one)
		}
	}
	return out
}

// complete waits until what is kept of the groups comes to what is suspended on them now: the simulator does not wait
// for who watches.
func (s *scaling) complete(ctx context.Context, sim *awssim.Sim) {
	tick := time.NewTicker(together)
	defer tick.Stop()
	for {
		all := true
		for _, name := range sim.Groups() {
			g, _ := sim.Group(name)
			open := map[string]bool{}
			for _, one := range s.of(name) {
				for _, p := range one.Processes {
					if open[p] = !one.Resumed; !open[p] {
						delete(open, p)
					}
				}
			}
			all = all && len(open) == len(g.Suspended)
		}
		if all {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *scaling) stop() {
	if s.cancel != nil {
		s.cancel()
		<-s.done
	}
}

// who names the caller of an API: an instance, or nobody's, which is CodeDeploy.
func (r *rehearsal) who(caller string) string {
	if m := r.cast.find(caller); m != nil {
		return m.name
	}
	if caller == "" {
		return CodeDeploy
	}
	return caller
}
