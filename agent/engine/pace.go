package engine

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// Pace is how often a follower asks AWS. What is zero is as DefaultPace has it.
type Pace struct {
	First, FirstMost time.Duration // from a begin to the first look: not before the hook is through with it
	Ask, AskMost     time.Duration // from one look of a chosen instance to its next
	Retry            time.Duration // the longest from a look that AWS did not answer to the next
	Owed             time.Duration // from one question for a deployment's status to the next, on one instance of a small fleet
	Reap, ReapMost   time.Duration // from one look for left-over guards to the next, on one instance alone and of a large fleet
	Again            time.Duration // from one Due to the next of the same, where nobody has claimed it; it doubles
}

// DefaultPace is what the promises rest on. A look within 25 s of a begin heals the one gap that the protocol has; a hook
// spends at most hookLimit on its begin. AskMost and a release's two looks and its check, 5 s apart, are the 90 s within
// which a guard is given back.
func DefaultPace() Pace {
	return Pace{First: hookLimit, FirstMost: 15 * time.Second, Ask: 15 * time.Second, AskMost: time.Minute, Retry: time.Minute, Owed: 20 * time.Second,
		Reap: 5 * time.Minute, ReapMost: 30 * time.Minute, Again: 5 * time.Minute}
}

func (p Pace) withDefaults() Pace {
	d := DefaultPace()
	for _, f := range []struct{ have, or *time.Duration }{{&p.First, &d.First}, {&p.FirstMost, &d.FirstMost}, {&p.Ask, &d.Ask}, {&p.AskMost, &d.AskMost}, {&p.Retry, &d.Retry},
		{&p.Owed, &d.Owed}, {&p.Reap, &d.Reap}, {&p.ReapMost, &d.ReapMost}, {&p.Again, &d.Again}} {
		if *f.have == 0 {
			*f.have = *f.or
		}
	}
	p.FirstMost, p.AskMost, p.ReapMost = max(p.First, p.FirstMost), max(p.Ask, p.AskMost), max(p.Reap, p.ReapMost)
	return p
}

// followers is how many of a fleet, on average, are chosen to ask while the deployment goes on. Each draws for itself, so
// with 4, as at a begin, one deployment in 55 would have nobody (e^-4) and its guard wait for its time to be up; with 8 it
// is one in 3,000, and still one in 55 where the fleet that is counted is twice that of the side that follows. Together
// they ask once in about 5 s.
const followers = 8

// chosen says whether an instance is one of those. fleet is 0 where it is not known.
func chosen(deployment, instance string, fleet int) bool {
	return fleet <= followers || guard.Draw(deployment, instance) < followers/float64(fleet)
}

// standing is what is known of one guard that this instance has a part in.
type standing struct {
	Begun  time.Time // last
	Ends   time.Time // at the latest
	Grace  time.Duration
	Chosen bool
	Fleet  int
	Looked time.Time   // since that begin; zero: not yet
	State  guard.State // as last seen
	Denied bool        // this instance may not ask what it would have to
	Failed int         // looks in a row that got no answer
	Jitter float64     // from [0, 1), another after each look
}

// look says when a guard is next looked at.
func (p Pace) look(s standing) time.Time {
	// A fleet's instances that were not chosen look when its time is up, two in a second.
	late := s.Ends.Add(s.Grace + between(0, clamp(time.Duration(s.Fleet)*time.Second/2, p.Ask, p.ReapMost), s.Jitter))
	switch {
	case s.Looked.IsZero() && s.Chosen:
		return s.Begun.Add(between(p.First, p.FirstMost, s.Jitter))
	case s.Looked.IsZero():
		return late
	case s.Denied:
		return later(late, s.Looked.Add(between(p.ReapMost/2, p.ReapMost, s.Jitter)))
	case s.Failed > 0: // until it is closed, whatever comes: there may be something to give back
		return s.Looked.Add(between(p.Retry/4, p.Retry/2, s.Jitter) << min(s.Failed-1, 1))
	case s.State == guard.Disputed: // a person settles it, in a person's time
		return s.Looked.Add(between(p.Reap/2, p.Reap, s.Jitter))
	case !s.Chosen:
		return later(late, s.Looked.Add(between(p.Ask, p.AskMost, s.Jitter)))
	}
	return s.Looked.Add(between(p.Ask, p.AskMost, s.Jitter))
}

// owedFor is how long what is owed after a deployment is waited for: longer than any deployment takes (an hour a lifecycle
// event, and the waits that a deployment group may have), short enough that a rescue still finds what it is for.
const owedFor = 24 * time.Hour

// debt is what is known of a deployment for which this instance still has on_failure or always to run.
type debt struct {
	Started time.Time // the newest run
	Ended   time.Time // it, or since when it is known to have gone
	Fleet   int       // 0 is not known
	Asked   time.Time
	Failed  int // questions in a row that got no answer
	Jitter  float64
}

// ask says when the deployment's status is next asked for; zero: never again. Each instance owes for itself, so all of a
// fleet ask: two in a second, together.
func (p Pace) ask(d debt) time.Time {
	period := max(p.Owed, time.Duration(d.Fleet)*time.Second/2)
	if d.Fleet == 0 { // the first answer says it
		period = 3 * p.Owed
	}
	if d.Failed > 0 {
		period = max(period, min(period<<min(d.Failed, 8), p.Reap))
	}
	at := later(d.Asked, d.Ended).Add(between(period*3/4, period*5/4, d.Jitter))
	if at.After(d.Started.Add(owedFor)) {
		return time.Time{}
	}
	return at
}

// reap says when left-over guards are next looked for.
func (p Pace) reap(last time.Time, fleet int, jitter float64) time.Time {
	period := p.ReapMost
	if fleet > 0 {
		period = clamp(p.Reap*time.Duration(min(fleet, 1000)), p.Reap, p.ReapMost)
	}
	return last.Add(between(period/2, period, jitter))
}

func between(least, most time.Duration, jitter float64) time.Duration {
	return least + time.Duration(jitter*float64(most-least))
}

func clamp(d, least, most time.Duration) time.Duration { return min(max(d, least), max(least, most)) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sooner gives the earlier of two times, of which a zero one is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
