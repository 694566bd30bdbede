package cloud

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// Place says where this instance stands in its deployment. What it may not ask stays unknown and is told in the
// place's Notes; an error means that not even the instance is known.
func (c *Client) Place(ctx context.Context, d lifecycle.Deployment) (guard.Place, error) {
	p := guard.Place{Role: lifecycle.Unknown, Creator: string(lifecycle.Unknown)}
	if err := c.onEC2(); err != nil {
		return p, err
	}
	if err := c.load(ctx); err != nil {
		return p, classify("find this instance", "", err)
	}
	var err error
	if p.Instance, err = c.instance(ctx); err != nil {
		return p, classify("find this instance", "", err)
	}
	if d.ID == "" {
		p.Group, err = c.groupOf(ctx, p.Instance)
		return p, err
	}
	var deployment *cdtypes.DeploymentInfo
	var label cdtypes.TargetLabel
	errs := c.together(
		func() (err error) { p.Group, err = c.groupOf(ctx, p.Instance); return err },
		func() (err error) { deployment, err = c.deployment(ctx, d.ID); return err },
		func() (err error) { label, err = c.label(ctx, d.ID, p.Instance); return err },
	)
	p.Fill(d, kindOfDeployment(deployment), string(label))
	for _, err := range errs { // a silent AWS need not be named three times
		if err != nil && !slices.Contains(p.Notes, err.Error()) {
			p.Notes = append(p.Notes, err.Error())
		}
	}
	if p.Role == lifecycle.Replacement {
		if p.Originals, err = c.originals(ctx, d, p.Group); err != nil {
			p.Notes = append(p.Notes, "the originals' group: "+err.Error())
		}
	}
	return p, nil
}

// together makes calls side by side.
func (c *Client) together(calls ...func() error) []error {
	errs := make([]error, len(calls))
	var wg sync.WaitGroup
	for i, call := range calls {
		wg.Go(func() { errs[i] = call() })
	}
	wg.Wait()
	return errs
}

// kindOfDeployment is what the guard wants to know of a deployment.
func kindOfDeployment(d *cdtypes.DeploymentInfo) (k guard.Kind) {
	if d == nil {
		return k
	}
	is := statusOf(d)
	k.Creator, k.Trigger, k.Instances = string(d.Creator), is.Trigger, is.Instances
	if d.DeploymentStyle != nil {
		k.InPlace = d.DeploymentStyle.DeploymentType == cdtypes.DeploymentTypeInPlace
	}
	return k
}

func (c *Client) metadata(ctx context.Context, path string) (string, error) {
	out, err := c.meta.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if err != nil {
		return "", err
	}
	defer out.Content.Close()
	b, err := io.ReadAll(io.LimitReader(out.Content, 64<<10))
	return strings.TrimSpace(string(b)), err
}

// groupOf gives the Auto Scaling group of an instance; "" where it is in none. Where the instance may read its own tags,
// which costs nothing, one of them says it (ASUG, "Tag Auto Scaling groups and instances").
func (c *Client) groupOf(ctx context.Context, instance string) (string, error) {
	if name, err := c.metadata(ctx, "tags/instance/aws:autoscaling:groupName"); err == nil && name != "" {
		return name, nil
	}
	out, err := c.asg.DescribeAutoScalingInstances(ctx, &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: []string{instance}})
	if err != nil {
		return "", classify("find the instance's group", "autoscaling:DescribeAutoScalingInstances", err)
	}
	if len(out.AutoScalingInstances) == 0 {
		return "", nil
	}
	return aws.ToString(out.AutoScalingInstances[0].AutoScalingGroupName), nil
}

func (c *Client) deployment(ctx context.Context, id string) (*cdtypes.DeploymentInfo, error) {
	out, err := c.deploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
	if err != nil {
		return nil, classify("look at the deployment", "codedeploy:GetDeployment", err)
	}
	return out.DeploymentInfo, nil
}

func (c *Client) label(ctx context.Context, id, instance string) (cdtypes.TargetLabel, error) {
	out, err := c.deploy.GetDeploymentTarget(ctx, &codedeploy.GetDeploymentTargetInput{DeploymentId: &id, TargetId: &instance})
	if err != nil || out.DeploymentTarget == nil || out.DeploymentTarget.InstanceTarget == nil {
		return "", classify("look at this instance's part in the deployment", "codedeploy:GetDeploymentTarget", err)
	}
	return out.DeploymentTarget.InstanceTarget.InstanceLabel, nil
}

// originals gives the groups that the deployment group names beside the replacement's own: CodeDeploy switches it to the
// replacement's when the originals are done with.
func (c *Client) originals(ctx context.Context, d lifecycle.Deployment, own string) ([]string, error) {
	out, err := c.deploy.GetDeploymentGroup(ctx, &codedeploy.GetDeploymentGroupInput{ApplicationName: &d.Application, DeploymentGroupName: &d.Group})
	if err != nil {
		return nil, classify("look at the deployment group", "codedeploy:GetDeploymentGroup", err)
	}
	var groups []string
	for _, g := range out.DeploymentGroupInfo.AutoScalingGroups {
		if name := aws.ToString(g.Name); name != own {
			groups = append(groups, name)
		}
	}
	return groups, nil
}

// Tags gives the instance's tags, where its metadata options allow it.
func (c *Client) Tags(ctx context.Context) (map[string]string, error) {
	if err := c.onEC2(); err != nil {
		return nil, err
	}
	if err := c.load(ctx); err != nil {
		return nil, classify("read the instance's tags", "", err)
	}
	keys, err := c.metadata(ctx, "tags/instance")
	if err != nil {
		return nil, classify("read the instance's tags (InstanceMetadataTags must be enabled)", "", err)
	}
	tags := map[string]string{}
	for _, k := range strings.Fields(keys) {
		if tags[k], err = c.metadata(ctx, "tags/instance/"+k); err != nil {
			return nil, classify("read the instance's tag "+k, "", err)
		}
	}
	return tags, nil
}

// Busy says whether another instance of the deployment is inside one of the events now.
func (c *Client) Busy(ctx context.Context, deployment, instance string, events []lifecycle.Event) (bool, error) {
	if err := c.load(ctx); err != nil {
		return false, classify("look at the other instances", "", err)
	}
	in := &codedeploy.ListDeploymentTargetsInput{DeploymentId: &deployment, TargetFilters: map[string][]string{string(cdtypes.TargetFilterNameTargetStatus): {string(cdtypes.TargetStatusInProgress)}}}
	for {
		page, err := c.deploy.ListDeploymentTargets(ctx, in)
		if err != nil {
			return false, classify("look at the other instances", "codedeploy:ListDeploymentTargets", err)
		}
		for at := 0; at < len(page.TargetIds); at += batch {
			busy, err := c.busy(ctx, deployment, instance, page.TargetIds[at:min(at+batch, len(page.TargetIds))], events)
			if busy || err != nil {
				return busy, err
			}
		}
		if in.NextToken = page.NextToken; page.NextToken == nil {
			return false, nil
		}
	}
}

// batch is the most ids that BatchGetDeploymentTargets takes.
const batch = 25

func (c *Client) busy(ctx context.Context, deployment, instance string, ids []string, events []lifecycle.Event) (bool, error) {
	out, err := c.deploy.BatchGetDeploymentTargets(ctx, &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &deployment, TargetIds: ids})
	if err != nil {
		return false, classify("look at the other instances", "codedeploy:BatchGetDeploymentTargets", err)
	}
	for _, t := range out.DeploymentTargets {
		if t.InstanceTarget == nil || aws.ToString(t.InstanceTarget.TargetId) == instance {
			continue
		}
		for _, e := range t.InstanceTarget.LifecycleEvents {
			for _, guarded := range events {
				if e.Status == cdtypes.LifecycleEventStatusInProgress && aws.ToString(e.LifecycleEventName) == string(guarded) {
					return true, nil
				}
			}
		}
	}
	return false, nil
}
