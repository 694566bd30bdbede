package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/deployment"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// What is printed of a diagnosis is bounded: who reads it at night wants the first of each.
const (
	causesShown    = 3
	leftOversShown = 5
	nextShown      = 6
	notesShown     = 4
)

// page is a diagnosis as text: names on the left, each said once.
type page struct {
	b    strings.Builder
	name string
}

func (p *page) line(name, format string, args ...any) {
	if name == p.name {
		name = ""
	} else {
		p.name = name
	}
	fmt.Fprintf(&p.b, "%-10s  %s\n", name, fmt.Sprintf(format, args...))
}

// below is a line under the last one.
func (p *page) below(format string, args ...any) {
	fmt.Fprintf(&p.b, "%-10s    %s\n", "", fmt.Sprintf(format, args...))
}

// more says how many were left out.
func (p *page) more(all, shown int) {
	if all > shown {
		p.below("and %d more: --output json has all", all-shown)
	}
}

func (a *app) printDiagnosis(d deployment.Diagnosis) error {
	return a.printf("%s", text(d))
}

// text is a diagnosis for a tired person: the verdict first.
func text(d deployment.Diagnosis) string {
	p := &page{}
	fmt.Fprintf(&p.b, "%s\n\n", d.Verdict)
	p.line("live", "%s: %s", strings.ToUpper(string(d.Live.Environment)), d.Live.Why)
	p.failure(d.Failure)
	p.causes(d)
	for i, l := range d.LeftOvers {
		if i < leftOversShown {
			p.line("left over", "%s", l.Summary)
		}
	}
	p.more(len(d.LeftOvers), leftOversShown)
	for i, n := range d.Notes {
		if i < notesShown {
			p.line("note", "%s", n)
		}
	}
	p.more(len(d.Notes), notesShown)
	for _, m := range d.Missing {
		p.line("not seen", "%s: %s", missingWords(m), m.Tells)
	}
	for i, n := range d.Next {
		if i < nextShown {
			p.line("next", "%s", strings.Replace(n.Why+":", "?:", "?", 1))
			p.below("%s", n.Type)
		}
	}
	p.more(len(d.Next), nextShown)
	return p.b.String()
}

func missingWords(m deployment.Missing) string {
	what := m.Action
	if what == "" {
		what = m.Text
	}
	if m.Why == deployment.Denied {
		return what + " is denied to you"
	}
	return what + " (" + string(m.Why) + ")"
}

func (p *page) failure(f *deployment.Failure) {
	if f == nil {
		return
	}
	where := map[lifecycle.Role]string{lifecycle.Original: " original", lifecycle.Replacement: " replacement"}[f.Side]
	p.line("failed", "%s on %d of %d%s instances, first at %s", f.Event, f.Count, f.Of, where, when(f.At))
	for _, i := range f.Instances {
		said := i.Message
		if said == "" {
			said = "it says nothing"
		}
		p.below("%s %s", i.ID, said)
	}
	if len(f.Instances) > 0 { // the others mostly print the same
		for _, line := range f.Instances[0].Tail {
			p.below("  | %s", line)
		}
	}
	p.more(f.Count, len(f.Instances))
}

func (p *page) causes(d deployment.Diagnosis) {
	for i, c := range d.Causes {
		if i >= causesShown {
			break
		}
		if i == 0 && strings.Contains(d.Verdict, c.Summary) { // it stands above
			p.line("cause", "%s (%s)", c.Name, c.Confidence)
		} else {
			p.line("cause", "%s (%s): %s", c.Name, c.Confidence, c.Summary)
		}
		for n, e := range c.Evidence {
			if n < 2 && !said(d.Failure, e) {
				p.below("%s", e)
			}
		}
	}
	p.more(len(d.Causes), causesShown)
	for _, u := range d.Undecided {
		p.line("undecided", "what would tell: %s", u)
	}
}

// said says that a line of evidence stands above already.
func said(f *deployment.Failure, evidence string) bool {
	if f == nil {
		return false
	}
	for _, i := range f.Instances {
		if i.Message != "" && strings.Contains(evidence, i.Message) {
			return true
		}
		for _, line := range i.Tail {
			if strings.Contains(evidence, line) {
				return true
			}
		}
	}
	return false
}

// when is a moment as this page has it.
func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
