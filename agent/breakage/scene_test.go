package breakage

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

// Every scene has the diagnosis that it has to have.
func TestScenes(t *testing.T) {
	seen, name := map[string]bool{}, regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	for _, s := range All() {
		if seen[s.Name] || !name.MatchString(s.Name) || s.Story == "" {
			t.Errorf("%s: twice there, or badly named, or without a story", s.Name)
		}
		seen[s.Name] = true
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			p, err := Play(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if wrong := p.Wrong(); wrong != "" {
				t.Errorf("%s\n%s\n%+v", wrong, p.Diagnosis.Verdict, p.Diagnosis.LeftOvers)
			}
		})
	}
	if len(seen) < 40 {
		t.Errorf("only %d scenes", len(seen))
	}
}

// Each cause has a scene, and a word in the docs. A download that failed for reasons that nobody tells is never certain:
// its scene abstains.
func TestEveryCauseHasAScene(t *testing.T) {
	page, err := os.ReadFile("../../docs/diagnose.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range deployment.Causes() {
		has := slices.ContainsFunc(All(), func(s Scene) bool { return s.Wants.Cause == name })
		if !has && name != deployment.DownloadFailed {
			t.Errorf("no scene has the cause %s", name)
		}
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/diagnose.md does not name the cause %s", name)
		}
	}
}
