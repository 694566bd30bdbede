package cli

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent"
	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/appspec"
	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/problem"
	"github.com/codedeploy-wingman/wingman/agent/proc"
)

// drainCommand is the hidden command that reads on where a background process still holds a finished script's output.
const drainCommand = "internal-drain"

// runnerCommand is the hidden command that executes one run of the service's.
const runnerCommand = "internal-run"

func runner() *cobra.Command {
	return &cobra.Command{Use: runnerCommand, Hidden: true, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return agent.RunnerMain() }}
}

func drain() *cobra.Command {
	return &cobra.Command{Use: drainCommand, Hidden: true, Args: cobra.NoArgs, Run: func(*cobra.Command, []string) { proc.DrainMain(os.Stdin) }}
}

func (a *app) hook() *cobra.Command {
	var dir string
	var again bool
	c := &cobra.Command{
		Use: "hook [EVENT] [--revision DIR]", Short: "Run a lifecycle event's steps (what hooks/wingman.sh calls)", Args: cobra.MaximumNArgs(1),
		Long: `Run a lifecycle event's steps, print what they print and, if one failed, a summary that fits CodeDeploy's console.

The event comes from LIFECYCLE_EVENT unless it is named; the deployment from DEPLOYMENT_ID, APPLICATION_NAME,
DEPLOYMENT_GROUP_NAME and DEPLOYMENT_GROUP_ID, which the CodeDeploy agent sets. The revision is the nearest folder at
or above the working folder that holds appspec.yml.

The service runs the steps, in a process that outlives it; where there is no service, or host.yml says executor: inline,
this process does, and a line says so. With the service an event runs once in a deployment: who asks again, or at the same
time, gets the same run's output and result, unless --again is given. Whoever ends this command ends the run.

EXIT STATUS
  0    every step succeeded, or failed and continue_on_error let it pass
  1    a step failed
  2    the command line, wingman.yml, host.yml or appspec.yml is wrong: nothing was run
  4    the service that accepted the run is gone, and its run cannot be followed: wingman history tells how it ended
  124  a step or the event ran out of time
  130  interrupted: the steps were ended`,
		Example: "  LIFECYCLE_EVENT=ValidateService wingman hook\n  wingman hook ApplicationStart --revision /opt/codedeploy-agent/deployment-root/…/deployment-archive",
		RunE: func(c *cobra.Command, args []string) error {
			req, err := a.request(args, dir)
			if err != nil {
				return err
			}
			// Once CodeDeploy has given an event up it closes our output; the steps must be ended and put right all the same.
			signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
			err = a.byService(c.Context(), req, again)
			var here notHere
			if !errors.As(err, &here) {
				return err
			}
			if err := a.printf("wingman: runs in this process: %s\n", here); err != nil {
				return err
			}
			e := a.engine()
			var answered *api.Error
			e.Served = errors.As(here.error, &answered) // there is a service: it only does not run this
			res, err := e.Run(c.Context(), req, a.Out)
			if err != nil {
				return nothingRan(req, err)
			}
			return ended(res.Verdict)
		},
	}
	c.Flags().BoolVar(&again, "again", false, "run the event even if it ran already in this deployment, which the service else answers from the record")
	c.Flags().StringVar(&dir, "revision", "", "the folder that holds appspec.yml (default: the nearest one at or above this folder)")
	return c
}

// nothingRan adds to a fault in a file what it comes to, and what to do.
func nothingRan(req engine.Request, err error) error {
	next := fmt.Sprintf("mend it and deploy again (before a deployment, this shows it: wingman lint DIR && wingman plan %s --revision DIR)", req.Event)
	if lifecycle.RevisionOf(req.Event, false) != lifecycle.Current {
		next += "\n    " + string(req.Event) + " comes from the LAST SUCCESSFUL revision: a new bundle does not change it before the next deployment"
	}
	return fmt.Errorf("%w\n%s: nothing was run\n    %s", err, req.Event, next)
}

// request gathers which event of which revision is meant.
func (a *app) request(args []string, dir string) (engine.Request, error) {
	name := a.Getenv(lifecycle.EnvEvent)
	if len(args) > 0 {
		name = args[0]
	}
	if name == "" {
		return engine.Request{}, usage("no lifecycle event: name one, as in `wingman hook ValidateService`, or set LIFECYCLE_EVENT as the CodeDeploy agent does")
	}
	event, err := findEvent(name)
	if err != nil {
		return engine.Request{}, err
	}
	revision, err := a.revision(dir)
	if err != nil {
		return engine.Request{}, err
	}
	env := append(append([]string{}, a.Env...), lifecycle.EnvEvent+"="+string(event))
	return engine.Request{Event: event, Revision: revision, Env: env}, nil
}

// findEvent gives the event of that name, or says which was probably meant.
func findEvent(name string) (lifecycle.Event, error) {
	event, err := lifecycle.Find(name)
	if err == nil {
		return event, nil
	}
	var names []string
	for _, e := range lifecycle.Hookable() {
		names = append(names, string(e))
	}
	if near := problem.Nearest(name, names); near != "" {
		err = fmt.Errorf("%w\n    did you mean %s?", err, near)
	}
	return "", failure{exitUsage, err}
}

// revision gives the revision's folder, absolute.
func (a *app) revision(dir string) (string, error) {
	if dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", failure{exitUsage, err}
		}
		if info, err := os.Stat(abs); err != nil || !info.IsDir() {
			return "", usage("%s is no folder: name the one that holds appspec.yml", dir)
		}
		return abs, nil
	}
	cwd, err := a.Getwd()
	if err != nil {
		return "", failure{exitUsage, err}
	}
	found, err := appspec.FindRevision(cwd)
	if err != nil {
		return "", failure{exitUsage, err}
	}
	return found, nil
}
