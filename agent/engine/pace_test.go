package engine

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/guard"
)

func noon() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }

// When a guard is next looked at: at least and at most so long after noon, when it was begun.
func TestWhenAGuardIsLookedAt(t *testing.T) {
	const window = 75 * time.Minute
	for _, tt := range []struct {
		name        string
		change      func(*standing)
		least, most time.Duration
	}{
		{"first, chosen", func(s *standing) { s.Chosen = true }, 10 * time.Second, 15 * time.Second},
		{"first, of a small fleet that draws no lot", func(s *standing) { s.Fleet = 9 }, window + time.Minute, window + time.Minute + 15*time.Second},
		{"first, of a large fleet", func(s *standing) { s.Fleet = 1000 }, window + time.Minute, window + time.Minute + 500*time.Second},
		{"of the largest", func(s *standing) { s.Fleet = 100_000 }, window + time.Minute, window + 31*time.Minute},
		{"it holds", func(s *standing) { s.Chosen, s.Looked, s.State = true, noon(), guard.Holds }, 15 * time.Second, time.Minute},
		{"let go while Ready", func(s *standing) { s.Chosen, s.Looked, s.State = true, noon(), guard.Waits }, 15 * time.Second, time.Minute},
		{"kept for another's", func(s *standing) { s.Chosen, s.Looked, s.State = true, noon(), guard.Kept }, 15 * time.Second, time.Minute},
		{"in dispute", func(s *standing) { s.Chosen, s.Looked, s.State = true, noon(), guard.Disputed }, 150 * time.Second, 5 * time.Minute},
		{"no answer", func(s *standing) { s.Chosen, s.Looked, s.Failed = true, noon(), 1 }, 15 * time.Second, 30 * time.Second},
		{"no answer for hours", func(s *standing) { s.Chosen, s.Looked, s.Failed = true, noon(), 200 }, 30 * time.Second, time.Minute},
		{"no answer after its time", func(s *standing) { s.Looked, s.Failed = noon().Add(3*time.Hour), 200 }, 3*time.Hour + 30*time.Second, 3*time.Hour + time.Minute},
		{"may not ask", func(s *standing) { s.Chosen, s.Looked, s.Denied = true, noon(), true }, window + time.Minute, window + time.Minute + 15*time.Second},
		{"may not ask after its time", func(s *standing) { s.Chosen, s.Looked, s.Denied = true, noon().Add(3*time.Hour), true }, 3*time.Hour + 15*time.Minute, 3*time.Hour + 30*time.Minute},
		{"not chosen, looked at late, and kept", func(s *standing) { s.Looked, s.State = noon().Add(3*time.Hour), guard.Kept }, 3*time.Hour + 15*time.Second, 3*time.Hour + time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, j := range []float64{0, 0.3, 0.999999} {
				s := standing{Begun: noon(), Ends: noon().Add(window), Grace: time.Minute, Jitter: j}
				tt.change(&s)
				if got := DefaultPace().look(s).Sub(noon()); got < tt.least || got > tt.most {
					t.Errorf("jitter %v: after %s, want %s to %s", j, got, tt.least, tt.most)
				}
			}
		})
	}
}

// Whatever happened, a next look comes after the last one, and where one is chosen and may ask, soon enough for the 90 s.
func TestLooksGoOn(t *testing.T) {
	states := []guard.State{guard.Begun, guard.Joined, guard.Holds, guard.Lost, guard.Waits, guard.Kept, guard.Disputed, guard.NotDue, guard.Failed}
	for range 20_000 {
		s := standing{Begun: noon(), Ends: noon().Add(time.Duration(rand.IntN(90)) * time.Minute), Grace: time.Duration(1+rand.IntN(100)) * time.Second, Chosen: rand.IntN(2) == 0, Fleet: rand.IntN(2000), Denied: rand.IntN(4) == 0,
			Looked: noon().Add(time.Duration(rand.IntN(10800)) * time.Second), State: states[rand.IntN(len(states))], Failed: rand.IntN(3) * rand.IntN(100), Jitter: rand.Float64()}
		at := DefaultPace().look(s)
		if !at.After(s.Looked.Add(10 * time.Second)) {
			t.Fatalf("%+v: at once again, %s", s, at)
		}
		if s.Chosen && !s.Denied && s.State != guard.Disputed && at.After(s.Looked.Add(time.Minute)) {
			t.Fatalf("%+v: only at %s", s, at)
		}
	}
}

// Of any fleet a few are chosen, and hardly ever none.
func TestChosen(t *testing.T) {
	if !chosen("d-1", "i-1", 0) || !chosen("d-1", "i-1", 1) || !chosen("d-1", "i-1", followers) {
		t.Error("alone, or not known: chosen")
	}
	for _, n := range []int{20, 200, 1000} {
		none, most, deployments := 0, 0, 500
		for d := range deployments {
			few := 0
			for i := range n {
				if chosen("d-"+strconv.Itoa(d), "i-"+strconv.Itoa(i), n) {
					few++
				}
			}
			if most = max(most, few); few == 0 {
				none++
			}
		}
		if none > deployments/100 || most > 25 {
			t.Errorf("of %d: none in %d of %d deployments, at most %d", n, none, deployments, most)
		}
	}
}

// What is owed is asked for at a rate that a fleet keeps together, while the deployment may be open.
func TestWhenAStatusIsAskedFor(t *testing.T) {
	for _, tt := range []struct {
		name        string
		change      func(*debt)
		least, most time.Duration // after noon, when the run ended; 0: never
	}{
		{"alone", func(d *debt) { d.Fleet = 1 }, 15 * time.Second, 25 * time.Second},
		{"of a thousand", func(d *debt) { d.Fleet = 1000 }, 375 * time.Second, 625 * time.Second},
		{"of how many is not known", func(*debt) {}, 45 * time.Second, 75 * time.Second},
		{"again", func(d *debt) { d.Fleet, d.Asked = 1, noon().Add(time.Hour) }, time.Hour + 15*time.Second, time.Hour + 25*time.Second},
		{"no answer", func(d *debt) { d.Fleet, d.Failed = 1, 2 }, time.Minute, 100 * time.Second},
		{"no answer for hours", func(d *debt) { d.Fleet, d.Failed = 1, 300 }, 225 * time.Second, 375 * time.Second},
		{"no answer to a thousand", func(d *debt) { d.Fleet, d.Failed = 1000, 300 }, 375 * time.Second, 625 * time.Second},
		{"a day later", func(d *debt) { d.Fleet, d.Asked = 1, noon().Add(owedFor) }, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, j := range []float64{0, 0.5, 0.999999} {
				d := debt{Started: noon().Add(-time.Second), Ended: noon(), Jitter: j}
				tt.change(&d)
				at := DefaultPace().ask(d)
				if got := at.Sub(noon()); tt.most == 0 && !at.IsZero() || tt.most > 0 && (got < tt.least || got > tt.most) {
					t.Errorf("jitter %v: at %s", j, at)
				}
			}
		})
	}
}

// Left-over guards are looked for the less often the larger the fleet, and each half an hour at the least.
func TestWhenLeftOversAreLookedFor(t *testing.T) {
	for fleet, want := range map[int][2]time.Duration{1: {150 * time.Second, 5 * time.Minute}, 3: {450 * time.Second, 15 * time.Minute}, 1000: {15 * time.Minute, 30 * time.Minute}, 0: {15 * time.Minute, 30 * time.Minute}} {
		for _, j := range []float64{0, 0.999999} {
			if got := DefaultPace().reap(noon(), fleet, j).Sub(noon()); got < want[0] || got > want[1] {
				t.Errorf("of %d: after %s, want %s", fleet, got, want)
			}
		}
	}
}

// A pace that is given in part takes the rest from the default.
func TestPace(t *testing.T) {
	p := Pace{Ask: 2 * time.Minute}.withDefaults()
	if p.AskMost != 2*time.Minute || p.First != hookLimit || p.Retry != time.Minute {
		t.Errorf("%+v", p)
	}
}
