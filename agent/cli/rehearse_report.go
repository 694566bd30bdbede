package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/rehearsal"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// printRehearsal ends the story with what the user wants to know.
func (a *app) printRehearsal(res rehearsal.Result) error {
	if a.output == "json" {
		return a.json(res)
	}
	r := &report{Result: res}
	r.line("")
	if res.Interrupted {
		r.line("interrupted: what the hooks started was ended")
		return a.printf("%s", r.String())
	}
	for _, d := range res.Deployments {
		if d.Part != rehearsal.First {
			r.events(d)
		}
	}
	if len(res.Deployments) > 1 {
		r.groups()
		r.service()
		r.line("")
	}
	if f := res.Failure; f != nil {
		r.failure(*f)
	}
	r.verdict()
	return a.printf("%s", r.String())
}

// report is the text under way.
type report struct {
	rehearsal.Result
	strings.Builder
}

func (r *report) line(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }

// abreast is how many instances a table has side by side.
const abreast = 4

// events is the table of a deployment: when each event began on each instance, and how it came out.
func (r *report) events(d rehearsal.Deployment) {
	for instances := range slices.Chunk(d.Instances, abreast) {
		head := fmt.Sprintf("%-20s", d.ID)
		for _, in := range instances {
			head += fmt.Sprintf(" %-17s", in.Name)
		}
		r.line("%s", strings.TrimRight(head, " "))
		for _, name := range order(instances) {
			row, some := fmt.Sprintf("  %-18s", name), false
			for _, in := range instances {
				cell := r.cell(in, name)
				some = some || cell != ""
				row += fmt.Sprintf(" %-17s", cell)
			}
			if some {
				r.line("%s", strings.TrimRight(row, " "))
			}
		}
		r.line("")
	}
}

// order gives the events of a blue/green deployment in their order as a whole, of one in place in an instance's.
func order(instances []rehearsal.Instance) (names []lifecycle.Event) {
	for _, in := range instances {
		for _, e := range in.Events {
			if !slices.Contains(names, e.Name) {
				names = append(names, e.Name)
			}
		}
	}
	return names
}

func (r *report) cell(in rehearsal.Instance, name lifecycle.Event) string {
	for _, e := range in.Events {
		if e.Name != name {
			continue
		}
		switch e.Verdict {
		case rehearsal.Succeeded, rehearsal.Failed:
			word := ""
			if e.Verdict == rehearsal.Failed {
				word = " FAILED"
			}
			return fmt.Sprintf("%.1f s +%s%s", e.Started.Sub(r.Started).Seconds(), brief(e.Duration), word)
		case rehearsal.NotRun:
			return "not reached"
		case rehearsal.LeftOut:
			return "left out"
		}
	}
	return ""
}

// groups says what was suspended when, and what is now, as the groups themselves have it.
func (r *report) groups() {
	for _, g := range r.Groups {
		now := "nothing suspended"
		if len(g.Suspended) > 0 {
			now = "SUSPENDED: " + strings.Join(g.Suspended, ", ")
		}
		if len(g.Guards) > 0 {
			now += "; A GUARD IS LEFT: " + strings.Join(g.Guards, ", ")
		}
		if g.Gone {
			now = "the group is gone"
		}
		r.line("scaling of %s (%ss): now %s", g.Name, g.Side, now)
		for _, s := range g.Scaling {
			r.line("  %s %s", seconds(s.At.Sub(r.Started)), strings.TrimPrefix(scalingWords(s), g.Name+": "))
		}
	}
}

// service says who serves, and what became of the requests.
func (r *report) service() {
	if r.Traffic.URL == "" {
		r.line("traffic: none was sent (see the note above)")
		return
	}
	var who []string
	for _, s := range r.Traffic.Serving {
		word := s.Instance
		switch {
		case !s.Answers:
			word += " (DOES NOT ANSWER)"
		case s.Build != "":
			word += " (" + r.build(s.Build) + ")"
		}
		who = append(who, word)
	}
	if len(who) == 0 {
		who = []string{"NOBODY"}
	}
	r.line("serving: %s", strings.Join(who, ", "))
	r.line("requests: %d sent, %d lost", r.Traffic.Sent, r.Traffic.Lost)
	for _, l := range r.Traffic.Losses {
		r.line("  %s", run.Printable(l))
	}
}

// build says what an instance's build is: the application of the reference revision says its deployment.
func (r *report) build(says string) string {
	for _, d := range r.Deployments {
		switch {
		case d.ID != says:
		case d.Part == rehearsal.First:
			return "the old build, " + says
		case d.Part == rehearsal.Rehearsed:
			return "the new build, " + says
		}
	}
	return "build " + run.Printable(says)
}

// failure says which event failed where and why, and what CodeDeploy's console would show of it.
func (r *report) failure(f rehearsal.Failure) {
	which := fmt.Sprintf("%s on %s", f.Name, f.Instance)
	if f.Part == rehearsal.First {
		which += " of the first deployment already"
	}
	r.line("FAILED in %s: %s (%s)", which, f.Message, codeName(f.Code))
	if len(f.NotReached) > 0 {
		names := make([]string, len(f.NotReached))
		for i, e := range f.NotReached {
			names[i] = string(e)
		}
		r.line("not reached: %s", strings.Join(names, ", "))
	}
	if len(f.Console) == 0 {
		return
	}
	less := ""
	if f.Lost > 0 {
		less = fmt.Sprintf(" this, and not the %d lines before it", f.Lost)
	}
	r.line("CodeDeploy's console would show%s:", less)
	for _, line := range f.Console {
		r.line("  | %s", run.Printable(line))
	}
}

// codeName is the CodeDeploy agent's error code in the console's words.
func codeName(code int) string {
	names := []string{"", "ScriptMissing", "ScriptNotExecutable", "ScriptTimedOut", "ScriptFailed", "UnknownError", "outputs left open"}
	if code < 1 || code >= len(names) {
		return names[5]
	}
	return names[code]
}

func (r *report) verdict() {
	if r.Failure != nil {
		r.line("")
	}
	if r.Succeeded {
		how, left := "SUCCEEDED", ""
		if r.Type == rehearsal.RollBack {
			how = "ROLLED BACK"
		}
		if r.Logs != "" {
			left = " but the logs: " + r.Logs
		}
		r.line("%s in %s. What the hooks started was ended, and nothing is left on this machine%s.", how, brief(r.Duration), left)
		return
	}
	for _, why := range r.Why {
		r.line("NOT GOOD: %s", why)
	}
	if r.Logs != "" {
		r.line("logs: %s", r.Logs)
	}
	r.line("next: mend it in %s, then: wingman lint %s && wingman rehearse %s", r.Revision, r.Revision, r.Revision)
}
