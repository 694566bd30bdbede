package cli

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/check"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/plan"
	"github.com/codedeploy-wingman/wingman/agent/problem"
)

func (a *app) plan() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "plan EVENT [--revision DIR]", Short: "Show what an event would run here, after policy and defaults; changes nothing", Args: cobra.ExactArgs(1),
		Long: `Show what an event would run here, after wingman.yml, host.yml's policy and all defaults. It runs and changes nothing.
Where DEPLOYMENT_ID is not set it is shown as d-EXAMPLE.

EXIT STATUS
  0  the plan was printed
  2  the command line, wingman.yml, host.yml or appspec.yml is wrong`,
		Example: "  wingman plan ValidateService",
		RunE: func(c *cobra.Command, args []string) error {
			req, err := a.request(args, dir)
			if err != nil {
				return err
			}
			if a.Getenv(lifecycle.EnvDeployment) == "" {
				req.Env = append(req.Env, lifecycle.EnvDeployment+"="+exampleID)
			}
			p, err := a.engine().Plan(req)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(planJSON(p))
			}
			return a.printPlan(p)
		},
	}
	c.Flags().StringVar(&dir, "revision", "", "the folder that holds appspec.yml (default: the nearest one at or above this folder)")
	return c
}

// exampleID stands for the deployment where the plan is asked for outside of one.
const exampleID = "d-EXAMPLE"

func (a *app) printPlan(p plan.Plan) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s\nsteps from %s; all of them have %s (from %s)\n", p.Event, p.Revision, p.Source, p.Budget, p.BudgetFrom)
	if len(p.Steps) == 0 {
		b.WriteString("  nothing to do\n")
	}
	phase(&b, "", p.Steps)
	phase(&b, "on_failure (once per deployment, if an event failed here):", p.OnFailure)
	phase(&b, "always (after on_failure, or after the last event):", p.Always)
	for _, name := range keys(p.Env) {
		fmt.Fprintf(&b, "env %s=%s\n", name, hide(p, name))
	}
	return a.printf("%s", b.String())
}

func phase(b *strings.Builder, title string, steps []plan.Step) {
	if len(steps) == 0 {
		return
	}
	if title != "" {
		b.WriteString(title + "\n")
	}
	for i, s := range steps {
		fmt.Fprintf(b, "  %d. %s\n     %s\n", i+1, s.Name, strings.Join(describe(s), "; "))
	}
}

// describe says in words what a step does and under which terms.
func describe(s plan.Step) []string {
	var out []string
	switch {
	case s.Suspend != nil && len(s.Suspend.Processes) > 0:
		out = append(out, fmt.Sprintf("suspend_processes %v, given back at the deployment's end", s.Suspend.Processes))
	case s.Suspend != nil:
		out = append(out, "suspend_processes, by this instance's role (host.yml: guard); given back at the deployment's end")
	case s.Resume != nil:
		out = append(out, "resume_processes: given back here already, once no other instance is in the middle of it")
	case s.Script != "":
		out = append(out, "script "+s.Script)
	case s.Check != nil:
		t := s.Check.WithDefaults()
		out = append(out, "check "+s.Check.Kind()+" "+s.Check.Target(),
			fmt.Sprintf("healthy within %s: %d good in a row, every %s, each within %s", t.StartupTimeout, t.SuccessThreshold, t.Interval, t.Timeout))
		if t.BakeTime > 0 {
			out = append(out, fmt.Sprintf("then for %s fewer than %d bad in a row", t.BakeTime, t.FailureThreshold))
		}
	default:
		out = append(out, fmt.Sprintf("command %q", s.Command))
	}
	if s.User != "" {
		out = append(out, "as "+s.User)
	}
	if s.Timeout > 0 {
		out = append(out, "timeout "+s.Timeout.String())
	}
	if s.Retry.Attempts > 1 {
		out = append(out, fmt.Sprintf("up to %d tries, %s apart and more", s.Retry.Attempts, s.Retry.Delay.Round(time.Millisecond)))
	}
	if s.ContinueOnError {
		out = append(out, "its failure does not fail the event")
	}
	if w := s.When; w.Some() {
		out = append(out, fmt.Sprintf("only when role %v creator %v tags %v", w.Roles, w.Creators, w.Tags))
	}
	return out
}

type stepJSON struct {
	Name            string        `json:"name"`
	Kind            string        `json:"kind"` // script, command, or the check's kind
	Script          string        `json:"script,omitempty"`
	Command         []string      `json:"command,omitempty"`
	Target          string        `json:"target,omitempty"` // what a check asks
	Timing          *check.Timing `json:"timing,omitempty"` // of a check
	User            string        `json:"user,omitempty"`
	Timeout         time.Duration `json:"timeout_ns,omitempty"`
	Attempts        int           `json:"attempts"`
	Delay           time.Duration `json:"delay_ns"`
	When            *plan.When    `json:"when,omitempty"`
	ContinueOnError bool          `json:"continue_on_error"`
	problem.Position
}

// planJSON is the plan for programs.
func planJSON(p plan.Plan) any {
	steps := func(in []plan.Step) []stepJSON {
		out := []stepJSON{}
		for _, s := range in {
			j := stepJSON{Name: s.Name, Kind: s.Kind(), Script: s.Script, Command: s.Command, User: s.User, Timeout: s.Timeout, Attempts: s.Retry.Attempts, Delay: s.Retry.Delay, ContinueOnError: s.ContinueOnError, Position: s.Position}
			if s.Check != nil {
				t := s.Check.WithDefaults()
				j.Target, j.Timing = s.Check.Target(), &t
			}
			if s.When.Some() {
				j.When = &s.When
			}
			out = append(out, j)
		}
		return out
	}
	env := map[string]string{}
	for name := range p.Env {
		env[name] = hide(p, name)
	}
	return map[string]any{"version": 1, "event": p.Event, "revision": p.Revision, "source": p.Source, "budget_seconds": p.Budget.Seconds(), "budget_from": p.BudgetFrom,
		"steps": steps(p.Steps), "on_failure": steps(p.OnFailure), "always": steps(p.Always), "env": env}
}

// hide gives a variable's value unless wingman.yml redacts it.
func hide(p plan.Plan, name string) string {
	for _, r := range p.Redact {
		if r == name {
			return "[redacted]"
		}
	}
	return p.Env[name]
}

func keys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
