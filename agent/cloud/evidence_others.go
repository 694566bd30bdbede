package cloud

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asgtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

const tellsOthers = "how the rollback stands, and whether another deployment was in the way"

// related asks for the deployments that this one names.
func (g *collector) related(ctx context.Context) {
	i := g.Info.Value
	relation := map[string]deployment.Relation{i.RolledBackBy: deployment.RollsItBack, i.RollsBack: deployment.IsRolledBack, i.RootDeployment: deployment.Root}
	delete(relation, "")
	var ids []string
	for id := range relation {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	found, err := g.deployments(ctx, ids)
	for _, r := range found {
		r.Relation = relation[r.ID]
		g.Others.Value = append(g.Others.Value, r)
	}
	g.Others.Missing = missing(err, "codedeploy:BatchGetDeployments", tellsOthers, len(found) > 0)
}

func (g *collector) deployments(ctx context.Context, ids []string) (out []deployment.Related, err error) {
	for part := range slices.Chunk(ids, batch) {
		err := g.ask(ctx, func() error {
			page, err := g.deploy.BatchGetDeployments(ctx, &codedeploy.BatchGetDeploymentsInput{DeploymentIds: part})
			if err != nil {
				return err
			}
			for _, d := range page.DeploymentsInfo {
				out = append(out, deployment.Related{ID: aws.ToString(d.DeploymentId), Group: aws.ToString(d.DeploymentGroupName), Status: string(d.Status), Creator: string(d.Creator), Created: moment(d.CreateTime), Completed: moment(d.CompleteTime)})
			}
			return nil
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// siblings finds the other deployment groups on the same Auto Scaling groups: those of the same application, and, where
// a hook of CodeDeploy's is on one of them that none of these has put there, those of all applications.
func (g *collector) siblings(ctx context.Context) {
	const tells = "whether another deployment group deploys to the same instances"
	i := g.Info.Value
	if i.Application == "" {
		g.Siblings = deployment.Lacks[[]deployment.Sibling](deployment.NotAsked, tells)
		return
	}
	err := g.siblingsIn(ctx, i.Application)
	if err == nil && g.strange() {
		err = g.elsewhere(ctx, i.Application)
	}
	action := "codedeploy:ListDeploymentGroups"
	g.Siblings.Missing = missing(err, action, tells, len(g.Siblings.Value) > 0)
}

// strange says that a hook of CodeDeploy's is on a group, and nobody found so far has put it there.
func (g *collector) strange() bool {
	for _, s := range g.Scaling {
		for _, h := range s.Hooks.Value {
			if deployment.Managed(h.Name) && !g.Evidence.Owns(h.Name) {
				return true
			}
		}
	}
	return false
}

// applicationsRead is how many applications are searched for a hook's owner: two calls each.
const applicationsRead = 50

func (g *collector) elsewhere(ctx context.Context, but string) error {
	in, seen := &codedeploy.ListApplicationsInput{}, 0
	for {
		page, err := g.deploy.ListApplications(ctx, in)
		if err != nil {
			return classify("", "codedeploy:ListApplications", err)
		}
		for _, name := range page.Applications {
			if name == but {
				continue
			}
			if seen++; seen > applicationsRead {
				return errors.New("too many applications: only some were searched")
			}
			if err := g.siblingsIn(ctx, name); err != nil {
				return err
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(page.NextToken) == "" {
			return nil
		}
	}
}

func (g *collector) siblingsIn(ctx context.Context, application string) error {
	var names []string
	in := &codedeploy.ListDeploymentGroupsInput{ApplicationName: &application}
	for {
		page, err := g.deploy.ListDeploymentGroups(ctx, in)
		if err != nil {
			return classify("", "codedeploy:ListDeploymentGroups", err)
		}
		names = append(names, page.DeploymentGroups...)
		if in.NextToken = page.NextToken; aws.ToString(page.NextToken) == "" {
			break
		}
	}
	if own := g.Info.Value; application == own.Application {
		names = slices.DeleteFunc(names, func(n string) bool { return n == own.Group })
	}
	for part := range slices.Chunk(names, 100) { // the most that the call takes
		out, err := g.deploy.BatchGetDeploymentGroups(ctx, &codedeploy.BatchGetDeploymentGroupsInput{ApplicationName: &application, DeploymentGroupNames: part})
		if err != nil {
			return classify("", "codedeploy:BatchGetDeploymentGroups", err)
		}
		for _, d := range out.DeploymentGroupsInfo {
			g.sibling(d)
		}
	}
	return nil
}

func (g *collector) sibling(d cdtypes.DeploymentGroupInfo) {
	for _, a := range d.AutoScalingGroups {
		shared := slices.ContainsFunc(g.Scaling, func(s deployment.ScalingGroup) bool { return s.Name == aws.ToString(a.Name) })
		if shared {
			g.Siblings.Value = append(g.Siblings.Value, deployment.Sibling{Application: aws.ToString(d.ApplicationName), Name: aws.ToString(d.DeploymentGroupName), ID: aws.ToString(d.DeploymentGroupId), Scaling: aws.ToString(a.Name), Hook: aws.ToString(a.Hook)})
		}
	}
}

// beside finds the siblings' deployments that ran while this one did.
func (g *collector) beside(ctx context.Context) {
	i := g.Info.Value
	end := i.Completed
	if end.IsZero() {
		end = g.Asked
	}
	from := i.Created.Add(-before)
	var ids []string
	for _, s := range g.Siblings.Value {
		in := &codedeploy.ListDeploymentsInput{ApplicationName: &s.Application, DeploymentGroupName: &s.Name, CreateTimeRange: &cdtypes.TimeRange{Start: &from, End: &end}}
		out, err := g.deploy.ListDeployments(ctx, in)
		if err != nil {
			if g.Others.Missing == nil {
				g.Others.Missing = missing(err, "codedeploy:ListDeployments", tellsOthers, true)
			}
			continue
		}
		ids = append(ids, out.Deployments...)
	}
	found, err := g.deployments(ctx, ids)
	if err != nil && g.Others.Missing == nil {
		g.Others.Missing = missing(err, "codedeploy:BatchGetDeployments", tellsOthers, true)
	}
	for _, r := range found {
		if r.Completed.IsZero() || r.Completed.After(i.Created) {
			r.Relation = deployment.Beside
			g.Others.Value = append(g.Others.Value, r)
		}
	}
}

// copies finds the groups that CodeDeploy made for the deployment group and that are there still.
func (g *collector) copies(ctx context.Context) {
	i := g.Info.Value
	if !i.BlueGreen && !g.Group.Value.BlueGreen {
		return
	}
	in := &autoscaling.DescribeAutoScalingGroupsInput{IncludeInstances: aws.Bool(false), Filters: []asgtypes.Filter{{Name: aws.String("tag-key"), Values: []string{deployment.ProvisioningTag}}}}
	for pages := autoscaling.NewDescribeAutoScalingGroupsPaginator(g.asg, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			g.Copies.Missing = missing(err, "autoscaling:DescribeAutoScalingGroups", "whether earlier deployments left groups behind", len(g.Copies.Value) > 0)
			return
		}
		for _, a := range page.AutoScalingGroups {
			name := aws.ToString(a.AutoScalingGroupName)
			id, ours := strings.CutPrefix(name, deployment.CopyName(i.Group, ""))
			if ours && strings.HasPrefix(id, "d-") {
				g.Copies.Value = append(g.Copies.Value, deployment.Copy{Name: name, Deployment: id, Desired: int(aws.ToInt32(a.DesiredCapacity)), Created: moment(a.CreatedTime)})
			}
		}
	}
}
