package check

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func good() Observation { return Observation{Verdict: Pass, Reason: "status 200"} }
func bad() Observation  { return Observation{Verdict: Fail, Reason: "status 503"} }
func dim() Observation  { return Observation{Verdict: Inconclusive, Reason: "cannot ask"} }

func TestTracker(t *testing.T) {
	timing := Timing{StartupTimeout: 10 * time.Second, SuccessThreshold: 2, FailureThreshold: 3, Interval: time.Second, BakeTime: 5 * time.Second}
	noBake, once, short := timing, timing, timing
	noBake.BakeTime = 0
	once.SuccessThreshold, once.BakeTime = 1, 0
	short.StartupTimeout = 3 * time.Second
	for _, c := range []struct {
		name    string
		timing  Timing
		looks   string // one a second from 0 s: g(ood) b(ad) i(nconclusive), x(pire) instead of a look, s(top)
		state   State
		verdict Verdict
		reason  string
		healthy time.Duration
	}{
		{"nothing seen", timing, "", Starting, "", "no answer yet", 0},
		{"one good is not two", timing, "g", Starting, "", "good only once, want 2: status 200", 0},
		{"a threshold of one", once, "g", Passed, Pass, "status 200", 0},
		{"no bake time", noBake, "bgg", Passed, Pass, "status 200", 2 * time.Second},
		{"consecutive means consecutive", noBake, "gbgbg", Starting, "", "good only once, want 2: status 200", 0},
		{"inconclusive breaks a row", noBake, "gig", Starting, "", "good only once, want 2: status 200", 0},
		{"what comes after the end is too late", once, "gbbbb", Passed, Pass, "status 200", 0},
		{"never healthy", short, "bbbb", Failed, Fail, "not healthy within 3s: status 503", 0},
		{"nobody knows", short, "bbbi", Failed, Inconclusive, "not healthy within 3s: cannot ask", 0},
		{"on the last moment", short, "bbgg", Baking, "", "healthy, watched for 5s", 3 * time.Second},
		{"a moment too late", short, "bbb g", Failed, Fail, "not healthy within 3s: good only once, want 2: status 200", 0},
		{"healthy too late", short, "bbg g", Failed, Fail, "not healthy within 3s: healthy too late: status 200", 0},
		{"no answer at all", short, "   x", Failed, Fail, "not healthy within 3s: no answer came", 0},
		{"not over yet", short, "b x", Starting, "", "status 503", 0},
		{"baking", timing, "gggg", Baking, "", "healthy, watched for 5s", time.Second},
		{"baked", timing, "ggggggg", Passed, Pass, "healthy for 5s: status 200", time.Second},
		{"expiry is no matter of baking", timing, "gg         x", Baking, "", "healthy, watched for 5s", time.Second},
		{"baking, with two lapses", timing, "ggbbgbbg", Passed, Pass, "healthy for 5s: status 200", time.Second},
		{"baked, but failing", timing, "gggggbb", Baking, "", "was healthy, now failed 2 times in a row: status 503", time.Second},
		{"failed after baking", timing, "gggggbbi", Failed, Fail, "was healthy, then failed 3 times in a row: cannot ask", time.Second},
		{"stopped before an answer", timing, " s", Failed, Inconclusive, "cancelled after 1s, before a verdict; not healthy yet: no answer came", 0},
		{"stopped", timing, "bs", Failed, Inconclusive, "cancelled after 1s, before a verdict; not healthy yet: status 503", 0},
		{"stopped in baking", timing, "ggs", Failed, Inconclusive, "cancelled after 2s, before a verdict; healthy, but not watched for 5s yet: status 200", time.Second},
		{"stopped while failing", timing, "ggbs", Failed, Inconclusive, "cancelled after 3s, before a verdict; was healthy, failing now: status 503", time.Second},
		{"stopped at its end", once, "gs", Passed, Pass, "status 200", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Unix(0, 0)
			tr := newTracker(c.timing, now)
			for _, look := range c.looks {
				switch look {
				case 'g':
					tr.observe(good(), now)
				case 'b':
					tr.observe(bad(), now)
				case 'i':
					tr.observe(dim(), now)
				case 'x':
					tr.expire(now)
				case 's':
					tr.stop("cancelled", now)
				}
				now = now.Add(time.Second)
			}
			if tr.state != c.state || tr.verdict != c.verdict || tr.reason != c.reason || tr.healthyAfter() != c.healthy {
				t.Errorf("got  %s %q %q %v\nwant %s %q %q %v", tr.state, tr.verdict, tr.reason, tr.healthyAfter(), c.state, c.verdict, c.reason, c.healthy)
			}
		})
	}
}

func TestTrackerNext(t *testing.T) {
	start := time.Unix(0, 0)
	tr := newTracker(Timing{SuccessThreshold: 1, Interval: 4 * time.Second, BakeTime: 6 * time.Second}, start)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	if got := tr.next(start); !got.Equal(at(4)) {
		t.Errorf("starting: %v", got)
	}
	tr.observe(good(), at(1))
	for begun, want := range map[int]int{1: 5, 5: 7, 7: 11, 8: 12} {
		if got := tr.next(at(begun)); !got.Equal(at(want)) {
			t.Errorf("baking, begun at %d s: next at %v, want %d s", begun, got, want)
		}
	}
}

// TestTrackerInvariants feeds random answers to random trackers and compares with what the words promise, computed from
// the whole history.
func TestTrackerInvariants(t *testing.T) {
	for seed := range uint64(5000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		timing := Timing{
			StartupTimeout:   time.Duration(1+rnd.IntN(20)) * time.Second,
			SuccessThreshold: 1 + rnd.IntN(4),
			FailureThreshold: 1 + rnd.IntN(4),
			BakeTime:         time.Duration(rnd.IntN(10)) * time.Second,
		}
		start := time.Unix(0, 0)
		now, tr, seen := start, newTracker(timing, start), ""
		for range 60 {
			o := []Observation{good(), good(), good(), bad(), dim()}[rnd.IntN(5)]
			before := tr.state
			tr.observe(o, now)
			if before == Starting || before == Baking {
				seen += string(o.Verdict[0])
			}
			if err := broken(tr, timing, seen, before, now); err != nil {
				t.Fatalf("seed %d, %+v, seen %s, state %s -> %s (%s): %v", seed, timing, seen, before, tr.state, tr.reason, err)
			}
			now = now.Add(time.Duration(rnd.IntN(1500)) * time.Millisecond)
		}
	}
}

func broken(tr *tracker, timing Timing, seen string, before State, now time.Time) error {
	passes := len(seen) - len(strings.TrimRight(seen, "p"))
	misses := len(seen) - len(strings.TrimRight(seen, "fi"))
	ended := tr.state != before
	switch {
	case (before == Passed || before == Failed) && ended:
		return fmt.Errorf("left an end state")
	case tr.done() != (tr.verdict != ""), (tr.state == Passed) != (tr.verdict == Pass):
		return fmt.Errorf("state %s with verdict %q", tr.state, tr.verdict)
	case tr.reason == "" || tr.done() && tr.last.Reason == "":
		return fmt.Errorf("no reason")
	case tr.state == Passed && !strings.Contains(seen, strings.Repeat("p", timing.SuccessThreshold)):
		return fmt.Errorf("passed without %d good ones in a row", timing.SuccessThreshold)
	case tr.state == Passed && !strings.HasSuffix(seen, "p"):
		return fmt.Errorf("passed on an answer that is none")
	case ended && tr.state == Passed && now.Sub(tr.healthyAt) < timing.BakeTime:
		return fmt.Errorf("passed without baking")
	case !tr.healthyAt.IsZero() && tr.healthyAfter() > timing.StartupTimeout:
		return fmt.Errorf("healthy after startup_timeout")
	case before == Starting && ended && tr.state != Failed && passes != timing.SuccessThreshold:
		return fmt.Errorf("healthy after %d in a row", passes)
	case before == Starting && tr.state == Starting && (passes >= timing.SuccessThreshold || now.Sub(tr.start) >= timing.StartupTimeout):
		return fmt.Errorf("still starting")
	case before == Baking && (tr.state == Failed) != (misses >= timing.FailureThreshold):
		return fmt.Errorf("%s after %d misses in a row", tr.state, misses)
	}
	return nil
}
