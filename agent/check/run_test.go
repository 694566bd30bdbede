package check

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fake is an application in virtual time: each look takes a while, and answers as of its start.
type fake struct {
	start  time.Time
	takes  time.Duration
	answer func(after time.Duration) Observation
	looks  []time.Duration // when, after start
}

func (f *fake) Check(ctx context.Context) Observation {
	after := time.Since(f.start)
	f.looks = append(f.looks, after)
	select {
	case <-time.After(f.takes):
		return f.answer(after)
	case <-ctx.Done():
		return givenUp(ctx)
	}
}

func goodFrom(from, until time.Duration) func(time.Duration) Observation {
	return func(after time.Duration) Observation {
		if after < from || after >= until {
			return bad()
		}
		return good()
	}
}

const ever = 1000 * time.Hour

// watchFake runs one check on f and returns its result, with the states in the order told.
func watchFake(ctx context.Context, t Timing, f *fake) (Result, string) {
	f.start = time.Now()
	var states []string
	results := runJobs(ctx, []job{{named: Named{Name: "n", Settings: Settings{Timing: t}}, checker: f}}, func(u Update) {
		if len(states) == 0 || states[len(states)-1] != u.State {
			states = append(states, u.State)
		}
	})
	return results[0], strings.Join(states, " ")
}

func TestRunInVirtualTime(t *testing.T) {
	timing := Timing{StartupTimeout: 10 * time.Second, Interval: 250 * time.Millisecond}
	baking := timing
	baking.BakeTime = 3100 * time.Millisecond
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for _, c := range []struct {
		name              string
		timing            Timing
		takes             time.Duration
		answer            func(time.Duration) Observation
		deadline          time.Duration
		verdict           Verdict
		reason, states    string
		tries             int
		healthy, duration time.Duration
	}{
		{"at once", timing, 0, goodFrom(0, ever), 0, Pass, "status 200", "starting passed", 3, ms(500), ms(500)},
		{"healthy after a while", timing, 0, goodFrom(ms(1001), ever), 0, Pass, "status 200", "starting passed", 8, ms(1750), ms(1750)},
		{"slow answers: the next look when the last has ended", timing, ms(400), goodFrom(0, ever), 0, Pass, "status 200", "starting passed", 3, ms(1200), ms(1200)},
		{"never", timing, 0, goodFrom(ever, ever), 0, Fail, "not healthy within 10s: status 503", "starting failed", 40, 0, 10 * time.Second},
		{"never an answer", timing, ever, goodFrom(0, ever), 0, Fail, "not healthy within 10s: no answer came", "failed", 1, 0, 10 * time.Second},
		{"a try that the end cuts off tells nothing", timing, ms(3000), goodFrom(ever, ever), 0, Fail, "not healthy within 10s: status 503", "starting failed", 4, 0, 10 * time.Second},
		{"baked, with a look at its end", baking, 0, goodFrom(0, ever), 0, Pass, "healthy for 3.1s: status 200", "starting baking passed", 16, ms(500), ms(3600)},
		{"fails in baking", baking, 0, goodFrom(0, ms(2000)), 0, Fail, "was healthy, then failed 3 times in a row: status 503", "starting baking failed", 11, ms(500), ms(2500)},
		{"fails at the end of baking", baking, 0, goodFrom(0, ms(3600)), 0, Fail, "was healthy, then failed 3 times in a row: status 503", "starting baking failed", 18, ms(500), ms(4100)},
		{"deadline", timing, 0, goodFrom(ever, ever), ms(2100), Inconclusive, "out of time after 2.1s, before a verdict; not healthy yet: status 503", "starting failed", 9, 0, ms(2100)},
		{"deadline in a try", timing, ms(1500), goodFrom(ever, ever), ms(2000), Inconclusive, "out of time after 2s, before a verdict; not healthy yet: status 503", "starting failed", 2, 0, ms(2000)},
		{"deadline in baking", baking, 0, goodFrom(0, ever), ms(2000), Inconclusive, "out of time after 2s, before a verdict; healthy, but not watched for 3.1s yet: status 200", "starting baking failed", 8, ms(500), ms(2000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				r, states := watchFake(ctx, c.timing, &fake{takes: c.takes, answer: c.answer})
				if r.Verdict != c.verdict || r.Reason != c.reason || states != c.states {
					t.Errorf("got  %s %q %s\nwant %s %q %s", r.Verdict, r.Reason, states, c.verdict, c.reason, c.states)
				}
				if r.Duration != c.duration || r.Healthy != c.healthy {
					t.Errorf("healthy after %v of %v, want %v of %v", r.Healthy, r.Duration, c.healthy, c.duration)
				}
				// A deadline or timer that ends at the very time of a look may come before or after it.
				if d := r.Tries - c.tries; d < -1 || d > 1 {
					t.Errorf("%d tries, want %d", r.Tries, c.tries)
				}
			})
		})
	}
}

func TestRunSaysWhoCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("the client is gone"))
		f := &fake{answer: goodFrom(0, ever)}
		r, _ := watchFake(ctx, Timing{}, f)
		want := "cancelled (the client is gone) after 0s, before a verdict; not healthy yet: no answer came"
		if r.Verdict != Inconclusive || r.Reason != want || len(f.looks) > 0 {
			t.Errorf("got %+v after %d looks", r, len(f.looks))
		}
	})
}

// Wherever between two looks an application becomes healthy, it is seen within one interval.
func TestSeenHealthyWithinAnInterval(t *testing.T) {
	for up := time.Duration(0); up < time.Second; up += 7 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			r, _ := watchFake(t.Context(), Timing{SuccessThreshold: 1}, &fake{answer: goodFrom(up, ever)})
			if late := r.Healthy - up; r.Verdict != Pass || late > 250*time.Millisecond {
				t.Errorf("up after %v, seen %v later: %+v", up, late, r)
			}
		})
	}
}

func TestRunAllAtOnceInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jobs []job
		for i := range 20 {
			f := &fake{start: time.Now(), takes: time.Duration(20-i) * time.Millisecond, answer: goodFrom(0, ever)}
			jobs = append(jobs, job{index: i, named: Named{Name: strings.Repeat("n", i)}, checker: f})
		}
		inside, ends := 0, map[int]int{}
		results := runJobs(t.Context(), jobs, func(u Update) {
			inside++
			<-time.After(time.Microsecond) // virtual: lets all the others in, if anything does
			if inside != 1 {
				t.Errorf("%d goroutines in observe", inside)
			}
			if u.Verdict != "" {
				ends[u.Index]++
			}
			inside--
		})
		for i, r := range results {
			if len(r.Name) != i || r.Verdict != Pass || ends[i] != 1 || r.Duration > 600*time.Millisecond {
				t.Errorf("result %d, told %d times: %+v", i, ends[i], r)
			}
		}
	})
}

func TestRunSettings(t *testing.T) {
	sh := func(script string) Settings {
		return Settings{Command: &Command{Argv: []string{"/bin/sh", "-c", script}}, Timing: Timing{Interval: time.Millisecond}}
	}
	dir := t.TempDir()
	results := Run(t.Context(), []Named{
		{Name: "wrong", Settings: Settings{TCP: &TCP{Address: "nowhere"}}},
		{Name: "env", Settings: sh(`echo "$GREETING from $(pwd)"`), Env: []string{"GREETING=hello", "PATH=/usr/bin:/bin"}, Dir: dir},
	}, nil)
	if r := results[0]; r.Verdict != Inconclusive || r.Reason != `cannot check: tcp: the address "nowhere" must be host:port` || r.Tries != 0 {
		t.Errorf("got %+v", r)
	}
	if r := results[1]; r.Verdict != Pass || r.Reason != "hello from "+dir || r.Tries != 3 || r.Kind != "command" {
		t.Errorf("got %+v", r)
	}
	text, err := json.Marshal(Update{Index: 1, State: "passed", Result: Result{Name: "n", Kind: "tcp", Target: "h:1", Verdict: Pass, Reason: "r", Last: Observation{Verdict: Pass, Reason: "r"}}})
	want := `{"index":1,"name":"n","kind":"tcp","target":"h:1","verdict":"pass","reason":"r","tries":0,"healthy_ns":0,"duration_ns":0,"last":{"verdict":"pass","reason":"r"},"state":"passed"}`
	if err != nil || string(text) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, text, want)
	}
}
