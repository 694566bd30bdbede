package guard

// More schedules, for what the service will do all at once: a follower beside later hooks of the same instance, people
// with `wingman guard resume`, a deployment that waits to be rerouted, a CodeDeploy that may not be asked.

import (
	"fmt"
	"testing"
	"time"
)

// part is one instance's part: a hook at each of the times, and a follower beside them that ends when it gave back.
func (m *model) part(name, d string, want []Process, crash float64, follows, replacement bool, times ...time.Duration) {
	held := false // the journal's word
	for i, at := range times {
		m.start(fmt.Sprint(name, ".", i), epoch.Add(at), crash, func(now time.Time, do Do) {
			out := m.begin(d, want).Do(now, do)
			m.trace = append(m.trace, fmt.Sprintf("%6.1f %s.%d %s %v", m.now.Sub(epoch).Seconds(), name, i, out.State, out.Err))
			held = out.State == Begun || out.State == Joined
		})
	}
	if !follows {
		return
	}
	m.start(name+".f", epoch.Add(times[0]+time.Second), crash/10, func(_ time.Time, do Do) {
		until := epoch.Add(times[len(times)-1] + 10*time.Minute) // as the journal has it
		for {
			wait := do(Call{Op: Wait, Until: m.now.Add(time.Duration(1+m.IntN(45)) * time.Second)})
			if wait.Now.After(epoch.Add(20 * time.Minute)) {
				return
			}
			out := Follow{Begin: m.begin(d, want), Until: until, Held: held, Replacement: replacement}.Do(do)
			m.trace = append(m.trace, fmt.Sprintf("%6.1f %s.f %s %v %v", m.now.Sub(epoch).Seconds(), name, out.State, out.Err, out.Notes))
			if len(out.Resumed) > 0 {
				held = false
			}
			switch out.State {
			case Waits:
				held = false
			case Begun, Joined, Holds, Lost:
				held = true
			case Released:
				return
			}
		}
	})
}

func (m *model) crashes() float64 { return []float64{0, 0.15}[m.IntN(2)] }

// times are those of an instance's hooks, until about the deployment's end.
func (m *model) times(end time.Duration) (out []time.Duration) {
	for at := time.Duration(m.IntN(20000)) * time.Millisecond; at < end && len(out) < 5; at += time.Duration(1000+m.IntN(60000)) * time.Millisecond {
		out = append(out, at)
	}
	if len(out) == 0 {
		out = []time.Duration{0}
	}
	return out
}

// Hooks go on while followers, reapers and an operator do too: what wingman suspended is given back all the same.
func TestSchedulesOfManyHooksAndAnOperator(t *testing.T) {
	for _, tt := range []struct {
		name     string
		by       string
		restamp  bool
		thousand float64
	}{{"resumes", "resume", false, 1}, {"resumes, restamped", "resume", true, 1}, {"guard resume", "hand", false, 1}, {"guard resume, restamped", "hand", true, 1}, {"both", "both", false, 1}} {
		t.Run(tt.name, func(t *testing.T) {
			schedules(t, tt.thousand, func(m *model) {
				m.claimed, m.restamp = false, tt.restamp
				end := m.soon()
				m.over["d-1"] = epoch.Add(end)
				for i := range 2 {
					m.part(fmt.Sprint("i", i), "d-1", Defaults().Original.Processes, m.crashes(), m.IntN(4) > 0, false, m.times(end)...)
				}
				op := Defaults().Original.Processes[m.IntN(6)]
				for _, p := range Defaults().Original.Processes {
					m.touched[p] = true
				}
				for i := range 1 + m.IntN(2) {
					at := epoch.Add(time.Duration(m.IntN(int(end/time.Millisecond)+1)) * time.Millisecond)
					if tt.by == "resume" || tt.by == "both" && i == 0 {
						m.start("operator", at, 0, func(_ time.Time, do Do) {
							m.say(&actor{name: "operator"}, "resumes %s", op)
							m.change(func(n *moment) { delete(n.proc, op) })
						})
						continue
					}
					m.start("hand", at, m.crashes(), func(_ time.Time, do Do) { ByHand{Group: modelGroup, Nonce: m.nonce}.Do(do) })
				}
			})
		})
	}
}

// A deployment waits to be rerouted: the replacement's guard is let go, and begun again. A let-go on its way then makes
// the gap of G1, which the next look closes. Allowed for is a let-go that resumes under a begin of the same seconds, from a
// status that was too old: others take it for somebody's hand (1.2 per 1,000 in 12,000; before the record was unprotected
// first it was 7.5).
func TestSchedulesOfAReadyDeployment(t *testing.T) {
	schedules(t, 4, func(m *model) {
		m.claimed = false
		from := time.Duration(20+m.IntN(60)) * time.Second
		to := from + time.Duration(1+m.IntN(120))*time.Second
		end := to + time.Duration(5+m.IntN(200))*time.Second
		m.ready = map[string][2]time.Time{"d-1": {epoch.Add(from), epoch.Add(to)}}
		m.over["d-1"] = epoch.Add(end)
		for i := range 2 {
			m.part(fmt.Sprint("i", i), "d-1", Defaults().Replacement.Processes, m.crashes(), m.IntN(4) > 0, true, time.Duration(m.IntN(int(from))), to+time.Duration(m.IntN(4000))*time.Millisecond)
		}
		m.part("sound", "d-1", Defaults().Replacement.Processes, 0, true, true, time.Duration(m.IntN(int(from))), to+time.Duration(m.IntN(4000))*time.Millisecond)
		if m.run(epoch.Add(end)); end < to+100*time.Second { // two looks, and what they wait for
			return
		}
		for _, p := range Defaults().Replacement.Processes {
			if _, is := m.present().proc[p]; !is {
				m.breaks("G1: %s still runs long after the traffic was rerouted", p)
			}
		}
	})
}

// Nobody may ask CodeDeploy: the guard ends with its `until`, which no follower moves.
func TestSchedulesWithoutCodeDeploy(t *testing.T) {
	schedules(t, 0, func(m *model) {
		m.claimed, m.mute = false, true
		for i := range 3 {
			m.part(fmt.Sprint("i", i), "d-1", Defaults().Original.Processes, 0, true, false, m.times(time.Minute)...)
		}
		m.run(epoch.Add(time.Minute + 15*time.Second + 10*time.Minute + time.Minute + 2*time.Minute))
		for p, s := range m.present().proc {
			if s.by == "wingman" {
				m.breaks("G2: %s is suspended long after until and grace", p)
			}
		}
	})
}

// The dead-man switch, with nobody to look, with hooks that go on, and beside what the operator had suspended before:
// whenever it fires, the guard's time is up.
func TestSchedulesWithADeadManSwitch(t *testing.T) {
	for _, nobody := range []bool{false, true} {
		t.Run(fmt.Sprintf("nobody left %t", nobody), func(t *testing.T) {
			schedules(t, 0, func(m *model) {
				m.claimed, m.dead, m.mute = false, DeadMan{RoleARN: "role"}, nobody
				m.past[0].proc = map[Process]suspended{Terminate: {epoch.Add(-time.Hour), "operator"}}
				end := m.soon()
				if m.over["d-1"] = epoch.Add(end); m.IntN(2) == 0 {
					m.over["e-2"] = m.over["d-1"].Add(time.Duration(m.IntN(60)) * time.Second)
				}
				for d := range m.over {
					for i := range 2 {
						m.part(fmt.Sprint(d, i), d, Defaults().Original.Processes, m.crashes(), !nobody && m.IntN(4) > 0, false, m.times(end)...)
					}
				}
				if !nobody {
					return
				}
				m.run(epoch.Add(end + time.Minute + 10*time.Minute + time.Minute + 3*time.Minute))
				for p, s := range m.present().proc {
					if s.by == "wingman" && !m.calm {
						m.breaks("the switch left %s suspended", p)
					}
				}
			})
		})
	}
}

// Two slots of one deployment are one guard.
func TestSchedulesOfTwoSlots(t *testing.T) {
	schedules(t, 0, func(m *model) {
		m.claimed = false
		end := m.soon()
		m.over["d-1"] = epoch.Add(end)
		for i := range 3 {
			m.part(fmt.Sprint("i", i), "d-1", [][]Process{Defaults().Original.Processes, Defaults().Replacement.Processes}[m.IntN(2)], m.crashes(), m.IntN(4) > 0, false, m.times(end)...)
		}
		// Another group's guard stood in the first slot when some looked.
		b := m.begin("d-1", nil)
		var owned []Claim // as every writer claims
		for _, p := range b.Claim {
			owned = append(owned, window(p, epoch.Add(-25*time.Second)))
		}
		for i, d := range []string{"e-2", "d-1"} {
			r := Record{Version: version, ARN: arnHash(modelARN), Deployment: d, Until: epoch.Add(10 * time.Minute), Nonce: m.nonce(), Owned: owned, Protect: []Process{Terminate}}
			m.past[0].tags[Keys()[(home(b.Home)+i)%slots]] = r.String()
		}
		m.over["e-2"] = epoch.Add(time.Second)
		if m.IntN(2) == 0 {
			r := Record{Version: version, ARN: arnHash(modelARN), Deployment: "d-1", Until: epoch.Add(10 * time.Minute), Nonce: m.nonce(), Owned: owned, Protect: []Process{Launch}, Barred: []Process{AZRebalance}}
			m.past[0].tags[Keys()[(home(b.Home)+3)%slots]] = r.String()
		}
	})
}

// All eight slots are taken, by guards of which some have ended: one is taken over, with what it holds.
func TestSchedulesOfEightGuards(t *testing.T) {
	schedules(t, 0, func(m *model) {
		m.claimed = false
		end := m.soon()
		m.over["d-1"] = epoch.Add(end)
		for i, key := range Keys() {
			d := fmt.Sprintf("%c-8", 'e'+i)
			m.over[d] = epoch.Add(time.Duration(m.IntN(200)-100) * time.Second)
			r := Record{Version: version, ARN: arnHash(modelARN), Deployment: d, Until: epoch.Add(10 * time.Minute), Nonce: m.nonce(), Protect: []Process{Terminate}}
			if i == 3 {
				r.Owned = []Claim{{Terminate, epoch.Add(-2 * time.Minute), epoch.Add(-time.Minute)}}
				m.past[0].proc[Terminate] = suspended{epoch.Add(-100 * time.Second), "wingman"}
			}
			m.past[0].tags[key] = r.String()
		}
		for i := range 2 {
			m.part(fmt.Sprint("i", i), "d-1", Defaults().Original.Processes, m.crashes(), m.IntN(4) > 0, false, m.times(end)...)
		}
	})
}
