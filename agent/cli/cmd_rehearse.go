package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/rehearsal"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

func (a *app) rehearse() *cobra.Command {
	var events []string
	var fail string
	c := &cobra.Command{
		Use: "rehearse [DIR] [--events A,B] [--fail EVENT]", Short: "Take a revision through a deployment on this machine", Args: cobra.MaximumNArgs(1),
		Long: `Take a revision through a deployment on this machine, called as the CodeDeploy agent calls it: from /, with its
variables, block-traffic events and ApplicationStop from the last successful revision. So there are two deployments: an
earlier one, of which only a failure is shown, and the one that is rehearsed. Where --events names none of these events
there is no earlier one.

The hooks run for real, as you. Files are installed below a scratch folder, which the hooks know as
WINGMAN_REHEARSAL_ROOT; it is removed in the end, and what the hooks left running is ended (on Linux). After a failure
the logs stay.

EXIT STATUS
  0    every event succeeded
  1    an event failed
  2    the command line or the revision is wrong: nothing was run
  130  interrupted`,
		Example: "  wingman rehearse\n  wingman rehearse --fail ValidateService\n  wingman rehearse --events ApplicationStart,ValidateService build/revision",
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := a.rehearsal(args, events, fail)
			if err != nil {
				return err
			}
			res, err := rehearsal.Run(c.Context(), cfg)
			switch {
			case errors.Is(err, rehearsal.ErrUsage):
				return failure{exitUsage, err}
			case err != nil:
				return err
			}
			if err := a.printRehearsal(res); err != nil {
				return err
			}
			switch {
			case c.Context().Err() != nil:
				return failure{exitInterrupted, errSilent}
			case !res.Succeeded:
				return failure{exitFailed, errSilent}
			}
			return nil
		},
	}
	c.Flags().StringSliceVar(&events, "events", nil, "call only these events' hooks (DownloadBundle and Install always run)")
	c.Flags().StringVar(&fail, "fail", "", "make this event fail, to see what its failure looks like")
	return c
}

// rehearsal gathers what is to be rehearsed.
func (a *app) rehearsal(args, events []string, fail string) (rehearsal.Config, error) {
	c := rehearsal.Config{Env: a.Env}
	for _, name := range append(append([]string{}, events...), fail) {
		if name == "" {
			continue
		}
		e, err := findEvent(name)
		if err != nil {
			return c, err
		}
		if !has(events, name) {
			c.Fail = e
			continue
		}
		c.Events = append(c.Events, e)
		if name == fail {
			c.Fail = e
		}
	}
	dir := ""
	if len(args) == 1 {
		dir = args[0]
	}
	var err error
	if c.Dir, err = a.revision(dir); err != nil {
		return c, err
	}
	if c.Wingman, err = os.Executable(); err != nil {
		return c, fmt.Errorf("cannot rehearse: %w", err)
	}
	if a.output == "text" {
		c.Show = a.story()
		after := ""
		if c.NeedsEarlier() {
			after = ", after an earlier one"
		}
		return c, a.printf("Rehearsal of %s: its deployment on this machine%s.\nThe hooks run for real; files go below a scratch folder that is removed in the end.\n", c.Dir, after)
	}
	return c, nil
}

func has(all []string, one string) bool {
	for _, a := range all {
		if a == one {
			return true
		}
	}
	return false
}

const column = "                      " // the width of an event's name and what stands before it

// story prints what happens as it happens; of the earlier deployment nothing.
func (a *app) story() func(rehearsal.Progress) {
	begun := false
	return func(p rehearsal.Progress) {
		switch e := p.Event; {
		case p.Note != "":
			a.printf("note: %s\n", p.Note)
		case p.Quiet:
		case p.Text != "":
			a.printf("%s| %s\n", column, run.Printable(strings.TrimSuffix(p.Text, "\n")))
		case p.Hook != "":
			of := ""
			if e.From != "" {
				of = ", from the last successful revision (" + e.From + ")"
			}
			a.printf("%s%s\n", p.Hook, of)
		case e.Verdict == "":
			if !begun {
				begun = true
				a.printf("\n%s\n", p.Deployment)
			}
			a.printf("  %-*s", len(column)-2, e.Name)
			if !e.Name.TakesHooks() {
				a.printf("(CodeDeploy's own) ")
			}
		default:
			if len(e.Hooks) > 0 {
				a.printf("%s", column)
			}
			a.printf("%s\n", outcome(*e))
		}
	}
}

// outcome is an event's verdict in a few words.
func outcome(e rehearsal.Event) string {
	switch e.Verdict {
	case rehearsal.Succeeded:
		return "succeeded in " + brief(e.Duration)
	case rehearsal.Failed:
		return "FAILED after " + brief(e.Duration)
	}
	return string(e.Verdict)
}

func brief(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// printRehearsal ends the story with what the user wants to know.
func (a *app) printRehearsal(res rehearsal.Result) error {
	if a.output == "json" {
		return a.json(res)
	}
	var b strings.Builder
	b.WriteString("\n")
	if e, d, failed := res.Failure(); failed {
		b.WriteString(broken(res, e, d))
		return a.printf("%s", b.String())
	}
	if !res.Succeeded {
		b.WriteString("interrupted: what the hooks started was ended\n")
		return a.printf("%s", b.String())
	}
	d := res.Deployments[len(res.Deployments)-1]
	ran := 0
	for _, e := range d.Events {
		if len(e.Hooks) > 0 {
			ran++
		}
	}
	fmt.Fprintf(&b, "SUCCEEDED: %d events ran hooks, %s in all. What they started was ended, and nothing is left on this machine.\n", ran, brief(d.Duration))
	return a.printf("%s", b.String())
}

// codes are the CodeDeploy agent's error codes in the console's words.
var codes = map[int]string{1: "ScriptMissing", 2: "ScriptNotExecutable", 3: "ScriptTimedOut", 4: "ScriptFailed", 5: "UnknownError", 6: "outputs left open"}

// broken says which event failed and why, what CodeDeploy's console would show of it, and what to do next.
func broken(res rehearsal.Result, e rehearsal.Event, d rehearsal.Deployment) string {
	var b strings.Builder
	which := string(e.Name)
	if d.Earlier {
		which += " of the earlier deployment already"
	}
	fmt.Fprintf(&b, "FAILED in %s: %s (%s)\n", which, e.Message, codes[e.Code])
	var missed []string
	for _, other := range d.Events {
		if other.Verdict == rehearsal.NotRun {
			missed = append(missed, string(other.Name))
		}
	}
	if len(missed) > 0 {
		fmt.Fprintf(&b, "not reached: %s\n", strings.Join(missed, ", "))
	}
	if d.Earlier || e.Lost > 0 { // else all of it stands right above
		b.WriteString("\nCodeDeploy's console would show")
		if e.Lost > 0 {
			fmt.Fprintf(&b, " this, and not the %d lines before it", e.Lost)
		}
		b.WriteString(":\n")
		for _, line := range e.Console {
			fmt.Fprintf(&b, "  | %s\n", run.Printable(line))
		}
	}
	b.WriteString("\n")
	if res.Logs != "" {
		fmt.Fprintf(&b, "logs: %s\n", res.Logs)
	}
	fmt.Fprintf(&b, "next: mend it in %s, then: wingman lint %s && wingman rehearse %s\n", res.Revision, res.Revision, res.Revision)
	return b.String()
}
