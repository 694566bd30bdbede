package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/guard"
)

func (a *app) guard() *cobra.Command {
	c := &cobra.Command{
		Use: "guard", Short: "Auto Scaling held still, and given back", Args: cobra.NoArgs,
		Long: `What of Auto Scaling is held still, by which deployment, and until when; and by hand: hold it, give it back.

Without --group a command means this instance's group, or, where there is none, every group that carries a guard.

EXIT STATUS
  0  done
  1  something is disputed, or was not given back: the output says what and why
  2  the command line or host.yml is wrong
  4  AWS could not be reached or does not allow it`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.guardStatus(), a.guardSuspend(), a.guardResume(), a.guardReap())
	return c
}

func (a *app) guardStatus() *cobra.Command {
	var groups []string
	c := &cobra.Command{
		Use: "status", Short: "Show the guards on the groups, and what is suspended by whom", Args: cobra.NoArgs,
		Long: `Show each group's guards: the deployment that owns it, what it holds, until when, and whether that is so.

EXIT STATUS
  0  printed
  1  printed, and something is disputed or cannot be read
  2  the command line or host.yml is wrong
  4  AWS could not be reached or does not allow it`,
		RunE: func(c *cobra.Command, _ []string) error {
			found, err := a.engine().GuardStatus(c.Context(), groups)
			if err != nil {
				return cloudFailure(err)
			}
			if err := a.printGuards(found); err != nil {
				return err
			}
			for _, g := range found {
				if g.Bad() {
					return failure{exitFailed, errSilent}
				}
			}
			return nil
		},
	}
	groupFlag(c, &groups)
	return c
}

func groupFlag(c *cobra.Command, groups *[]string) {
	c.Flags().StringSliceVar(groups, "group", nil, "an Auto Scaling group's name; may be repeated")
}

func (a *app) printGuards(found []engine.GroupGuards) error {
	if a.output == "json" {
		if found == nil {
			found = []engine.GroupGuards{}
		}
		return a.json(map[string]any{"version": 1, "groups": found})
	}
	if len(found) == 0 {
		return a.printf("no group carries a guard\n")
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, g := range found {
		fmt.Fprintf(w, "%s\n", g.Group)
		if len(g.Guards) == 0 {
			fmt.Fprintf(w, "  no guard\n")
		}
		for _, v := range g.Guards {
			if v.Deployment == "" {
				fmt.Fprintf(w, "  %s: %s\n", v.Key, v.Line())
				continue
			}
			fmt.Fprintf(w, "  guard %s (%s): %s\n", guard.Whose(v.Deployment), v.Key, v.Line())
		}
		for _, s := range g.Suspended {
			fmt.Fprintf(w, "    %s\tsuspended by %s\t%s\n", s.Process, s.By, s.Reason)
		}
	}
	return w.Flush()
}

func (a *app) guardSuspend() *cobra.Command {
	var groups, processes []string
	var deployment string
	var window time.Duration
	c := &cobra.Command{
		Use: "suspend (--deployment d-… | --for 30m)", Short: "Hold a group's scaling still by hand, for a deployment or for a time", Args: cobra.NoArgs,
		Long: `Suspend scaling processes and record it on the group as the guard of a deployment, or of nobody for a time. It ends with
the deployment, or when the time is up: the service, or wingman guard reap, gives back then; wingman guard resume does now.

EXIT STATUS
  0  held
  1  not held: the output says why
  2  the command line or host.yml is wrong
  3  refused: host.yml's headroom, or its mode
  4  AWS could not be reached or does not allow it`,
		Example: "  wingman guard suspend --group web --for 30m\n  wingman guard suspend --group web --deployment d-ABCDEFGHI --processes Terminate,AZRebalance",
		RunE: func(c *cobra.Command, _ []string) error {
			if (deployment == "") == (window == 0) {
				return usage("name one of --deployment d-… and --for 30m")
			}
			if window != 0 && (window < time.Minute || window > 24*time.Hour) {
				return usage("--for takes 1m to 24h, not %s", window)
			}
			set, err := processList(processes)
			if err != nil {
				return err
			}
			looked, err := a.engine().SuspendByHand(c.Context(), groups, deployment, window, set)
			return a.printHeld(looked, err)
		},
	}
	groupFlag(c, &groups)
	c.Flags().StringVar(&deployment, "deployment", "", "the deployment that it is for")
	c.Flags().DurationVar(&window, "for", 0, "how long, where it is for none")
	c.Flags().StringSliceVar(&processes, "processes", nil, "which (default: guard.original.processes of host.yml)")
	return c
}

// printHeld prints what came of holding by hand: what host.yml's mode did not let be held is refused.
func (a *app) printHeld(looked []engine.Looked, err error) error {
	if err := a.printLooked(looked, err); err != nil {
		return err
	}
	if slices.ContainsFunc(looked, func(l engine.Looked) bool { return l.State == guard.Observed }) {
		return failure{exitRefused, errSilent}
	}
	return nil
}

// processList reads process names, which AWS spells in one way only.
func processList(in []string) (out []guard.Process, err error) {
	var all []string
	for _, p := range guard.Processes() {
		all = append(all, string(p))
	}
	for _, name := range in {
		known := false
		for _, p := range guard.Processes() {
			if known = strings.EqualFold(name, string(p)); known {
				out = append(out, p)
				break
			}
		}
		if !known {
			return nil, usage("%q is no scaling process: there are %s", name, strings.Join(all, ", "))
		}
	}
	return out, nil
}

func (a *app) guardResume() *cobra.Command {
	var groups []string
	c := &cobra.Command{
		Use: "resume", Short: "Give back now what any guard on the group suspended, disputed or not", Args: cobra.NoArgs,
		Long: `Resume what the guards on a group claim. A deployment that still goes on does not suspend it again. What was suspended
before the guard was begun stays suspended. It takes some seconds more, up to half a minute under a guard that has just
been begun: it looks again until it sees that all of it is resumed.

EXIT STATUS
  0  given back
  1  not all of it: the output says why
  2  the command line or host.yml is wrong
  4  AWS could not be reached or does not allow it`,
		RunE: func(c *cobra.Command, _ []string) error {
			looked, err := a.engine().ResumeByHand(c.Context(), groups)
			return a.printLooked(looked, err)
		},
	}
	groupFlag(c, &groups)
	return c
}

func (a *app) guardReap() *cobra.Command {
	var groups []string
	c := &cobra.Command{
		Use: "reap", Short: "Give back every guard whose deployment is over or whose time is up (by hand, or cron)", Args: cobra.NoArgs,
		Long: `Look at the guards that this instance takes part in, and at every guard on the named groups (without --group: on every
group that this account shows in this region), and give back those that are due. It takes up to a minute: two looks
some seconds apart must agree before anything is resumed.

EXIT STATUS
  0  all that is due was given back
  1  not all of it: the output says why
  2  the command line or host.yml is wrong
  3  refused: host.yml's mode is observe
  4  AWS could not be reached or does not allow it`,
		RunE: func(c *cobra.Command, _ []string) error {
			e := a.engine()
			own, unread := e.AfterEvent(c.Context()) // a record that cannot be read is no reason to leave others' guards
			var bad engine.UsageError
			if errors.As(unread, &bad) {
				return unread
			}
			others, err := e.Reap(c.Context(), groups)
			others = slices.DeleteFunc(others, func(l engine.Looked) bool { // what has just been looked at
				return l.State == guard.NotDue && slices.ContainsFunc(own, func(o engine.Looked) bool { return o.Group == l.Group && o.Deployment == l.Deployment })
			})
			return a.printLooked(append(own, others...), errors.Join(err, unread))
		},
	}
	groupFlag(c, &groups)
	return c
}

// printLooked prints what came of each group's guard; what was not done is a failure.
func (a *app) printLooked(looked []engine.Looked, err error) error {
	if err == nil || len(looked) > 0 {
		if e := a.printOutcomes(looked); e != nil {
			return e
		}
	}
	if err != nil {
		return cloudFailure(err)
	}
	var worst error
	for _, l := range looked {
		switch l.State {
		case guard.Failed:
			worst = cloudFailure(l.Err)
		case guard.Disputed:
			worst = failure{exitFailed, errSilent}
		case guard.Frozen, guard.Observed:
			worst = failure{exitRefused, errSilent}
		}
	}
	if worst != nil {
		return failure{codeOf(worst), errSilent}
	}
	return nil
}

func (a *app) printOutcomes(looked []engine.Looked) error {
	if a.output == "json" {
		out := []engine.Report{}
		for _, l := range looked {
			out = append(out, l.Report())
		}
		return a.json(map[string]any{"version": 1, "guards": out})
	}
	if len(looked) == 0 {
		return a.printf("no guard\n")
	}
	for _, l := range looked {
		if err := a.printf("%s\n", engine.Say(l.Group, l.Outcome)); err != nil {
			return err
		}
	}
	return nil
}
