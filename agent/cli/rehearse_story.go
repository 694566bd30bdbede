package cli

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/rehearsal"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// story prints a rehearsal as it happens, a line a thing. Of the first deployment nothing, and of the other events that
// have nothing to do and CodeDeploy's own work on an instance's disk: the table at the end has them. Of wingman's summary
// of a failure only the verdict, since the end has it. The instance that is the first to print in an event leads: of
// what others print as it did before them, there is only that they did.
type story struct {
	*app
	summing map[string]bool   // by instance: a summary is being printed
	leads   map[string]string // by part and event
	said    map[string]bool   // what leaders said, by part, event and line
	like    map[string]string // by instance and event: whose line it said
}

func (a *app) story() func(rehearsal.Progress) {
	s := &story{app: a, summing: map[string]bool{}, leads: map[string]string{}, said: map[string]bool{}, like: map[string]string{}}
	return s.tell
}

func (s *story) tell(p rehearsal.Progress) {
	line := ""
	switch e := p.Event; {
	case p.Note != "":
		s.printf("note: %s\n", p.Note)
		return
	case p.Said != "":
		line = p.Said
	case p.Scaling != nil:
		line = fmt.Sprintf("%-14s %s", "Auto Scaling", scalingWords(*p.Scaling))
	case p.Part == rehearsal.First || e == nil:
	case p.Text != "":
		if text := s.text(p); text != "" {
			line = fmt.Sprintf("%-14s %-18s | %s", p.Instance, e.Name, text)
		}
	case told(*e):
		line = fmt.Sprintf("%-14s %-18s %s", p.Instance, e.Name, outcome(*e))
		if other := s.like[p.Instance+string(e.Name)]; other != "" {
			line += ", and said the same as " + other
		}
		delete(s.like, p.Instance+string(e.Name))
	}
	if line != "" {
		s.printf("%s %s\n", seconds(p.At), line)
	}
}

// text is a hook's line as it is told; "" where it is not.
func (s *story) text(p rehearsal.Progress) string {
	if strings.HasPrefix(p.Text, "---- wingman: ") {
		s.summing[p.Instance] = true
	}
	if s.summing[p.Instance] && !strings.HasPrefix(p.Text, "verdict: ") {
		return ""
	}
	s.summing[p.Instance] = false
	event := string(p.Part) + string(p.Event.Name)
	if s.leads[event] == "" {
		s.leads[event] = p.Instance
	}
	line := event + own.ReplaceAllString(p.Text, "")
	if first := s.leads[event]; first == p.Instance {
		s.said[line] = true
	} else if s.said[line] {
		s.like[p.Instance+string(p.Event.Name)] = first
		return ""
	}
	return run.Printable(strings.TrimPrefix(p.Text, "wingman: "))
}

// own is what only one instance has: its address and its processes.
var own = regexp.MustCompile(`127\.\d+\.\d+\.\d+(:\d+)?|pid \d+`)

// told says whether an event's end is worth a line.
func told(e rehearsal.Event) bool {
	switch e.Verdict {
	case rehearsal.Failed:
		return true
	case rehearsal.Succeeded:
		return e.Name != lifecycle.DownloadBundle && e.Name != lifecycle.Install
	}
	return false
}

func scalingWords(s rehearsal.Scaling) string {
	did := "suspended"
	if s.Resumed {
		did = "resumed"
	}
	by := s.By
	if by != rehearsal.CodeDeploy {
		by = "wingman on " + by
	}
	return fmt.Sprintf("%s: %s %s, by %s", s.Group, did, strings.Join(s.Processes, ", "), by)
}

// outcome is an event's verdict in a few words.
func outcome(e rehearsal.Event) string {
	words := string(e.Verdict)
	switch e.Verdict {
	case rehearsal.Succeeded:
		words = "succeeded in " + brief(e.Duration)
	case rehearsal.Failed:
		words = "FAILED after " + brief(e.Duration)
	}
	if e.From != "" {
		words += " (hooks of the revision before, " + e.From + ")"
	}
	return words
}

func brief(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// seconds is a time since the rehearsal's begin.
func seconds(d time.Duration) string { return fmt.Sprintf("%6.1f s ", d.Seconds()) }
