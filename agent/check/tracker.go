package check

import (
	"fmt"
	"time"
)

// State is where a check stands.
//
//	          success_threshold passes in a row           a pass at or after bake_time
//	starting ───────────────────────────────────▶ baking ──────────────────────────────▶ passed
//	   │      (bake_time 0: passed at once)         │
//	   │ startup_timeout · stopped                  │ failure_threshold others in a row · stopped
//	   └──────────────────▶ failed ◀────────────────┘
//
// The last look of baking is a pass: nothing is let through in the middle of failing.
type State string

// The states. Failed is every end but a pass; the verdict says whether it was known to fail.
const (
	Starting State = "starting"
	Baking   State = "baking"
	Passed   State = "passed"
	Failed   State = "failed"
)

// tracker takes observations, each with the time at which it came, and knows the state. It does no I/O.
type tracker struct {
	timing  Timing // with defaults
	start   time.Time
	state   State
	verdict Verdict // "" until Passed or Failed
	reason  string  // of the state, for a person

	healthyAt time.Time // when it became healthy; zero if never
	passes    int       // in a row, up to now
	misses    int       // in a row, up to now
	last      Observation
}

func newTracker(t Timing, now time.Time) *tracker {
	return &tracker{timing: t.WithDefaults(), start: now, state: Starting, reason: "no answer yet"}
}

func (t *tracker) done() bool { return t.state == Passed || t.state == Failed }

// startupEnds is when it must be healthy.
func (t *tracker) startupEnds() time.Time { return t.start.Add(t.timing.StartupTimeout) }

// bakeEnds is from when a pass is the end; it must be Baking.
func (t *tracker) bakeEnds() time.Time { return t.healthyAt.Add(t.timing.BakeTime) }

// healthyAfter is how long it took to become healthy; 0 if it never did.
func (t *tracker) healthyAfter() time.Duration {
	if t.healthyAt.IsZero() {
		return 0
	}
	return t.healthyAt.Sub(t.start)
}

// next is when to look again after a look that began at begun: an interval later, and at the end of the bake time.
func (t *tracker) next(begun time.Time) time.Time {
	next := begun.Add(t.timing.Interval)
	if t.state == Baking && begun.Before(t.bakeEnds()) && t.bakeEnds().Before(next) {
		return t.bakeEnds()
	}
	return next
}

// observe takes the answer of one look.
func (t *tracker) observe(o Observation, now time.Time) {
	if t.done() {
		return
	}
	t.last = o
	if o.Verdict == Pass {
		t.passes, t.misses = t.passes+1, 0
	} else {
		t.passes, t.misses = 0, t.misses+1
	}
	if t.state == Starting {
		t.observeStarting(now)
	} else {
		t.observeBaking(now)
	}
}

func (t *tracker) observeStarting(now time.Time) {
	switch {
	case now.After(t.startupEnds()):
		t.expire(now)
	case t.passes < t.timing.SuccessThreshold:
		t.reason = t.sofar()
		t.expire(now)
	case t.timing.BakeTime > 0:
		t.healthyAt, t.state = now, Baking
		t.reason = fmt.Sprintf("healthy, watched for %v", t.timing.BakeTime)
	default:
		t.healthyAt = now
		t.pass()
	}
}

func (t *tracker) observeBaking(now time.Time) {
	switch {
	case t.misses >= t.timing.FailureThreshold:
		t.fail(Fail, fmt.Sprintf("was healthy, then failed %s: %s", times(t.misses), t.last.Reason))
	case t.misses > 0:
		t.reason = fmt.Sprintf("was healthy, now failed %s: %s", times(t.misses), t.last.Reason)
	case !now.Before(t.bakeEnds()):
		t.pass()
	default:
		t.reason = fmt.Sprintf("healthy, watched for %v", t.timing.BakeTime)
	}
}

// expire ends it where it should have been healthy by now.
func (t *tracker) expire(now time.Time) {
	if t.state != Starting || now.Before(t.startupEnds()) {
		return
	}
	verdict := Fail
	if t.last.Verdict == Inconclusive {
		verdict = Inconclusive
	}
	t.fail(verdict, fmt.Sprintf("not healthy within %v: %s", t.timing.StartupTimeout, t.sofar()))
}

// stop ends it before there is a verdict, since the caller's ctx is done; why is whyDone's.
func (t *tracker) stop(why string, now time.Time) {
	if t.done() {
		return
	}
	state := "not healthy yet"
	if t.state == Baking {
		state = fmt.Sprintf("healthy, but not watched for %v yet", t.timing.BakeTime)
		if t.misses > 0 {
			state = "was healthy, failing now"
		}
	}
	after := now.Sub(t.start).Round(time.Millisecond)
	t.fail(Inconclusive, fmt.Sprintf("%s after %v, before a verdict; %s: %s", why, after, state, t.sofar()))
}

// sofar is the last answer in words.
func (t *tracker) sofar() string {
	switch {
	case t.last.Verdict == "":
		return "no answer came"
	case t.state == Starting && t.passes >= t.timing.SuccessThreshold:
		return "healthy too late: " + t.last.Reason
	case t.state == Starting && t.passes > 0:
		return fmt.Sprintf("good only %s, want %d: %s", times(t.passes), t.timing.SuccessThreshold, t.last.Reason)
	}
	return t.last.Reason
}

func (t *tracker) pass() {
	t.state, t.verdict, t.reason = Passed, Pass, t.last.Reason
	if t.timing.BakeTime > 0 {
		t.reason = fmt.Sprintf("healthy for %v: %s", t.timing.BakeTime, t.last.Reason)
	}
}

func (t *tracker) fail(v Verdict, reason string) { t.state, t.verdict, t.reason = Failed, v, reason }

// times counts consecutive answers in words.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times in a row", n)
}
