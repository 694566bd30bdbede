// Package breakage plays deployments that break, each in its own way, from end to end on simulated AWS in virtual time, and
// says what wingman's diagnosis of each has to be. They are tests of the diagnosis, examples for its readers, and what
// `wingman rehearse --scene` shows.
package breakage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

// Scene is one deployment that breaks, or does not.
type Scene struct {
	Name  string // lower-case words with hyphens
	Story string // what happens, in one sentence
	Wants Wants
	play  func(*stage)
}

// Wants is the diagnosis that is right.
type Wants struct {
	Cause string                 // that comes first; "": the diagnosis abstains, or there is nothing to explain
	Live  deployment.Environment // who serves
	Left  []string               // kinds of what is left over
}

// Played is a scene that was played.
type Played struct {
	Scene
	Evidence  deployment.Evidence
	Diagnosis deployment.Diagnosis
	Calls     int // to AWS, for the evidence
}

// Play plays a scene and asks simulated AWS what happened, as wingman diagnose does.
func Play(ctx context.Context, s Scene) (p Played, err error) {
	st, err := newStage()
	if err != nil {
		return p, fmt.Errorf("cannot play %s: %w", s.Name, err)
	}
	defer st.close()
	defer func() {
		if broken, is := recover().(stageError); is {
			err = fmt.Errorf("cannot play %s: %w", s.Name, broken.error)
		}
	}()
	s.play(st)
	before := len(st.sim.Requests())
	client := cloud.New(cloud.Options{Endpoint: st.sim.URL(), Region: st.sim.Region, Dial: st.sim.Dial, Key: "AKIAREADONLY", Patient: true})
	e, err := client.Evidence(ctx, st.id)
	if err != nil {
		return p, fmt.Errorf("cannot play %s: %w", s.Name, err)
	}
	e.Here = e.Asked // the clock of this machine is not in the play
	return Played{Scene: s, Evidence: e, Diagnosis: deployment.Diagnose(e), Calls: len(st.sim.Requests()) - before}, nil
}

// Wrong says what the diagnosis lacks; "" where it is right.
func (p Played) Wrong() string {
	var wrong []string
	if got := p.Diagnosis.First(); got != p.Wants.Cause {
		wrong = append(wrong, fmt.Sprintf("the first cause is %q, want %q", got, p.Wants.Cause))
	}
	if got := p.Diagnosis.Live.Environment; got != p.Wants.Live {
		wrong = append(wrong, fmt.Sprintf("live is %q, want %q (%s)", got, p.Wants.Live, p.Diagnosis.Live.Why))
	}
	var left []string
	for _, l := range p.Diagnosis.LeftOvers {
		left = append(left, l.Kind)
	}
	slices.Sort(left)
	want := slices.Sorted(slices.Values(p.Wants.Left))
	if left = slices.Compact(left); !slices.Equal(left, want) {
		wrong = append(wrong, fmt.Sprintf("left over is %q, want %q", left, want))
	}
	return strings.Join(wrong, "; ")
}

// All gives every scene, those that look alike side by side.
func All() []Scene {
	return slices.Concat(scripts(), oldScripts(), agents(), surroundings(), revisions(), instances(), instancesApart(), launches(), traffic(), balancers(), ends(), whileItGoesOn(), rollbacks(), remains(), outOfTraffic(), permissions())
}

// Find gives the scene of that name.
func Find(name string) (Scene, bool) {
	all := All()
	i := slices.IndexFunc(all, func(s Scene) bool { return s.Name == name })
	if i < 0 {
		return Scene{}, false
	}
	return all[i], true
}
