package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
	"github.com/codedeploy-wingman/wingman/agent/journal"
)

// diagnoseOptions are the command line's.
type diagnoseOptions struct{ region, profile, save, from string }

func (a *app) diagnose() *cobra.Command {
	var o diagnoseOptions
	c := &cobra.Command{
		Use: "diagnose ID", Short: "Say what happened to a deployment: who serves, what failed where and why, what to type next", Args: cobra.MaximumNArgs(1),
		Long: `Say what happened to a CodeDeploy deployment: which environment serves, what failed where and why, what was left behind,
and what to type next. It only reads, needs nothing on any instance, and works from anywhere with read-only credentials:
the AWS CLI's. What these may not ask is named, with what it would have told; where the evidence does not decide, nothing
is claimed.

Where it looks: CodeDeploy (the deployment, its instances' lifecycle events, its group and the others on the same Auto
Scaling groups), Auto Scaling (groups, activities, lifecycle hooks), the load balancer's target health, and this host's
own records. --save keeps all of it, the ends of scripts' output among it, for a colleague: --from reads it again.

EXIT STATUS
  0  there is a diagnosis, whatever became of the deployment
  1  there is no such deployment here, or the file could not be read or written
  2  the command line is wrong
  4  AWS could not be reached, or does not allow any of it`,
		Example: "  wingman diagnose d-ABCDEFGHI --region eu-west-1 --profile production\n  wingman diagnose d-ABCDEFGHI --save d.json\n  wingman diagnose --from d.json",
		RunE:    func(c *cobra.Command, args []string) error { return a.runDiagnose(c.Context(), args, o) },
	}
	f := c.Flags()
	f.StringVar(&o.region, "region", "", "the deployment's region (default: as the AWS CLI has it)")
	f.StringVar(&o.profile, "profile", "", "a profile of the AWS CLI's files (default: as the AWS CLI has it)")
	f.StringVar(&o.save, "save", "", "keep what AWS answered in this file")
	f.StringVar(&o.from, "from", "", "ask nobody: read a file that --save wrote")
	return c
}

// longestQuestion bounds the whole asking: what has not been answered by then is missing.
const longestQuestion = 2 * time.Minute

// aDeployment says that an id has CodeDeploy's form. What has not would only be asked for in vain.
func aDeployment(id string) bool {
	name, is := strings.CutPrefix(id, "d-")
	return is && len(name) >= 9 && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

func (a *app) runDiagnose(ctx context.Context, args []string, o diagnoseOptions) error {
	if o.from != "" && (o.save != "" || o.region != "" || o.profile != "") {
		return usage("--from asks nobody: it goes with none of --save, --region, --profile")
	}
	if len(args) == 0 && o.from == "" {
		return usage("name a deployment: wingman diagnose d-ABCDEFGHI\n    aws deploy list-deployments --max-items 5   # the last ones")
	}
	if len(args) == 1 && !aDeployment(args[0]) {
		return usage("%q is no deployment's id: those are like d-ABCDEFGHI\n    aws deploy list-deployments --max-items 5   # the last ones", args[0])
	}
	e, err := a.evidence(ctx, args, o)
	if err != nil {
		return err
	}
	d := deployment.Diagnose(e)
	if a.output == "json" {
		return a.json(d)
	}
	return a.printDiagnosis(d)
}

// evidence asks AWS, or reads what was saved.
func (a *app) evidence(ctx context.Context, args []string, o diagnoseOptions) (deployment.Evidence, error) {
	if o.from != "" {
		f, err := os.Open(o.from)
		if err != nil {
			return deployment.Evidence{}, fmt.Errorf("cannot read the evidence: %w", err)
		}
		defer f.Close()
		e, err := deployment.Load(f)
		if err == nil && len(args) == 1 && args[0] != e.Deployment {
			return e, usage("%s is about %s, not %s", o.from, e.Deployment, args[0])
		}
		return e, err
	}
	ctx, cancel := context.WithTimeout(ctx, longestQuestion)
	defer cancel()
	e, err := cloud.New(cloud.Options{Region: o.region, Profile: o.profile, Patient: true}).Evidence(ctx, args[0])
	if err != nil {
		return e, cloudFailure(err)
	}
	e.Journal = a.ownRuns(ctx, args[0])
	if o.save == "" {
		return e, nil
	}
	f, err := os.OpenFile(o.save, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // the ends of scripts' output are in it
	if err != nil {
		return e, fmt.Errorf("cannot save the evidence: %w", err)
	}
	return e, errors.Join(e.Save(f), f.Close())
}

// ownRuns are this host's records of the deployment. On a laptop there are none, and nothing is missing.
func (a *app) ownRuns(ctx context.Context, id string) (out deployment.Item[[]journal.Run]) {
	const tells = "what this host's own records say of its events"
	runs, err := a.recordedRuns(ctx)
	out.Value = slices.DeleteFunc(runs, func(r journal.Run) bool { return r.Deployment.ID != id })
	switch {
	case err != nil:
		out.Missing = &deployment.Missing{Why: deployment.Failed, Text: err.Error(), Tells: tells, Part: len(out.Value) > 0}
	case len(out.Value) == 0:
		out = deployment.Lacks[[]journal.Run](deployment.NotAsked, tells)
	}
	return out
}
