package cloud

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/smithy-go"

	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

// atOnce is how many calls the collector has under way: more would only meet AWS's throttling, which is per account.
const atOnce = 6

// collector gathers one deployment's evidence.
type collector struct {
	*Client
	deployment.Evidence
	room chan struct{}
}

// Evidence asks AWS all that it has to say about a deployment. What could not be asked is missing in it, and says why;
// an error means that there is nothing to say at all.
func (c *Client) Evidence(ctx context.Context, id string) (deployment.Evidence, error) {
	g := &collector{Client: c, Evidence: deployment.Evidence{Version: deployment.Version, Deployment: id, Profile: c.Profile}, room: make(chan struct{}, atOnce)}
	if err := c.load(ctx); err != nil {
		var absent config.SharedConfigProfileNotExistError
		if errors.As(err, &absent) {
			return g.Evidence, &Error{Kind: Unset, Op: "find the profile", Err: err, Say: "there is no profile " + absent.Profile + " in the AWS CLI's files: aws configure list-profiles"}
		}
		return g.Evidence, classify("look at the deployment", "", err)
	}
	g.Region = c.config.Region
	if err := g.info(ctx); err != nil {
		return g.Evidence, err
	}
	if err := g.targets(ctx); err != nil && !g.Info.Whole() { // neither: there is nothing to say
		return g.Evidence, err
	}
	g.all(func() { g.group(ctx) }, func() { g.balanced(ctx) }, func() { g.related(ctx) })
	g.scaling(ctx)
	g.all(func() { g.siblings(ctx) }, func() { g.copies(ctx) })
	g.beside(ctx)
	return g.Evidence, nil
}

// all does things side by side, each with its own part of the evidence.
func (g *collector) all(calls ...func()) {
	var wg sync.WaitGroup
	for _, call := range calls {
		wg.Go(call)
	}
	wg.Wait()
}

// ask makes one call when there is room for it.
func (g *collector) ask(ctx context.Context, call func() error) error {
	select {
	case g.room <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.room }()
	return call()
}

// missing says in evidence why a call failed; nil where it did not.
func missing(err error, action, tells string, part bool) *deployment.Missing {
	if err == nil {
		return nil
	}

	m := &deployment.Missing{Why: deployment.Failed, Action: action, Tells: tells, Part: part, Text: short(err)}
	var known *Error
	if errors.As(classify("look at the deployment", action, err), &known) {
		m.Action = known.Action
		m.Why = map[Kind]deployment.Why{Denied: deployment.Denied, Throttled: deployment.Throttled, Gone: deployment.NotFound, Unreachable: deployment.Unreachable}[known.Kind]
		if m.Why == "" {
			m.Why = deployment.Failed
		}
	}
	return m
}

// info is the first question. Only who may not ask it goes on without an answer.
func (g *collector) info(ctx context.Context) error {
	out, err := g.deploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &g.Deployment}, func(o *codedeploy.Options) { o.RetryMaxAttempts = attempts }) // who has no route learns it soon
	g.Here = time.Now().UTC()
	g.Asked = g.Here
	if err != nil {
		if stranger := credentialsFailure(err); stranger != nil {
			return stranger
		}
		err = classify("look at the deployment", "codedeploy:GetDeployment", err)
		var known *Error
		if errors.As(err, &known) && known.Kind == Gone {
			return &Error{Kind: Gone, Op: known.Op, Err: err, Say: fmt.Sprintf("there is no deployment %s in %s: is it of another region (--region) or account (--profile)?", g.Deployment, g.Region)}
		}
		if !errors.As(err, &known) || known.Kind != Denied {
			return err
		}
		g.Info.Missing = missing(err, "codedeploy:GetDeployment", "how the deployment ended, its deployment group and its load balancer", false)
		return nil
	}
	if at, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
		g.Asked = at.UTC()
	}
	if out.DeploymentInfo == nil {
		return nil
	}
	if p := out.DeploymentInfo.ComputePlatform; p == cdtypes.ComputePlatformEcs || p == cdtypes.ComputePlatformLambda {
		return fmt.Errorf("cannot diagnose %s: it deploys to %s, and wingman knows deployments to EC2 only", g.Deployment, p)
	}
	g.Info.Value = infoOf(out.DeploymentInfo)
	return nil
}

// credentialsFailure is the failure of who has no credentials, or such as AWS does not accept (any more): what is to be
// done is on this computer then, not in AWS.
func credentialsFailure(err error) error {
	var api smithy.APIError
	said := ""
	switch {
	case errors.As(err, &api):
		refused := []string{"ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch"}
		if !slices.Contains(refused, api.ErrorCode()) {
			return nil
		}
		said = "AWS does not accept these credentials (" + api.ErrorCode() + ")"
	case strings.Contains(err.Error(), "get credentials:"):
		said = "there are no AWS credentials here (" + short(err) + ")"
	default:
		return nil
	}
	return &Error{Kind: Unreachable, Op: "look at the deployment", Err: err, Say: said + ": aws sso login, or another --profile"}
}

func infoOf(d *cdtypes.DeploymentInfo) deployment.Info {
	i := deployment.Info{Application: aws.ToString(d.ApplicationName), Group: aws.ToString(d.DeploymentGroupName), Status: string(d.Status), Creator: string(d.Creator),
		Config: aws.ToString(d.DeploymentConfigName), Messages: d.DeploymentStatusMessages, Created: moment(d.CreateTime), Started: moment(d.StartTime), Completed: moment(d.CompleteTime),
		WaitStarted: d.InstanceTerminationWaitTimeStarted, IgnoreStop: d.IgnoreApplicationStopFailures, FileExists: string(d.FileExistsBehavior),
		Revision: revisionOf(d.Revision), OlderRevision: revisionOf(d.PreviousRevision)}
	if s := d.DeploymentStyle; s != nil {
		i.BlueGreen, i.Traffic = s.DeploymentType == cdtypes.DeploymentTypeBlueGreen, s.DeploymentOption == cdtypes.DeploymentOptionWithTrafficControl
	}
	if e := d.ErrorInformation; e != nil {
		i.ErrorCode, i.ErrorMessage = string(e.Code), aws.ToString(e.Message)
	}
	if o := d.DeploymentOverview; o != nil {
		i.Counts = &deployment.Counts{Pending: int(o.Pending), InProgress: int(o.InProgress), Succeeded: int(o.Succeeded), Failed: int(o.Failed), Skipped: int(o.Skipped), Ready: int(o.Ready)}
	}
	if b := d.BlueGreenDeploymentConfiguration; b != nil {
		blueGreenOf(b, &i)
	}
	if t := d.TargetInstances; t != nil {
		i.Replacement = t.AutoScalingGroups
	}
	if l := d.LoadBalancerInfo; l != nil {
		for _, t := range l.TargetGroupInfoList {
			i.TargetGroups = append(i.TargetGroups, aws.ToString(t.Name))
		}
		for _, t := range l.ElbInfoList {
			i.Classic = append(i.Classic, aws.ToString(t.Name))
		}
	}
	if r := d.RollbackInfo; r != nil {
		i.RolledBackBy, i.RollsBack, i.Rollback = aws.ToString(r.RollbackDeploymentId), aws.ToString(r.RollbackTriggeringDeploymentId), aws.ToString(r.RollbackMessage)
	}
	if r := d.AutoRollbackConfiguration; r != nil {
		i.AutoRollback = r.Enabled
	}
	if r := d.RelatedDeployments; r != nil {
		i.RootDeployment = aws.ToString(r.AutoUpdateOutdatedInstancesRootDeploymentId)
	}
	return i
}

func blueGreenOf(b *cdtypes.BlueGreenDeploymentConfiguration, i *deployment.Info) {
	if p := b.GreenFleetProvisioningOption; p != nil {
		i.Copies = p.Action == cdtypes.GreenFleetProvisioningActionCopyAutoScalingGroup
	}
	if t := b.TerminateBlueInstancesOnDeploymentSuccess; t != nil {
		i.KeepsBlue = t.Action == cdtypes.InstanceActionKeepAlive
	}
	if r := b.DeploymentReadyOption; r != nil && r.ActionOnTimeout == cdtypes.DeploymentReadyActionStopDeployment {
		i.ReadyWait = max(1, int(r.WaitTimeInMinutes))
	}
}

// revisionOf is where a bundle lies, in one word.
func revisionOf(r *cdtypes.RevisionLocation) string {
	switch {
	case r == nil:
	case r.S3Location != nil:
		return "s3://" + aws.ToString(r.S3Location.Bucket) + "/" + aws.ToString(r.S3Location.Key)
	case r.GitHubLocation != nil:
		return "github.com/" + aws.ToString(r.GitHubLocation.Repository) + "@" + aws.ToString(r.GitHubLocation.CommitId)
	}
	return ""
}

// moment is a time as evidence has it.
func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

const tellsTargets = "on which instances, in which lifecycle event and why it failed"

// targets lists the deployment's instances and reads each. What cannot be read is named all the same.
func (g *collector) targets(ctx context.Context) error {
	var ids []string
	in := &codedeploy.ListDeploymentTargetsInput{DeploymentId: &g.Deployment}
	for {
		page, err := g.deploy.ListDeploymentTargets(ctx, in)
		var early *cdtypes.DeploymentNotStartedException
		if errors.As(err, &early) { // no instances yet: an answer
			return nil
		}
		if err != nil {
			g.Targets.Missing = missing(err, "codedeploy:ListDeploymentTargets", tellsTargets, len(ids) > 0)
			if len(ids) == 0 {
				return classify("look at the deployment", "codedeploy:ListDeploymentTargets", err)
			}
			break
		}
		ids = append(ids, page.TargetIds...)
		if in.NextToken = page.NextToken; aws.ToString(page.NextToken) == "" {
			break
		}
	}
	g.Targets.Value = make([]deployment.Target, len(ids))
	for i, id := range ids {
		g.Targets.Value[i] = deployment.Target{ID: id, Unread: true}
	}
	return g.read(ctx, ids)
}

// read fills in the instances, in batches side by side.
func (g *collector) read(ctx context.Context, ids []string) error {
	var calls []func()
	errs := make([]error, (len(ids)+batch-1)/batch)
	for n := range errs {
		calls = append(calls, func() {
			part := g.Targets.Value[n*batch : min((n+1)*batch, len(ids))]
			errs[n] = g.ask(ctx, func() error { return g.readBatch(ctx, part) })
		})
	}
	g.all(calls...)
	err := errors.Join(errs...)
	for _, one := range errs {
		if one != nil && g.Targets.Missing == nil {
			g.Targets.Missing = missing(one, "codedeploy:BatchGetDeploymentTargets", tellsTargets, true)
		}
	}
	return err
}

func (g *collector) readBatch(ctx context.Context, part []deployment.Target) error {
	ids := make([]string, len(part))
	for i, t := range part {
		ids[i] = t.ID
	}
	out, err := g.deploy.BatchGetDeploymentTargets(ctx, &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &g.Deployment, TargetIds: ids})
	if err != nil {
		return err
	}
	for _, t := range out.DeploymentTargets {
		if t.InstanceTarget == nil {
			continue
		}
		if i := slices.Index(ids, lastPart(aws.ToString(t.InstanceTarget.TargetId))); i >= 0 {
			part[i] = targetOf(t.InstanceTarget)
		}
	}
	return nil
}

// lastPart is an instance's id, where AWS gives it in an ARN.
func lastPart(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

func targetOf(t *cdtypes.InstanceTarget) deployment.Target {
	out := deployment.Target{ID: lastPart(aws.ToString(t.TargetId)), Label: string(t.InstanceLabel), Status: string(t.Status)}
	for _, e := range t.LifecycleEvents {
		ev := deployment.Event{Name: aws.ToString(e.LifecycleEventName), Status: string(e.Status), Start: moment(e.StartTime), End: moment(e.EndTime)}
		if d := e.Diagnostics; d != nil {
			ev.Diagnostics = &deployment.Diagnostics{Code: string(d.ErrorCode), Script: aws.ToString(d.ScriptName), Message: aws.ToString(d.Message), Log: aws.ToString(d.LogTail)}
		}
		out.Events = append(out.Events, ev)
	}
	return out
}
