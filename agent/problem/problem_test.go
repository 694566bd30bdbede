package problem

import "testing"

func TestError(t *testing.T) {
	at := Position{File: "wingman.yml", Line: 3, Column: 5}
	for _, tt := range []struct {
		name string
		in   Problem
		want string
	}{
		{"whole", Problem{Position: at, Severity: Error, Message: "unknown key runas", Hint: "did you mean user?"}, "wingman.yml:3:5: unknown key runas\n    did you mean user?"},
		{"warning", Problem{Position: Position{File: "a"}, Severity: Warning, Message: "m"}, "a: warning: m"},
		{"no column", Problem{Position: Position{File: "a", Line: 2}, Severity: Error, Message: "m"}, "a:2: m"},
		{"no place", Problem{Severity: Error, Message: "m"}, "m"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.in.Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	choices := []string{"user", "timeout", "retry", "continue_on_error", "ValidateService"}
	for name, want := range map[string]string{
		"usr": "user", "tiemout": "timeout", "timeuot": "timeout", "validateservice": "ValidateService",
		"continue_on_errors": "continue_on_error", "zebra": "", "": "",
	} {
		if got := Nearest(name, choices); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestListKeepsOnlyErrorsInErr(t *testing.T) {
	l := List{{Severity: Warning, Message: "w"}}
	if l.Err() != nil {
		t.Error("a warning alone is an error")
	}
	l = append(l, Problem{Severity: Error, Message: "e"})
	if err := l.Err(); err == nil || err.Error() != "e" {
		t.Errorf("got %v, want the error alone", err)
	}
}

func TestSortByPlace(t *testing.T) {
	l := List{{Position: Position{"b", 1, 1}}, {Position: Position{"a", 2, 1}}, {Position: Position{"a", 1, 9}}, {Position: Position{"a", 1, 2}}}
	l.Sort()
	got := ""
	for _, p := range l {
		got += p.Position.String() + " "
	}
	if want := "a:1:2 a:1:9 a:2:1 b:1:1 "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
