package cli

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/check"
	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

func (a *app) validate() *cobra.Command {
	var dir, file string
	var watch bool
	c := &cobra.Command{
		Use: "validate [-f FILE] [--revision DIR] [--watch]", Short: "Run ValidateService's checks now", Args: cobra.NoArgs,
		Long: `Run the checks of ValidateService now, apart from any deployment: on a terminal as a live table, elsewhere as plain lines.
Scripts and commands among the steps are not run.

EXIT STATUS
  0    every check passed
  1    a check did not pass
  2    the command line, wingman.yml, host.yml or appspec.yml is wrong, or there are no checks
  130  interrupted`,
		RunE: func(c *cobra.Command, _ []string) error {
			if file != "" && dir == "" {
				dir = filepath.Dir(file)
			}
			req, err := a.request([]string{string(lifecycle.ValidateService)}, dir)
			if err != nil {
				return err
			}
			req.File = file
			p, err := a.engine().Plan(req)
			if err != nil {
				return err
			}
			checks := engine.Checks(p, req.Env)
			if len(checks) == 0 {
				return usage("no checks: %s names none for ValidateService (%s)", p.Source, p.Revision)
			}
			return a.runChecks(c, checks, watch)
		},
	}
	c.Flags().StringVar(&dir, "revision", "", "the folder that holds appspec.yml (default: the nearest one at or above this folder)")
	c.Flags().StringVarP(&file, "file", "f", "", "take the checks from this wingman.yml, not from the revision's")
	c.Flags().BoolVar(&watch, "watch", false, "again and again, until interrupted")
	return c
}

func (a *app) runChecks(c *cobra.Command, checks []check.Named, watch bool) error {
	ctx := c.Context()
	for {
		results := check.Run(ctx, checks, a.progress(checks))
		passed := true
		for _, r := range results {
			passed = passed && r.Verdict == check.Pass
		}
		if err := a.printChecks(results, passed); err != nil {
			return err
		}
		switch {
		case ctx.Err() != nil:
			return failure{exitInterrupted, errSilent}
		case !watch && !passed:
			return failure{exitFailed, errSilent}
		case !watch:
			return nil
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return failure{exitInterrupted, errSilent}
		}
	}
}

// longName is how much of a check's name the progress shows.
const longName = 30

// progress draws the live table on a terminal: each update rewrites it in place. Elsewhere a line says each new reason.
func (a *app) progress(checks []check.Named) func(check.Update) {
	n, wide := len(checks), 0
	for _, c := range checks {
		wide = min(max(wide, utf8.RuneCountInString(c.Name)), longName)
	}
	last := make([]string, n)
	drawn := false
	return func(u check.Update) {
		line := fmt.Sprintf("%-*s  %-8s  try %-4d %s", wide, cut(u.Name, longName), u.State, u.Tries, u.Last.Reason)
		if a.output == "json" || last[u.Index] == line {
			return
		}
		old := last[u.Index]
		last[u.Index] = line
		switch {
		case !a.Terminal:
			if without(old) != without(line) {
				a.printf("%s\n", line)
			}
		case drawn:
			a.printf("\x1b[%dA%s", n, table(last, a.Width))
		default:
			drawn = true
			a.printf("%s", table(last, a.Width))
		}
	}
}

// without gives a progress line without its count of tries.
func without(line string) string {
	head, rest, _ := strings.Cut(line, " try ")
	_, reason, _ := strings.Cut(rest, " ")
	return head + strings.TrimSpace(reason)
}

// table rewrites all lines, each cut to the terminal's width: one that the terminal wrapped would be two, and the next
// update would not find the table's beginning.
func table(lines []string, width int) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString("\x1b[2K" + cut(l, width-1) + "\n")
	}
	return b.String()
}

func cut(s string, chars int) string {
	if r := []rune(s); len(r) > chars {
		return string(r[:chars-1]) + "…"
	}
	return s
}

func (a *app) printChecks(results []check.Result, passed bool) error {
	if a.output == "json" {
		return a.json(map[string]any{"version": 1, "passed": passed, "checks": results})
	}
	list := make([]row, len(results))
	for i, r := range results {
		healthy := "-"
		if r.Healthy > 0 {
			healthy = r.Healthy.Round(time.Millisecond).String()
		}
		list[i].cells = []string{r.Name, string(r.Verdict), strconv.Itoa(r.Tries), healthy, r.Kind + " " + r.Target}
		if r.Verdict != check.Pass {
			list[i].below = r.Reason
		}
	}
	return a.rows("CHECK\tVERDICT\tTRIES\tHEALTHY AFTER\tTARGET", list)
}
