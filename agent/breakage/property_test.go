package breakage

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

// seeds is how many times each scene's evidence is damaged.
const seeds = 300

// With a tenth of the evidence denied or missing the diagnosis is the right one, a more general one, or none: never
// another one that it stands by, and never another environment that it calls live.
func TestAThingThatIsMissingMisleadsNobody(t *testing.T) {
	right, abstained := 0, 0
	for _, s := range All() {
		p, err := Play(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		var saved bytes.Buffer
		if err := p.Evidence.Save(&saved); err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(seeds) {
			e, err := deployment.Load(bytes.NewReader(saved.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			lost := damage(&e, rand.New(rand.NewPCG(seed, 7)))
			d := deployment.Diagnose(e)
			switch got := d.First(); {
			case got == s.Wants.Cause && got != "":
				right++
			case got == "":
				abstained++
			case got != deployment.General(s.Wants.Cause):
				t.Errorf("%s, seed %d, without %s: %q, want %q\n%s", s.Name, seed, lost, got, s.Wants.Cause, d.Verdict)
			}
			for _, group := range emptied(d) {
				if serves(p.Evidence, group) {
					t.Errorf("%s, seed %d, without %s: it would empty %s, which serves", s.Name, seed, lost, group)
				}
			}
			if got := d.Live.Environment; got != s.Wants.Live && got != deployment.Unknown {
				t.Errorf("%s, seed %d, without %s: live is %q, want %q (%s)", s.Name, seed, lost, got, s.Wants.Live, d.Live.Why)
			}
		}
	}
	t.Logf("%d right, %d abstained", right, abstained)
	if right == 0 || abstained == 0 {
		t.Error("nothing was tried")
	}
}

// emptied gives the groups that the diagnosis tells to empty or to delete.
func emptied(d deployment.Diagnosis) (groups []string) {
	all := d.Next
	for _, l := range d.LeftOvers {
		all = append(all, l.Next...)
	}
	for _, c := range all {
		if strings.Contains(c.Type, "--desired-capacity 0") || strings.Contains(c.Type, "delete-auto-scaling-group") {
			_, after, _ := strings.Cut(c.Type, "--auto-scaling-group-name ")
			name, _, _ := strings.Cut(after, " ")
			groups = append(groups, name)
		}
	}
	return groups
}

// serves says that an instance of the group is healthy behind the load balancer. Of a group that the evidence does not
// describe that is so where a healthy target is in none that it does.
func serves(e deployment.Evidence, group string) bool {
	of := map[string]string{}
	described := false
	for _, s := range e.Scaling {
		described = described || s.Name == group
		for _, in := range s.State.Value.Instances {
			of[in.ID] = s.Name
		}
	}
	for _, b := range e.Balanced {
		for _, h := range b.Health.Value {
			if h.State == "healthy" && (of[h.ID] == group || of[h.ID] == "" && !described) {
				return true
			}
		}
	}
	return false
}

// damage takes a tenth of the evidence away, and says what.
func damage(e *deployment.Evidence, r *rand.Rand) (lost []string) {
	tenth := func(what string) *deployment.Missing {
		if r.IntN(10) > 0 {
			return nil
		}
		lost = append(lost, what)
		why := []deployment.Why{deployment.Denied, deployment.Throttled, deployment.Unreachable, deployment.Failed}[r.IntN(4)]
		return &deployment.Missing{Why: why, Action: "test:" + what, Tells: what}
	}
	e.Info = without(e.Info, tenth("info"))
	e.Group = without(e.Group, tenth("group"))
	e.Others = without(e.Others, tenth("others"))
	e.Siblings = without(e.Siblings, tenth("siblings"))
	e.Copies = without(e.Copies, tenth("copies"))
	e.Targets = without(e.Targets, tenth("targets"))
	if e.Group.Missing != nil && len(e.Scaling) > 0 && r.IntN(2) == 0 { // who may not read the group may not know all its Auto Scaling groups
		n := r.IntN(len(e.Scaling))
		lost = append(lost, "all of "+e.Scaling[n].Name)
		e.Scaling = append(e.Scaling[:n:n], e.Scaling[n+1:]...)
	}
	e.Targets = thin(e.Targets, r, tenth)
	e.Siblings = thin(e.Siblings, r, tenth)
	e.Others = thin(e.Others, r, tenth)
	e.Copies = thin(e.Copies, r, tenth)
	if tenth("counts") != nil {
		e.Info.Value.Counts = nil
	}
	for i := range e.Targets.Value {
		t := &e.Targets.Value[i]
		if m := tenth("target " + t.ID); m != nil {
			*t = deployment.Target{ID: t.ID, Unread: true}
			m.Part = true
			e.Targets.Missing = m
		}
		for n := range t.Events {
			if d := t.Events[n].Diagnostics; d != nil && d.Code != "Success" && tenth("diagnostics of "+t.ID) != nil {
				t.Events[n].Diagnostics = nil
			}
		}
	}
	for i := range e.Scaling {
		s := &e.Scaling[i]
		s.State = without(s.State, tenth("state of "+s.Name))
		s.Hooks = without(s.Hooks, tenth("hooks of "+s.Name))
		s.Activities = without(s.Activities, tenth("activities of "+s.Name))
		s.Activities = thin(s.Activities, r, tenth)
		s.Hooks = thin(s.Hooks, r, tenth)
	}
	for i := range e.Balanced {
		b := &e.Balanced[i]
		b.State = without(b.State, tenth("target group "+b.Name))
		b.Health = without(b.Health, tenth("health of "+b.Name))
		b.Health = thin(b.Health, r, tenth)
	}
	if fmt.Sprint(lost) == "[]" {
		return []string{"nothing"}
	}
	return lost
}

func without[T any](i deployment.Item[T], m *deployment.Missing) deployment.Item[T] {
	if m != nil {
		return deployment.Item[T]{Missing: m}
	}
	return i
}

// thin takes single entries of a list away, as a page that could not be read does.
func thin[T any](i deployment.Item[[]T], r *rand.Rand, tenth func(string) *deployment.Missing) deployment.Item[[]T] {
	m := tenth("some entries")
	if m == nil || i.Missing != nil {
		return i
	}
	var rest []T
	for _, v := range i.Value {
		if r.IntN(3) > 0 {
			rest = append(rest, v)
		}
	}
	m.Part = true
	return deployment.Item[[]T]{Value: rest, Missing: m}
}
