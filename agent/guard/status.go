package guard

import (
	"fmt"
	"strings"
	"time"
)

// View is one guard on a group as people and programs see it.
type View struct {
	Key        string    `json:"key"`
	Deployment string    `json:"deployment,omitempty"`
	Status     string    `json:"status,omitempty"` // the deployment's, where it may be asked
	Live       bool      `json:"live"`
	Until      time.Time `json:"until,omitzero"`
	Holds      []Process `json:"holds,omitempty"`    // suspended by it
	Running    []Process `json:"running,omitempty"`  // protected, and not suspended
	Disputed   []Process `json:"disputed,omitempty"` // suspended by somebody after the guard had
	Barred     []Process `json:"barred,omitempty"`   // resumed by somebody: not wanted again
	Problem    string    `json:"problem,omitempty"`
}

// Held is one suspended process and whose doing it is.
type Held struct {
	Process Process `json:"process"`
	By      string  `json:"by"`
	Reason  string  `json:"reason"` // AWS's
}

// Views shows the group's guards, and every suspended process with whose it is.
func (g Group) Views(now time.Time, status func(deployment string) DeploymentStatus) (views []View, held []Held) {
	by := map[Process]string{}
	for _, s := range g.slots() {
		v := View{Key: s.key}
		switch {
		case s.err != nil:
			v.Problem = s.err.Error()
		case g.void(s.rec):
			v.Deployment, v.Problem = s.rec.Deployment, "copied here with another group's tags: it means nothing, reap deletes it"
		default:
			v = g.view(now, s, status)
		}
		for _, p := range v.Holds {
			by[p] = "the guard of " + v.Deployment
		}
		for _, p := range v.Disputed {
			by[p] = "somebody, after the guard of " + v.Deployment + " had: disputed"
		}
		views = append(views, v)
	}
	for _, p := range Processes() {
		reason, suspended := g.Suspended[p]
		switch {
		case !suspended:
			continue
		case by[p] == "" && foreign(reason):
			by[p] = "Auto Scaling itself"
		case by[p] == "":
			by[p] = "somebody else"
		}
		held = append(held, Held{p, by[p], reason})
	}
	return views, held
}

func (g Group) view(now time.Time, s slot, status func(string) DeploymentStatus) View {
	is := status(s.rec.Deployment)
	v := View{Key: s.key, Deployment: s.rec.Deployment, Status: is.Word, Until: s.rec.until(now), Barred: s.rec.Barred, Running: g.running(s.rec.Protect)}
	v.Live = now.Before(v.Until) && !(is.Known && is.Over)
	v.Holds, v.Disputed = split(s.rec, g)
	if s.rec.Version > version {
		v.Problem = "written by a newer wingman"
	}
	return v
}

// Line is the view in one line.
func (v View) Line() string {
	var out []string
	say := func(word string, set []Process) {
		if len(set) > 0 {
			out = append(out, word+" "+names(set))
		}
	}
	if v.Problem != "" {
		out = append(out, v.Problem)
	}
	say("holds", v.Holds)
	say("RUNNING although protected:", v.Running)
	say("DISPUTED:", v.Disputed)
	say("resumed by somebody:", v.Barred)
	switch {
	case v.Until.IsZero():
	case v.Live:
		out = append(out, "until the deployment's end, at the latest "+v.Until.Local().Format("15:04 MST"))
	default:
		out = append(out, "its deployment is over, or its time is up: wingman guard reap gives back")
	}
	if v.Status != "" {
		out = append(out, fmt.Sprintf("(%s)", v.Status))
	}
	return strings.Join(out, "; ")
}
