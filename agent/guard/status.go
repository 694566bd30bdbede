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
			by[p] = author(v.Deployment)
		}
		for _, p := range v.Disputed {
			by[p] = "somebody, after " + author(v.Deployment) + " had: disputed"
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

// Whose says in a sentence whose guard it is.
func Whose(deployment string) string {
	if deployment == Manual {
		return "by hand"
	}
	return "for " + deployment
}

// author is who suspended what the guard holds.
func author(deployment string) string {
	if deployment == Manual {
		return "wingman guard suspend"
	}
	return "the guard " + Whose(deployment)
}

// Moment is a time as people read it here; a guard may end tomorrow.
func Moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }

// Line is the view in one line, but for the names of what is held: they stand below it.
func (v View) Line() string {
	var out []string
	say := func(text string, set []Process) {
		if len(set) > 0 {
			out = append(out, fmt.Sprintf(text, names(set)))
		}
	}
	if v.Problem != "" {
		out = append(out, v.Problem)
	}
	say("DISPUTED: %s (wingman guard resume settles it)", v.Disputed)
	say("RUNNING, although it should be held: %s", v.Running)
	say("given back early, and not suspended again: %s", v.Barred)
	if !v.Until.IsZero() {
		out = append(out, v.end())
	}
	return strings.Join(out, "; ")
}

// end says how many processes are held, and until when.
func (v View) end() string {
	what := fmt.Sprintf("holds %d processes", len(v.Holds))
	if len(v.Holds) == 1 {
		what = "holds 1 process"
	}
	switch {
	case v.Live && v.Deployment == Manual:
		return what + " until " + Moment(v.Until)
	case v.Live && v.Status != "":
		return what + " until the deployment's end (it is " + v.Status + "), at the latest " + Moment(v.Until)
	case v.Live:
		return what + " until the deployment's end (its status is not known), at the latest " + Moment(v.Until)
	}
	return what + ", and its deployment is over or its time is up: wingman guard reap gives back"
}
