package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/rehearsal"
)

// rehearseOptions are the command line's.
type rehearseOptions struct {
	events []string
	fail   string
	kind   string
	scene  string
	scenes bool
	rehearsal.Config
}

func (a *app) rehearse() *cobra.Command {
	var o rehearseOptions
	c := &cobra.Command{
		Use: "rehearse [DIR]", Short: "Take a revision through a whole deployment on this machine", Args: cobra.MaximumNArgs(1),
		Long: `Take a revision through a whole deployment on this machine, on simulated AWS: an Auto Scaling group, a load balancer,
CodeDeploy, and a stand-in for the CodeDeploy agent on each instance. First the original instances get the revision;
then the deployment that is shown begins, while a load balancer sends them real requests and counts the lost ones.

The hooks run for real, as you, from /, with CodeDeploy's variables; block-traffic events and ApplicationStop come from
the last successful revision. Each instance has an ADDRESS (127.0.X.N) and a PORT of its own in the hooks' environment
and in wingman.yml's env where it names them, and a scratch root that the hooks know as WINGMAN_REHEARSAL_ROOT. In the
end what the hooks left running is ended (on Linux) and the scratch folders are removed; after a failure the logs stay.

--scene plays a deployment that breaks in its own way instead, without a revision and in no time, and prints what wingman
diagnose says of it; --scenes plays all of them, one line for each.

EXIT STATUS
  0    the deployment succeeded (--type rollback: it was rolled back), no request was lost, nothing is left suspended;
       of scenes: each was diagnosed as it has to be
  1    it did not
  2    the command line, the revision or host.yml is wrong: nothing was run
  130  interrupted`,
		Example: "  wingman rehearse\n  wingman rehearse --fail ValidateService@replacement-2\n  wingman rehearse --type in-place --original 3 build/revision\n  wingman rehearse --scene old-block-script",
		RunE: func(c *cobra.Command, args []string) error {
			if o.scene == "" && !o.scenes {
				return a.runRehearse(c.Context(), args, o)
			}
			if len(args) > 0 || o.scene != "" && o.scenes || c.Flags().NFlag() > 1 && !c.Flags().Changed("output") || c.Flags().NFlag() > 2 {
				return usage("--scene NAME and --scenes go with nothing else: a scene has no revision")
			}
			if o.scenes {
				return a.runScenes(c.Context())
			}
			return a.runScene(c.Context(), o.scene)
		},
	}
	f := c.Flags()
	f.StringVar(&o.kind, "type", string(rehearsal.BlueGreen), "blue-green, in-place, or rollback: a blue/green deployment that fails and is rolled back")
	f.IntVar(&o.Original, "original", 2, "instances that serve now")
	f.IntVar(&o.Replacement, "replacement", 0, "instances that take over; CodeDeploy copies the originals' group, so another number is a group that is there already (default: as many as originals)")
	f.StringVar(&o.fail, "fail", "", "make this event fail, EVENT or EVENT@INSTANCE (original-1, replacement-2), to see what its failure looks like")
	f.StringSliceVar(&o.events, "events", nil, "call only these events' hooks (DownloadBundle and Install always run)")
	f.StringVar(&o.Health, "health", "/healthz", "the path at which the application says with 2xx that it is well; requests go there, too")
	f.StringVar(&o.scene, "scene", "", "play this broken deployment and diagnose it")
	f.BoolVar(&o.scenes, "scenes", false, "play every broken deployment there is, and check its diagnosis")
	f.StringVar(&o.Host, "host", "", "the host.yml that the instances have (default: the built-in settings)")
	return c
}

func (a *app) runRehearse(ctx context.Context, args []string, o rehearseOptions) error {
	cfg, err := a.rehearsal(args, o)
	if err != nil {
		return err
	}
	res, err := rehearsal.Run(ctx, cfg)
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
	case res.Interrupted:
		return failure{exitInterrupted, errSilent}
	case !res.Succeeded:
		return failure{exitFailed, errSilent}
	}
	return nil
}

// rehearsal gathers what is to be rehearsed.
func (a *app) rehearsal(args []string, o rehearseOptions) (rehearsal.Config, error) {
	c := o.Config
	c.Env, c.Type = a.Env, rehearsal.Type(o.kind)
	var err error
	for _, name := range o.events {
		e, err := findEvent(name)
		if err != nil {
			return c, err
		}
		c.Events = append(c.Events, e)
	}
	if o.Original == 0 {
		return c, usage("without an original instance there is nothing to replace")
	}
	if o.fail != "" {
		name, on, _ := strings.Cut(o.fail, "@")
		if c.Fail, err = findEvent(name); err != nil {
			return c, err
		}
		c.FailOn = on
	}
	dir := ""
	if len(args) == 1 {
		dir = args[0]
	}
	if c.Dir, err = a.revision(dir); err != nil {
		return c, err
	}
	if c.Wingman, err = os.Executable(); err != nil {
		return c, fmt.Errorf("cannot rehearse: %w", err)
	}
	if a.output == "text" {
		c.Show = a.story()
		return c, a.printf("Rehearsal of %s: %s, on simulated AWS. The hooks run for real; files go below a scratch folder.\n\n", c.Dir, deploymentWords(c))
	}
	return c, nil
}

func deploymentWords(c rehearsal.Config) string {
	if c.Type == rehearsal.InPlace {
		return fmt.Sprintf("an in-place deployment to %d instances, one at a time", c.Original)
	}
	n := c.Replacement
	if n == 0 {
		n = c.Original
	}
	words := fmt.Sprintf("a blue/green deployment, %d original and %d replacement instances", c.Original, n)
	if c.Type == rehearsal.RollBack {
		words += ", that fails and is rolled back"
	}
	return words
}
