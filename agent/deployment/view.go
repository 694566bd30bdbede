package deployment

import (
	"slices"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// view is the evidence with what follows from it for every part of the diagnosis.
type view struct {
	Evidence
	info   Info
	known  bool // info is there
	green  []string
	blue   []string
	sides  map[string]lifecycle.Role // by instance
	target map[string]*Target
}

func look(e Evidence) *view {
	v := &view{Evidence: e, info: e.Info.Value, known: e.Info.Whole(), sides: map[string]lifecycle.Role{}, target: map[string]*Target{}}
	v.groups()
	for _, s := range v.Scaling {
		side := lifecycle.InPlaceRole
		switch {
		case slices.Contains(v.green, s.Name):
			side = lifecycle.Replacement
		case slices.Contains(v.blue, s.Name):
			side = lifecycle.Original
		case v.info.BlueGreen || !v.known:
			continue
		}
		for _, i := range s.State.Value.Instances {
			v.sides[i.ID] = side
		}
	}
	for i := range v.Targets.Value {
		t := &v.Targets.Value[i]
		v.target[t.ID] = t
		switch t.Label {
		case "Blue":
			v.sides[t.ID] = lifecycle.Original
		case "Green":
			v.sides[t.ID] = lifecycle.Replacement
		default:
			if v.known && !v.info.BlueGreen {
				v.sides[t.ID] = lifecycle.InPlaceRole
			}
		}
	}
	return v
}

// groups tells the replacement's Auto Scaling groups from the originals'.
func (v *view) groups() {
	if !v.info.BlueGreen {
		return
	}
	for _, s := range v.Scaling {
		if end := v.info.Completed; !end.IsZero() && s.State.Value.Created.After(end) {
			continue // a later deployment's
		}
		made := s.State.Value.Tags[ProvisioningTag]
		of := v.Deployment
		if v.info.RollsBack != "" {
			of = v.info.RollsBack
		}
		if slices.Contains(v.info.Replacement, s.Name) || made == of || s.Name == CopyName(v.info.Group, of) {
			v.green = append(v.green, s.Name)
		} else {
			v.blue = append(v.blue, s.Name)
		}
	}
}

// side is an instance's; unknown where the evidence does not say.
func (v *view) side(id string) lifecycle.Role {
	if s := v.sides[id]; s != "" {
		return s
	}
	return lifecycle.Unknown
}

// of counts the deployment's instances of a side.
func (v *view) of(side lifecycle.Role) (n int) {
	for _, t := range v.Targets.Value {
		if v.side(t.ID) == side {
			n++
		}
	}
	return n
}

// scaling is an Auto Scaling group's evidence.
func (v *view) scaling(name string) *ScalingGroup {
	for i := range v.Scaling {
		if v.Scaling[i].Name == name {
			return &v.Scaling[i]
		}
	}
	return nil
}

// fate is what became of an instance.
type fate struct {
	here     bool // a group has it, and does not terminate it
	absent   bool // no group has it, and all of them were read
	group    *ScalingGroup
	activity *Activity // that ended it
	whole    bool      // of the activities none is missing
}

// fateOf says what became of an instance: what the groups show now, and the activity that ended it.
func (v *view) fateOf(id string) fate {
	f := fate{absent: len(v.Scaling) > 0, whole: len(v.Scaling) > 0}
	for i := range v.Scaling {
		s := &v.Scaling[i]
		gone := s.State.Missing != nil && s.State.Missing.Why == NotFound
		f.absent = f.absent && (s.State.Whole() || gone)
		f.whole = f.whole && s.Activities.Whole()
		for _, in := range s.State.Value.Instances {
			if in.ID == id {
				f.absent, f.group = false, s
				f.here = !strings.HasPrefix(in.State, "Terminat")
			}
		}
		for n := range s.Activities.Value {
			a := &s.Activities.Value[n]
			if strings.HasPrefix(a.Description, "Terminating EC2 instance: "+id) && (f.activity == nil || a.Start.Before(f.activity.Start)) {
				f.activity, f.group = a, s
			}
		}
	}
	return f
}

// healthOf gives an instance's worst health over the target groups; whole is whether all of them were read.
func (v *view) healthOf(id string) (worst *Health, at *TargetGroup, whole bool) {
	whole = len(v.Balanced) > 0
	for i := range v.Balanced {
		b := &v.Balanced[i]
		whole = whole && b.Health.Whole()
		found := false
		for n := range b.Health.Value {
			h := &b.Health.Value[n]
			if h.ID != id {
				continue
			}
			found = true
			if worst == nil || worst.State == "healthy" || h.State == "unhealthy" {
				worst, at = h, b
			}
		}
		if !found && b.Health.Whole() && worst == nil {
			worst, at = &Health{ID: id, State: "unused", Reason: "Target.NotRegistered"}, b
		}
	}
	return worst, at, whole
}

// healthy says that an instance is healthy in every target group.
func (v *view) healthy(id string) bool {
	for _, b := range v.Balanced {
		in := slices.ContainsFunc(b.Health.Value, func(h Health) bool { return h.ID == id && h.State == "healthy" })
		if !in {
			return false
		}
	}
	return len(v.Balanced) > 0
}
