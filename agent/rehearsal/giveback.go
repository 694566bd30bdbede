package rehearsal

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// looks is how often an instance looks again at a guard that it could not give back: the service would go on.
const looks = 3

// giveBack is what the service does once a deployment is over, on every instance at once.
func (r *rehearsal) giveBack(ctx context.Context) error {
	if wait := r.wait(); wait > 0 {
		r.say("wingman gives back in about %d s: once no suspension of its own can still be on its way, and two looks %d s apart agree, since one read of AWS may be stale", int(wait.Seconds()), int(guard.Staleness.Seconds()))
	}
	var wg sync.WaitGroup
	for _, m := range r.cast.members() {
		if m.engine != nil {
			wg.Go(func() { m.follow(ctx) })
		}
	}
	wg.Wait()
	return ctx.Err()
}

// follow looks at the instance's guards until they are given back.
func (m *member) follow(ctx context.Context) {
	for range looks {
		looked, err := m.engine.AfterEvent(ctx)
		if err != nil {
			m.note("%s: %v", m.name, err)
		}
		again := false
		for _, l := range looked {
			switch l.State {
			case guard.Released, guard.Observed, guard.Frozen:
				continue
			case guard.Failed:
				again = true
			}
			m.note("%s: %s", m.name, engine.Say(l.Group, l.Outcome))
		}
		if !again || ctx.Err() != nil {
			return
		}
	}
}

// wait is how long it takes until the guards that stand on the groups are given back; 0 where there is none.
func (r *rehearsal) wait() (longest time.Duration) {
	for _, name := range r.sim.Groups() {
		g, _ := r.sim.Group(name)
		for key, value := range g.Tags {
			rec, err := guard.Parse(value)
			if err != nil || !strings.HasPrefix(key, guard.KeyPrefix) {
				continue
			}
			for _, c := range rec.Owned {
				longest = max(longest, time.Until(c.To)+2*guard.Staleness+time.Second)
			}
		}
	}
	return longest
}

// look keeps how things stand in the end.
func (r *rehearsal) look() {
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	r.result.Traffic = r.traffic.result(ctx)
	if n := r.result.Traffic.Lost; n > 0 {
		r.result.Why = append(r.result.Why, fmt.Sprintf("%d of %d requests were lost", n, r.result.Traffic.Sent))
	}
	r.scaling.complete(ctx, r.sim)
	for _, name := range r.groups() {
		g := r.groupNow(name)
		r.result.Groups = append(r.result.Groups, g)
		if n := len(g.Guards); n > 0 {
			r.result.Why = append(r.result.Why, "a guard is left on "+name)
		}
		for _, p := range g.Suspended {
			if by := suspender(g, p); by != CodeDeploy {
				r.result.Why = append(r.result.Why, fmt.Sprintf("%s is still suspended on %s, by %s", p, name, by))
			}
		}
	}
	r.result.Failure = r.failure()
}

// groups gives the names of those that took part, also of one that is gone.
func (r *rehearsal) groups() []string {
	names := []string{blue}
	for _, d := range r.result.Deployments {
		v, _ := r.sim.Deployment(d.ID)
		for _, name := range v.Replacement {
			if name != names[len(names)-1] {
				names = append(names, name)
			}
		}
	}
	return names
}

func (r *rehearsal) groupNow(name string) Group {
	v, there := r.sim.Group(name)
	g := Group{Name: name, Side: replacement, Scaling: r.scaling.of(name), Suspended: []string{}, Guards: []string{}, Instances: []string{}, Gone: !there}
	if name == blue {
		g.Side = original
	}
	for _, p := range guard.Processes() {
		if _, suspended := v.Suspended[string(p)]; suspended {
			g.Suspended = append(g.Suspended, string(p))
		}
	}
	for _, key := range guard.Keys() {
		if value, has := v.Tags[key]; has {
			g.Guards = append(g.Guards, key+"="+value)
		}
	}
	for _, in := range v.Instances {
		g.Instances = append(g.Instances, r.who(in.ID))
	}
	return g
}

// suspender is who suspended a process last.
func suspender(g Group, process string) (by string) {
	for _, s := range g.Scaling {
		for _, p := range s.Processes {
			if p == process && !s.Resumed {
				by = s.By
			}
		}
	}
	return by
}
