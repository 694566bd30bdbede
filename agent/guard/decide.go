package guard

import (
	"slices"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// Place is where this instance stands in its deployment, as far as AWS says. It is asked for once a deployment.
type Place struct {
	Instance  string         `json:"instance"`
	Group     string         `json:"group"` // its Auto Scaling group; "" is none
	Role      lifecycle.Role `json:"role"`
	Creator   string         `json:"creator"`
	Trigger   string         `json:"trigger,omitempty"`   // the deployment that this one rolls back
	Instances int            `json:"instances,omitempty"` // of the deployment; 0 is not known
	Originals []string       `json:"originals,omitempty"` // the originals' groups, from the replacement's side
	Notes     []string       `json:"notes,omitempty"`     // why something is unknown
}

// Kind is what CodeDeploy says of a deployment; the zero value where it may not be asked.
type Kind struct {
	Creator, Trigger string
	InPlace          bool
	Instances        int
}

// Fill works out the role: from the deployment's kind and the instance's label in it (Blue or Green); where that may
// not be asked, from the name that CodeDeploy gives to a group that it copies.
func (p *Place) Fill(d lifecycle.Deployment, k Kind, label string) {
	if k.Creator != "" {
		p.Creator = k.Creator
	}
	p.Trigger, p.Instances = k.Trigger, k.Instances
	switch {
	case k.InPlace:
		p.Role = lifecycle.InPlaceRole
	case label == "Green", copied(p.Group, d.ID):
		p.Role = lifecycle.Replacement
	case label == "Blue":
		p.Role = lifecycle.Original
	}
}

// Want is what an event wants suspended, and on whose group.
type Want struct {
	Originals bool // the originals' groups, from the replacement's side; else the instance's own
	Side      Side
}

// order is that of a blue/green deployment as a whole: the originals' events come last.
func order(e lifecycle.Event) int {
	return slices.Index([]lifecycle.Event{lifecycle.ApplicationStop, lifecycle.BeforeInstall, lifecycle.AfterInstall, lifecycle.ApplicationStart,
		lifecycle.ValidateService, lifecycle.BeforeAllowTraffic, lifecycle.AfterAllowTraffic, lifecycle.BeforeBlockTraffic, lifecycle.AfterBlockTraffic}, e)
}

// Events gives the events in which a guard may be begun, whatever the role.
func (s Settings) Events() (out []lifecycle.Event) {
	for _, e := range lifecycle.Hookable() {
		if e == lifecycle.BeforeBlockTraffic || e != lifecycle.AfterBlockTraffic && (order(e) >= order(s.Replacement.From) || order(e) >= order(s.Original.From)) {
			out = append(out, e)
		}
	}
	return out
}

// Wants says what an event wants of the guard.
//
// Blocking traffic makes an original of whoever does it: an instance in place, one whose role cannot be asked, and a
// replacement that a rollback takes out again. An instance that Auto Scaling itself is taking away needs nothing held.
func (s Settings) Wants(e lifecycle.Event, at Place) (out []Want) {
	if s.Mode == Disabled || at.Creator == "autoscalingTermination" {
		return nil
	}
	switch {
	case e == lifecycle.BeforeBlockTraffic:
		return []Want{{Side: s.Original}}
	case e == lifecycle.AfterBlockTraffic || !e.TakesHooks():
		return nil
	case at.Role == lifecycle.Original && order(e) >= order(s.Original.From):
		return []Want{{Side: s.Original}}
	case at.Role == lifecycle.Replacement:
		if order(e) >= order(s.Replacement.From) {
			out = append(out, Want{Side: s.Replacement})
		}
		if order(e) >= order(s.Original.From) {
			out = append(out, Want{Originals: true, Side: s.Original})
		}
	}
	return out
}

// Claims is all that any side of a deployment may want on a group.
func (s Settings) Claims(more []Process) []Process {
	return union(union(s.Original.Processes, s.Replacement.Processes), more)
}

// Delay says how long an instance waits before it begins: of n at once about four go first, so that the others find
// the guard there and write nothing. n is 0 where it is not known. draw is from [0, 1), fixed per instance.
func Delay(n int, draw, jitter float64) time.Duration {
	switch {
	case n == 0:
		return time.Duration(jitter * float64(2*time.Second))
	case draw < 4/float64(n):
		return 0
	}
	return time.Second + time.Duration(jitter*float64(3*time.Second))
}

// Draw is an instance's number from [0, 1) in a deployment: the same each time, another in the next deployment.
func Draw(deployment, instance string) float64 {
	sum := hash(deployment+" "+instance, 8)
	var v uint32
	for _, c := range sum {
		v = v<<4 | uint32(slices.Index([]rune("0123456789abcdef"), c))
	}
	return float64(v) / (1 << 32)
}
