package breakage

import (
	"regexp"
	"testing"
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
