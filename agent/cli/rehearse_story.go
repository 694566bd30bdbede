package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/rehearsal"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// story prints a rehearsal as it happens, a line a thing. Of the first deployment nothing, and of the other events that
// have nothing to do and CodeDeploy's own work on an instance's disk: the table at the end has them, and wingman's
// summary of a failure, of which only the verdict is told here.
func (a *app) story() func(rehearsal.Progress) {
	summing := map[string]bool{} // by instance: a summary is being printed
	return func(p rehearsal.Progress) {
		line := ""
		switch e := p.Event; {
		case p.Note != "":
			a.printf("note: %s\n", p.Note)
			return
		case p.Said != "":
			line = p.Said
		case p.Scaling != nil:
			line = fmt.Sprintf("%-14s %s", "Auto Scaling", scalingWords(*p.Scaling))
		case p.Part == rehearsal.First || e == nil:
		case p.Text != "":
			if strings.HasPrefix(p.Text, "---- wingman: ") {
				summing[p.Instance] = true
			}
			if summing[p.Instance] && !strings.HasPrefix(p.Text, "verdict: ") {
				return
			}
			summing[p.Instance] = false
			line = fmt.Sprintf("%-14s %-18s | %s", p.Instance, e.Name, run.Printable(strings.TrimPrefix(p.Text, "wingman: ")))
		case told(*e):
			line = fmt.Sprintf("%-14s %-18s %s", p.Instance, e.Name, outcome(*e))
		}
		if line != "" {
			a.printf("%s %s\n", seconds(p.At), line)
		}
	}
}

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
