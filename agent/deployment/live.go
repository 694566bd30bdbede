package deployment

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// live computes who serves from the load balancer alone: what the deployment says of itself is not proof.
func (v *view) live() Live {
	l := Live{Environment: Unknown, Original: v.standing(lifecycle.Original, v.blue), Replacement: v.standing(lifecycle.Replacement, v.green)}
	switch {
	case !v.known:
		l.Why = "the deployment could not be read (" + reason(v.Info.Missing) + "), so its load balancer is not known"
		return l
	case !v.info.BlueGreen:
		return v.inPlace()
	case len(v.Balanced) == 0:
		l.Why = "the deployment names no load balancer"
		return l
	}
	for _, b := range v.Balanced {
		if m := b.Health.Missing; m != nil {
			l.Why = "the targets' health of " + b.Name + " could not be read: " + reason(m)
			return l
		}
	}
	serving := v.serving(&l)
	if l.Others > 0 && (v.unsure() || serving == Neither) {
		l.Why = fmt.Sprintf("%s healthy behind the load balancer, and the evidence does not say of which environment: %s", count(l.Others, "target is", "targets are"), v.whyUnsure())
		return l
	}
	l.Environment, l.Why = serving, v.whyLive(l)
	return l
}

// serving says which side has healthy targets, and counts those of neither.
func (v *view) serving(l *Live) Environment {
	seen := map[string]bool{}
	for _, b := range v.Balanced {
		for _, h := range b.Health.Value {
			if !seen[h.ID] && v.side(h.ID) == lifecycle.Unknown && v.anyHealthy(h.ID) {
				l.Others++
			}
			seen[h.ID] = true
		}
	}
	switch {
	case l.Original.Healthy > 0 && l.Replacement.Healthy > 0:
		return Both
	case l.Original.Healthy > 0:
		return Original
	case l.Replacement.Healthy > 0:
		return Replacement
	}
	return Neither
}

// unsure says that an instance's side may be unknown for want of evidence.
func (v *view) unsure() bool { return v.whyUnsure() != noGap }

const noGap = "no Auto Scaling group of the deployment has it"

func (v *view) whyUnsure() string {
	for _, s := range v.Scaling {
		if m := s.State.Missing; m != nil && m.Why != NotFound {
			return s.Name + ": " + reason(m)
		}
	}
	for _, m := range []*Missing{v.Group.Missing, v.Targets.Missing} {
		if m != nil {
			return reason(m)
		}
	}
	return noGap
}

func (v *view) whyLive(l Live) string {
	side := func(name string, s Standing) string {
		switch {
		case s.Gone && s.Instances == 0:
			return name + ": its group is gone"
		case s.Instances == 0 && s.Healthy == 0:
			return name + ": no instances"
		}
		text := fmt.Sprintf("%s: %d of %d healthy", name, s.Healthy, s.Instances)
		for _, state := range slices.Sorted(maps.Keys(s.States)) {
			text += fmt.Sprintf(", %d %s", s.States[state], state)
		}
		return text
	}
	text := side("original", l.Original) + "; " + side("replacement", l.Replacement)
	if l.Others > 0 {
		text += "; and " + count(l.Others, "healthy target that is in neither", "healthy targets that are in neither")
	}
	return text
}

// standing is how a side stands behind the load balancer.
func (v *view) standing(side lifecycle.Role, groups []string) Standing {
	s := Standing{Groups: groups, States: map[string]int{}}
	for _, name := range groups {
		m := v.scaling(name).State.Missing
		s.Gone = s.Gone || m != nil && m.Why == NotFound
	}
	for _, id := range v.members(side) {
		if f := v.fateOf(id); !f.here && (f.absent || f.activity != nil) && !v.healthy(id) {
			continue // it is not there any more
		}
		s.Instances++
		if v.healthy(id) {
			s.Healthy++
			continue
		}
		if h, _, whole := v.healthOf(id); h != nil && whole {
			state := h.State
			switch {
			case h.Reason == "Target.NotRegistered":
				state = "not registered"
			case h.Reason == "Target.NotInUse":
				state = "unused (no load balancer forwards to " + v.Balanced[0].Name + ")"
			}
			s.States[state]++
		}
	}
	return s
}

// members gives a side's instances, in order.
func (v *view) members(side lifecycle.Role) (ids []string) {
	for id, s := range v.sides {
		if s == side {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// inPlace is for a deployment in which there is but one environment: what runs on it is the question.
func (v *view) inPlace() Live {
	l := Live{Environment: InPlace, Original: v.standing(lifecycle.InPlaceRole, nil)}
	status := map[string]int{}
	for _, t := range v.Targets.Value {
		status[t.Status]++
	}
	var parts []string
	for _, p := range []struct{ status, words string }{{"Succeeded", "with the new revision"}, {"Failed", "failed half-way"}, {"InProgress", "under way"}, {"Skipped", "not touched: still with the old one"}, {"Pending", "not begun"}} {
		if n := status[p.status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, p.words))
		}
	}
	l.Why = count(len(v.Targets.Value), "instance", "instances")
	if len(parts) > 0 {
		l.Why += ": " + strings.Join(parts, ", ")
	}
	switch missing := v.healthMissing(); {
	case len(v.Balanced) == 0:
	case missing != nil:
		l.Why += "; who is in service could not be read: " + reason(missing)
	default:
		l.Why += fmt.Sprintf("; %d of %d in service behind the load balancer", l.Original.Healthy, l.Original.Instances)
	}
	return l
}

func (v *view) healthMissing() *Missing {
	for _, b := range v.Balanced {
		if b.Health.Missing != nil {
			return b.Health.Missing
		}
	}
	return nil
}

// reason is why something is missing, in a few words.
func reason(m *Missing) string {
	switch m.Why {
	case Denied:
		return m.Action + " is denied"
	case Throttled:
		return m.Action + " is throttled"
	case NotFound:
		return "it is not there"
	case NotAsked:
		return "not asked: " + m.Tells
	}
	return strings.TrimSpace(m.Action + " " + string(m.Why) + ": " + m.Text)
}

// count says a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
