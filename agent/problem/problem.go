// Package problem is how wingman tells a person that a file is wrong: where, what, and what to write instead.
// It is used by every parser and by lint, so that all of them speak alike.
package problem

import (
	"fmt"
	"sort"
	"strings"
)

// Severity says whether a problem stops the work.
type Severity string

// An Error stops the work; a Warning is said and the work goes on.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Position is a place in a file. Line and Column count from 1; zero means unknown.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String gives file:line:column, as far as known.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one thing that is wrong at one place.
type Problem struct {
	Position
	Severity Severity `json:"severity"`
	Rule     string   `json:"rule,omitempty"` // a stable lower-case-hyphen name, for lint's output and for tests
	Message  string   `json:"message"`        // what is wrong, without the position
	Hint     string   `json:"hint,omitempty"` // what to write or to type
}

// Error gives the position, what is wrong and, on a line of its own, what to do.
func (p Problem) Error() string {
	var b strings.Builder
	if at := p.Position.String(); at != "" {
		b.WriteString(at + ": ")
	}
	if p.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("\n    " + strings.ReplaceAll(p.Hint, "\n", "\n    "))
	}
	return b.String()
}

// List is any number of problems, in the order they were found.
type List []Problem

// Error gives each problem on its own lines.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, p := range l {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Errors gives only those that stop the work.
func (l List) Errors() List { return l.only(Error) }

// Warnings gives only those that do not.
func (l List) Warnings() List { return l.only(Warning) }

func (l List) only(s Severity) List {
	var out List
	for _, p := range l {
		if p.Severity == s {
			out = append(out, p)
		}
	}
	return out
}

// Err is nil unless the list holds an error; then it is the list of the errors alone.
func (l List) Err() error {
	if errs := l.Errors(); len(errs) > 0 {
		return errs
	}
	return nil
}

// Sort orders by file, line and column, keeping the order found within one place.
func (l List) Sort() {
	sort.SliceStable(l, func(i, j int) bool {
		a, b := l[i].Position, l[j].Position
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
}

// Nearest gives the choice that name was probably meant to be, or "" where none is near: at most a third of its
// letters wrong, left out, doubled or swapped, case apart; or one that begins with it (as user and runas: by alias).
func Nearest(name string, choices []string) string {
	best, least := "", len(name)/3+1
	for _, c := range choices {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < least || d == least && best == "" {
			best, least = c, d
		}
	}
	return best
}

// distance is the optimal string alignment distance, in bytes.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
