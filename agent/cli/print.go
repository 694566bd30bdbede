package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
)

func (a *app) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(a.Out, format, args...)
	return err
}

// json prints v, which carries its own version, for programs.
func (a *app) json(v any) error {
	e := json.NewEncoder(a.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// row is one line of a table, and what stands below it on a line of its own.
type row struct {
	cells []string
	below string
}

// rows prints a table whose columns hold together whatever stands between its lines.
func (a *app) rows(head string, list []row) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, head)
	for _, r := range list {
		fmt.Fprintln(w, strings.Join(r.cells, "\t"))
	}
	w.Flush()
	lines := strings.SplitAfter(b.String(), "\n")
	for i, r := range list {
		if r.below != "" {
			lines[i+1] += "  " + r.below + "\n"
		}
	}
	return a.printf("%s", strings.Join(lines, ""))
}

// terminal gives the width of the terminal that f is; false where it is none.
func terminal(f *os.File) (width int, is bool) {
	if !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 20 { // some serial lines say 0
		width = 80
	}
	return width, true
}
