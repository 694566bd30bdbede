//go:build unix

package engine

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// Given back within 90 s of the deployment's end, however many took part and whenever it ends; by the worst of these, and
// 99 of 100 is what is promised.
func TestGivenBackInTime(t *testing.T) {
	var worst time.Duration
	rounds := map[int]int{1: 30, 3: 15, 40: 3}
	if testing.Short() {
		rounds = map[int]int{1: 3, 40: 1}
	}
	for n, times := range rounds {
		for range times {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, n)
				s.hook(lifecycle.BeforeBlockTraffic)
				if !s.held() {
					t.Fatal("nothing is held")
				}
				time.Sleep(time.Duration(rand.IntN(300_000)) * time.Millisecond)
				s.ends()
				took := s.until("given back", func() bool { return !s.held() })
				worst = max(worst, took)
				if took > 90*time.Second {
					t.Errorf("%d instances: given back %s after the deployment's end", n, took)
				}
				time.Sleep(2 * time.Minute) // all who asked have seen it
				if len(s.told(GivenBack)) == 0 || len(s.told(Over)) == 0 || len(s.told(Failing)) > 0 {
					t.Errorf("told: %+v, %+v, %+v", s.told(GivenBack), s.told(Over), s.told(Failing))
				}
			})
		}
	}
	t.Logf("at worst %s after the end", worst)
}

// Of a fleet a few ask while the deployment goes on; the others only when the guard's time is up, and not at once.
func TestAFleetAsksLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 40)
		s.hook(lifecycle.BeforeBlockTraffic)
		from := time.Now()
		time.Sleep(10 * time.Minute)
		asked, who := 0, map[string]bool{}
		for _, r := range s.Requests() {
			if r.Operation == "GetDeployment" && r.At.After(from) {
				asked++
				who[r.Caller] = true
			}
		}
		t.Logf("%d of 40 asked %d times in 10 minutes", len(who), asked)
		if len(who) > 20 || asked > 40*len(who) {
			t.Errorf("%d instances asked %d times", len(who), asked)
		}
		s.ends()
		s.until("given back", func() bool { return !s.held() })
		time.Sleep(90 * time.Minute)
		for _, m := range s.members {
			all, err := journal.New(m.State).Guards()
			if err != nil || len(all) != 1 || all[0].Closed.IsZero() {
				t.Errorf("not closed: %+v %v", all, err)
			}
		}
	})
}

// Where the deployment may not be asked for, that is said once, and the guard's time decides.
func TestNotAllowedToAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 2)
		s.Inject(awssim.Fault{Operation: "GetDeployment", Deny: true})
		write(t, s.revision, "wingman.yml", "version: 1\non_failure: [{command: [/bin/true]}]")
		s.hook(lifecycle.BeforeBlockTraffic)
		s.ends()
		took := s.until("given back", func() bool { return !s.held() })
		if took < 70*time.Minute || took > 80*time.Minute {
			t.Errorf("given back after %s", took)
		}
		denied := s.told(Denied)
		if len(denied) != 4 { // each instance says it of its guard, and of what it still owes
			t.Errorf("told %+v", denied)
		}
		for _, n := range denied {
			if !strings.Contains(n.Text, "codedeploy:GetDeployment") {
				t.Errorf("told %s", n.Text)
			}
		}
	})
}

// AWS is silent for two hours, past the guard's time: it is asked at least once a minute, and what is held is given back
// once it answers.
func TestAWSIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1)
		s.hook(lifecycle.BeforeBlockTraffic)
		time.Sleep(time.Minute)
		remove := s.Inject(awssim.Fault{Status: 503, Code: "ServiceUnavailable"})
		s.ends()
		time.Sleep(2 * time.Hour)
		remove()
		if took := s.until("given back", func() bool { return !s.held() }); took > 90*time.Second {
			t.Errorf("given back %s after AWS answers again", took)
		}
		if n := len(s.told(Failing)); n == 0 || n > 5 {
			t.Errorf("told %d times that it fails: %+v", n, s.told(Failing))
		}
	})
}

// A release that was on its way when the guard was begun takes it away at once: the next look, within 25 s, begins again.
func TestTheOneGapIsHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1)
		s.hook(lifecycle.BeforeBlockTraffic)
		began := time.Now()
		s.must(s.Resume("web", "Terminate", "AZRebalance"))
		s.until("begun again", func() bool { g, _ := s.Group("web"); return g.Suspended["Terminate"] != "" })
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("begun again after %s", took)
		}
		time.Sleep(time.Minute)
		s.must(s.Resume("web", "Terminate")) // late: somebody's hand
		time.Sleep(3 * time.Minute)
		if g, _ := s.Group("web"); g.Suspended["Terminate"] != "" || g.Suspended["AZRebalance"] == "" {
			t.Errorf("suspended: %v", g.Suspended)
		}
		if len(s.told(BegunAgain)) != 1 || len(s.told(Barred)) != 1 {
			t.Errorf("told: %+v %+v", s.told(BegunAgain), s.told(Barred))
		}
	})
}

// A service that was not there goes on where another ended; and what nobody who took part can give back, an instance of
// the group does that has never heard of the deployment.
func TestAnotherServiceGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 2)
		gone := s.members[0]
		s.members = s.members[:1]
		s.hook(lifecycle.BeforeBlockTraffic)
		time.Sleep(time.Minute)
		s.ends()
		s.until("given back", func() bool { return !s.held() })
		time.Sleep(time.Minute) // and it is on record
		again := NewFollower(gone.Engine, nil)
		if next, news := again.Step(t.Context()); len(news) > 0 || time.Until(next) < 5*time.Minute/4 {
			t.Errorf("nothing is open: again at %s, %+v", next, news)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 2)
		m := s.members[1]
		must := journal.New(m.State)
		s.must(must.Keep("d-EARLIER00", placeFile, found{Place: guard.Place{Instance: s.instances[1], Group: "web", Instances: 2}}))
		w, err := must.Begin(journal.Run{ID: "a", Deployment: lifecycle.Deployment{ID: "d-EARLIER00"}, Started: time.Now()})
		s.must(err)
		s.must(w.End(journal.Run{ID: "a", Deployment: lifecycle.Deployment{ID: "d-EARLIER00"}, Verdict: journal.Succeeded, Started: time.Now(), Ended: time.Now()}))
		m.wake <- struct{}{}
		stranger := &Engine{Paths: Paths{Settings: "/nowhere", State: t.TempDir()}, Cloud: m.Cloud}
		looked, err := stranger.SuspendByHand(t.Context(), []string{"web"}, s.id, 0, nil)
		if err != nil || looked[0].State != guard.Begun {
			t.Fatal(looked, err)
		}
		s.ends()
		if took := s.until("given back", func() bool { return !s.held() }); took > 11*time.Minute {
			t.Errorf("reaped after %s", took)
		}
	})
}

// What is owed once the deployment failed elsewhere, or succeeded, is told; once it is claimed no more.
func TestWhatIsDueAfterTheDeployment(t *testing.T) {
	for _, failed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, 2)
			write(t, s.revision, "wingman.yml", "version: 1\non_failure: [{command: [/bin/true]}]\nalways: [{command: [/bin/true]}]")
			s.hook(lifecycle.BeforeBlockTraffic)
			time.Sleep(5 * time.Minute)
			if due := s.members[0].told(); len(due) > 0 {
				t.Fatalf("while it goes on: %+v", due)
			}
			if failed {
				s.ends()
			} else {
				s.open()
				s.until("over", func() bool { d, _ := s.Deployment(s.id); return d.Over() })
			}
			time.Sleep(2 * time.Minute)
			for _, m := range s.members {
				due := m.told()
				if len(due) != 1 || due[0].Failed != failed || due[0].Deployment.ID != s.id || due[0].Event != lifecycle.BeforeBlockTraffic || due[0].Revision != s.revision || !strings.Contains(due[0].Why, "the deployment is ") {
					t.Fatalf("failed %t: %+v", failed, due)
				}
			}
			if !failed {
				return
			}
			one, two := s.members[0], s.members[1]
			for _, phase := range []string{"on_failure", "always"} {
				if _, err := journal.New(one.State).Claim(s.id, phase); err != nil {
					t.Fatal(err)
				}
			}
			wait, most := 25*time.Hour, 12
			if testing.Short() {
				wait, most = time.Hour, 5
			}
			time.Sleep(wait)
			if a, b := len(one.told()), len(two.told()); a != 1 || b < 3 || b > most {
				t.Errorf("claimed, it was told %d times; not claimed, %d", a, b)
			}
			if next, _ := two.follower.Step(t.Context()); next.IsZero() || time.Until(next) > 30*time.Minute {
				t.Errorf("the group may carry left-over guards, and is looked at next at %s", next)
			}
		})
	}
}

// A hook that died is on_failure's business at once, whatever becomes of the deployment.
func TestAnInterruptedRunIsDueAtOnce(t *testing.T) {
	e := host(t)
	dir := rescue(t)
	interrupt(t, e, "d-1", "a", dir, time.Now().Add(-time.Minute))
	interrupt(t, e, "d-2", "b", t.TempDir(), time.Now())                   // owes nothing
	interrupt(t, e, "d-3", "c", dir, time.Now().Add(-owedFor-time.Minute)) // long ago
	interrupt(t, e, "", "d", dir, time.Now())                              // by hand
	var told []Due
	f := NewFollower(e, func(d Due) { told = append(told, d) })
	for range 2 {
		if next, news := f.Step(t.Context()); next.IsZero() || len(news) > 0 {
			t.Errorf("again at %s, %+v", next, news)
		}
	}
	if len(told) != 1 || !told[0].Failed || told[0].Deployment.ID != "d-1" || !strings.Contains(told[0].Why, "its AfterInstall was interrupted here") {
		t.Fatalf("told %+v", told)
	}
	if res, err := e.After(t.Context(), AfterRequest{Due: told[0]}, io.Discard); err != nil || len(res.Steps) != 2 {
		t.Errorf("%+v %v", res, err)
	}
	if next, _ := f.Step(t.Context()); !next.IsZero() || len(told) != 1 {
		t.Errorf("done, and again at %s; told %d times", next, len(told))
	}
}

// Steps at once do nothing twice.
func TestStepsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1)
		s.hook(lifecycle.BeforeBlockTraffic)
		s.ends()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				for s.held() {
					s.members[0].follower.Step(context.Background())
					time.Sleep(time.Second)
				}
			})
		}
		wg.Wait()
		n := 0
		for _, r := range s.Requests() {
			if r.Operation == "ResumeProcesses" {
				n++
			}
		}
		if n != 1 {
			t.Error(fmt.Sprint("resumed ", n, " times"))
		}
	})
}
