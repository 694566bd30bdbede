package cli

import (
	"encoding/json"
	"fmt"
	"os"

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

func terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
