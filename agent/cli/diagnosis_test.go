package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/breakage"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

// What docs/diagnose.md shows of a scene is what is printed; UPDATE=1 writes it anew.
func TestTheDocsShowWhatIsPrinted(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "diagnose.md")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts, shown := strings.Split(string(b), "\n### "), 0
	for i, part := range parts {
		name, rest, _ := strings.Cut(part, "\n")
		s, is := breakage.Find(name)
		if !is {
			continue
		}
		shown++
		p, err := breakage.Play(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		before, after, _ := strings.Cut(rest, "```\n")
		have, tail, found := strings.Cut(after, "```\n")
		if want := text(p.Diagnosis); !found || have != want {
			t.Errorf("%s: docs/diagnose.md shows\n%s\nprinted is\n%s", name, have, want)
			parts[i] = name + "\n" + before + "```\n" + want + "```\n" + tail
		}
	}
	if shown < 5 {
		t.Errorf("docs/diagnose.md shows %d scenes", shown)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(strings.Join(parts, "\n### ")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Who reads it at night has one screen: no scene prints more than 40 lines, nor says anything twice as a next command.
func TestADiagnosisIsOneScreen(t *testing.T) {
	for _, s := range breakage.All() {
		p, err := breakage.Play(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		page := text(p.Diagnosis)
		if n := strings.Count(page, "\n"); n > 40 {
			t.Errorf("%s: %d lines\n%s", s.Name, n, page)
		}
		seen := map[string]bool{}
		for _, c := range p.Diagnosis.Next {
			if seen[c.Type] || c.Type == "" || c.Why == "" {
				t.Errorf("%s: %+v", s.Name, c)
			}
			seen[c.Type] = true
		}
	}
}

// A page of much is cut, and says so.
func TestAPageIsBounded(t *testing.T) {
	d := deployment.Diagnosis{Verdict: "v"}
	for range 30 {
		d.LeftOvers = append(d.LeftOvers, deployment.LeftOver{Summary: "left"})
		d.Next = append(d.Next, deployment.Command{Why: "why", Type: "type"})
		d.Notes = append(d.Notes, "note")
		d.Causes = append(d.Causes, deployment.Cause{Name: "cause"})
	}
	page := text(d)
	if n := strings.Count(page, "\n"); n > 40 || !strings.Contains(page, "and 25 more: --output json has all") {
		t.Errorf("%d lines\n%s", n, page)
	}
}
