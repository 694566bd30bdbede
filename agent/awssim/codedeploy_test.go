package awssim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

func signer(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIATEST", SecretAccessKey: "secret"}, nil
}

// deployer is the real SDK's client.
func (s *rig) deployer() *codedeploy.Client {
	return codedeploy.New(codedeploy.Options{Region: "eu-west-1", BaseEndpoint: aws.String(s.URL()), Credentials: aws.CredentialsProviderFunc(signer), HTTPClient: whole{}, RetryMaxAttempts: 1})
}

// exception is the name of an API's error, or nothing.
func exception(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		// The SDK knows what it has a type for: a name that it does not know would be a *smithy.GenericAPIError.
		if _, generic := api.(*smithy.GenericAPIError); generic {
			return "unknown to the SDK: " + api.ErrorCode()
		}
		return api.ErrorCode()
	}
	return err.Error()
}

// invoke calls a method of a client by its input's type, so that a table of inputs is a table of calls.
func invoke(client, input any) (reflect.Value, error) {
	name := strings.TrimSuffix(reflect.TypeOf(input).Elem().Name(), "Input")
	out := reflect.ValueOf(client).MethodByName(name).Call([]reflect.Value{reflect.ValueOf(context.Background()), reflect.ValueOf(input)})
	err, _ := out[1].Interface().(error)
	return out[0], err
}

// calledAll says which of a service's operations no client called, or that it called some that are not there.
func (s *rig) calledAll(t *testing.T, service string, operations map[string]operation) {
	t.Helper()
	names := map[string]bool{}
	for _, r := range s.Requests() {
		if r.Service == service {
			names[r.Operation] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(operations)), slices.Sorted(maps.Keys(names))); diff != "" {
		t.Errorf("operations of %s (-there +called)\n%s", service, diff)
	}
}

func TestCodeDeployRefuses(t *testing.T) {
	s := newRig(t, 1, DeploymentGroupSpec{BlueGreen: true, ReadyWait: time.Hour}, Config{})
	group := func(name string) *codedeploy.CreateDeploymentGroupInput {
		return &codedeploy.CreateDeploymentGroupInput{ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String(name), ServiceRoleArn: aws.String("arn:aws:iam::1:role/r")}
	}
	copies := &types.BlueGreenDeploymentConfiguration{GreenFleetProvisioningOption: &types.GreenFleetProvisioningOption{Action: types.GreenFleetProvisioningActionCopyAutoScalingGroup}}
	noBalancer, badStyle := group("x"), group("x")
	noBalancer.DeploymentStyle = &types.DeploymentStyle{DeploymentType: types.DeploymentTypeBlueGreen, DeploymentOption: types.DeploymentOptionWithTrafficControl}
	badStyle.DeploymentStyle = &types.DeploymentStyle{DeploymentType: types.DeploymentTypeBlueGreen, DeploymentOption: types.DeploymentOptionWithoutTrafficControl}
	noGroup := group("x")
	noGroup.AutoScalingGroups = []string{"nosuch"}
	noConfig := group("x")
	noConfig.DeploymentConfigName = aws.String("nosuch")
	shop, web, none := aws.String("shop"), aws.String("web"), aws.String("nosuch")
	revision := &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{Bucket: aws.String("b"), Key: aws.String("k")}}
	cases := []struct {
		input any
		want  string
	}{
		{&codedeploy.CreateApplicationInput{ApplicationName: shop}, "ApplicationAlreadyExistsException"},
		{&codedeploy.GetApplicationInput{ApplicationName: none}, "ApplicationDoesNotExistException"},
		{&codedeploy.ListApplicationsInput{NextToken: aws.String("?")}, "InvalidNextTokenException"},
		{&codedeploy.RegisterApplicationRevisionInput{ApplicationName: shop, Revision: &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3}}, "InvalidRevisionException"},
		{&codedeploy.GetApplicationRevisionInput{ApplicationName: shop, Revision: revision}, "RevisionDoesNotExistException"},
		{&codedeploy.GetDeploymentConfigInput{DeploymentConfigName: none}, "DeploymentConfigDoesNotExistException"},
		{group("web"), "DeploymentGroupAlreadyExistsException"},
		{noConfig, "DeploymentConfigDoesNotExistException"},
		{noGroup, "InvalidAutoScalingGroupException"},
		{badStyle, "InvalidDeploymentStyleException"},
		{noBalancer, "InvalidLoadBalancerInfoException"},
		{&codedeploy.GetDeploymentGroupInput{ApplicationName: shop, DeploymentGroupName: none}, "DeploymentGroupDoesNotExistException"},
		{&codedeploy.ListDeploymentGroupsInput{ApplicationName: none}, "ApplicationDoesNotExistException"},
		{&codedeploy.UpdateDeploymentGroupInput{ApplicationName: shop, CurrentDeploymentGroupName: web, BlueGreenDeploymentConfiguration: copies}, "InvalidBlueGreenDeploymentConfigurationException"},
		{&codedeploy.UpdateDeploymentGroupInput{ApplicationName: shop, CurrentDeploymentGroupName: web, AutoScalingGroups: []string{}}, "InvalidBlueGreenDeploymentConfigurationException"},
		{&codedeploy.CreateDeploymentInput{ApplicationName: shop, DeploymentGroupName: none, Revision: revision}, "DeploymentGroupDoesNotExistException"},
		{&codedeploy.CreateDeploymentInput{ApplicationName: shop, DeploymentGroupName: web}, "RevisionRequiredException"},
		{&codedeploy.CreateDeploymentInput{ApplicationName: shop, DeploymentGroupName: web, Revision: revision, DeploymentConfigName: none}, "DeploymentConfigDoesNotExistException"},
		{&codedeploy.GetDeploymentInput{DeploymentId: none}, "DeploymentDoesNotExistException"},
		{&codedeploy.StopDeploymentInput{DeploymentId: none}, "DeploymentDoesNotExistException"},
		{&codedeploy.ListDeploymentTargetsInput{DeploymentId: none}, "DeploymentDoesNotExistException"},
		{&codedeploy.ListDeploymentsInput{IncludeOnlyStatuses: []types.DeploymentStatus{"Odd"}}, "InvalidDeploymentStatusException"},
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%T %s", c.input, c.want), func(t *testing.T) {
			if _, err := invoke(s.deployer(), c.input); exception(err) != c.want {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestDeploymentRefuses has what is refused as a deployment goes along.
func TestDeploymentRefuses(t *testing.T) {
	s := newRig(t, 1, DeploymentGroupSpec{BlueGreen: true, ReadyWait: time.Hour}, Config{})
	id := s.deploy(DeploymentSpec{})
	check := func(input any, want string) {
		t.Helper()
		if _, err := invoke(s.deployer(), input); exception(err) != want {
			t.Errorf("%T: %v, want %s", input, err, want)
		}
	}
	check(&codedeploy.ListDeploymentTargetsInput{DeploymentId: &id}, "DeploymentNotStartedException")
	check(&codedeploy.ContinueDeploymentInput{DeploymentId: &id}, "DeploymentIsNotInReadyStateException")
	revision := &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{Bucket: aws.String("b"), Key: aws.String("k")}}
	second := &codedeploy.CreateDeploymentInput{ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("web"), Revision: revision}
	check(second, "DeploymentLimitExceededException")
	s.until(id, "ready", func(v DeploymentView) bool { return v.Status == "Ready" })
	check(&codedeploy.GetDeploymentTargetInput{DeploymentId: &id, TargetId: aws.String("i-0")}, "DeploymentTargetDoesNotExistException")
	check(&codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &id, TargetIds: make([]string, 26)}, "DeploymentTargetListSizeExceededException")
	check(&codedeploy.ListDeploymentTargetsInput{DeploymentId: &id, TargetFilters: map[string][]string{"Odd": {"x"}}}, "InvalidTargetFilterNameException")
	check(&codedeploy.BatchGetDeploymentsInput{DeploymentIds: make([]string, 26)}, "BatchLimitExceededException")
	check(&codedeploy.ContinueDeploymentInput{DeploymentId: &id, DeploymentWaitType: "ODD"}, "InvalidDeploymentWaitTypeException")
	check(&codedeploy.StopDeploymentInput{DeploymentId: &id}, "")
	check(&codedeploy.StopDeploymentInput{DeploymentId: &id}, "DeploymentAlreadyCompletedException")
	check(&codedeploy.ContinueDeploymentInput{DeploymentId: &id}, "DeploymentAlreadyCompletedException")
}

// TestCodeDeploySDK takes the SDK through every operation there is.
func TestCodeDeploySDK(t *testing.T) {
	s := newRig(t, 2, DeploymentGroupSpec{BlueGreen: true}, Config{})
	c := s.deployer()
	app, group := aws.String("api"), aws.String("prod")
	s.group("api-asg", 2)
	s.group("other", 1)
	revision := &types.RevisionLocation{RevisionType: types.RevisionLocationTypeGitHub, GitHubLocation: &types.GitHubLocation{Repository: aws.String("o/r"), CommitId: aws.String("abc")}}
	must := func(inputs ...any) {
		t.Helper()
		for _, input := range inputs {
			if _, err := invoke(c, input); err != nil {
				t.Fatalf("%T: %v", input, err)
			}
		}
	}
	must(&codedeploy.CreateApplicationInput{ApplicationName: app})
	a, err := c.GetApplication(t.Context(), &codedeploy.GetApplicationInput{ApplicationName: app})
	if err != nil || a.Application.ComputePlatform != types.ComputePlatformServer || !a.Application.CreateTime.Truncate(time.Second).Equal(s.Now()) {
		t.Errorf("%+v %v", a, err)
	}
	s.sdkGroups(c, app, group)
	must(&codedeploy.RegisterApplicationRevisionInput{ApplicationName: app, Revision: revision},
		&codedeploy.GetApplicationRevisionInput{ApplicationName: app, Revision: revision})
	s.sdkDeploys(c, app, group, revision)
	must(&codedeploy.ListApplicationsInput{}, &codedeploy.ListDeploymentConfigsInput{}, &codedeploy.GetDeploymentConfigInput{DeploymentConfigName: aws.String("CodeDeployDefault.HalfAtATime")},
		&codedeploy.ListDeploymentGroupsInput{ApplicationName: app}, &codedeploy.DeleteDeploymentGroupInput{ApplicationName: app, DeploymentGroupName: group})
	s.calledAll(t, "codedeploy", codedeployOperations())
}

// sdkGroups has the SDK make a deployment group, and change it as one does who has it follow another Auto Scaling group.
func (s *rig) sdkGroups(c *codedeploy.Client, app, group *string) {
	t, ctx := s.t, s.t.Context()
	t.Helper()
	blueGreen := &types.BlueGreenDeploymentConfiguration{
		DeploymentReadyOption:                     &types.DeploymentReadyOption{ActionOnTimeout: types.DeploymentReadyActionStopDeployment, WaitTimeInMinutes: 60},
		GreenFleetProvisioningOption:              &types.GreenFleetProvisioningOption{Action: types.GreenFleetProvisioningActionCopyAutoScalingGroup},
		TerminateBlueInstancesOnDeploymentSuccess: &types.BlueInstanceTerminationOption{Action: types.InstanceActionTerminate, TerminationWaitTimeInMinutes: 5}}
	created, err := c.CreateDeploymentGroup(ctx, &codedeploy.CreateDeploymentGroupInput{ApplicationName: app, DeploymentGroupName: group, ServiceRoleArn: aws.String("arn:aws:iam::1:role/r"),
		AutoScalingGroups: []string{"api-asg"}, BlueGreenDeploymentConfiguration: blueGreen,
		DeploymentStyle:           &types.DeploymentStyle{DeploymentType: types.DeploymentTypeBlueGreen, DeploymentOption: types.DeploymentOptionWithTrafficControl},
		LoadBalancerInfo:          &types.LoadBalancerInfo{TargetGroupInfoList: []types.TargetGroupInfo{{Name: aws.String("web")}}},
		AutoRollbackConfiguration: &types.AutoRollbackConfiguration{Enabled: true, Events: []types.AutoRollbackEvent{types.AutoRollbackEventDeploymentFailure}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []*codedeploy.UpdateDeploymentGroupInput{
		{AutoScalingGroups: []string{"other"}, BlueGreenDeploymentConfiguration: blueGreen},
		{AutoScalingGroups: []string{"api-asg"}},
		{DeploymentConfigName: aws.String("CodeDeployDefault.AllAtOnce")},
	} {
		change.ApplicationName, change.CurrentDeploymentGroupName = app, group
		if out, err := c.UpdateDeploymentGroup(ctx, change); err != nil || len(out.HooksNotCleanedUp) != 0 {
			t.Fatalf("%+v %v", out, err)
		}
		got, err := c.GetDeploymentGroup(ctx, &codedeploy.GetDeploymentGroupInput{ApplicationName: app, DeploymentGroupName: group})
		if err != nil {
			t.Fatal(err)
		}
		want := append(change.AutoScalingGroups, "api-asg")[0]
		g := got.DeploymentGroupInfo
		if asg := g.AutoScalingGroups; *g.DeploymentGroupId != *created.DeploymentGroupId || len(asg) != 1 || *asg[0].Name != want || g.LoadBalancerInfo == nil || !g.AutoRollbackConfiguration.Enabled ||
			!strings.HasPrefix(*asg[0].Hook, "CodeDeploy-managed-automatic-launch-deployment-hook-prod-") {
			t.Errorf("%+v", g)
		}
		if diff := cmp.Diff(blueGreen, g.BlueGreenDeploymentConfiguration, ignoreMetadata()); diff != "" {
			t.Error(diff)
		}
	}
	batch, err := c.BatchGetDeploymentGroups(ctx, &codedeploy.BatchGetDeploymentGroupsInput{ApplicationName: app, DeploymentGroupNames: []string{"prod", "nosuch"}})
	if err != nil || len(batch.DeploymentGroupsInfo) != 1 || !strings.Contains(*batch.ErrorMessage, "nosuch") {
		t.Errorf("%+v %v", batch, err)
	}
}

func ignoreMetadata() cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore())
}

// sdkDeploys has the SDK start a deployment, look at it in its wait and at its end.
func (s *rig) sdkDeploys(c *codedeploy.Client, app, group *string, revision *types.RevisionLocation) {
	t, ctx := s.t, context.Background()
	t.Helper()
	out, err := c.CreateDeployment(ctx, &codedeploy.CreateDeploymentInput{ApplicationName: app, DeploymentGroupName: group, Revision: revision, Description: aws.String("try")})
	if err != nil {
		t.Fatal(err)
	}
	id := *out.DeploymentId
	s.until(id, "ready", func(v DeploymentView) bool { return v.Status == "Ready" })
	info := s.sdkDeployment(c, id)
	if o := info.DeploymentOverview; info.Status != types.DeploymentStatusReady || o.Ready != 2 || info.Creator != types.DeploymentCreatorUser || info.InstanceTerminationWaitTimeStarted ||
		info.TargetInstances.AutoScalingGroups[0] != "CodeDeploy_prod_"+id || *info.Description != "try" || info.ComputePlatform != types.ComputePlatformServer ||
		*info.LoadBalancerInfo.TargetGroupInfoList[0].Name != "web" || *info.Revision.GitHubLocation.CommitId != "abc" || info.DeploymentStyle.DeploymentType != types.DeploymentTypeBlueGreen {
		t.Errorf("%+v", info)
	}
	if _, err := c.ContinueDeployment(ctx, &codedeploy.ContinueDeploymentInput{DeploymentId: &id, DeploymentWaitType: types.DeploymentWaitTypeReadyWait}); err != nil {
		t.Fatal(err)
	}
	s.until(id, "in blue's wait", func(DeploymentView) bool { return s.sdkDeployment(c, id).InstanceTerminationWaitTimeStarted })
	s.end(id)
	s.sdkTargets(c, id)
	if all, err := c.BatchGetDeployments(ctx, &codedeploy.BatchGetDeploymentsInput{DeploymentIds: []string{id, "d-NOSUCHONE"}}); err != nil || len(all.DeploymentsInfo) != 1 {
		t.Errorf("%+v %v", all, err)
	}
	if all, err := c.ListDeployments(ctx, &codedeploy.ListDeploymentsInput{ApplicationName: app, DeploymentGroupName: group, IncludeOnlyStatuses: []types.DeploymentStatus{types.DeploymentStatusSucceeded}}); err != nil || !slices.Equal(all.Deployments, []string{id}) {
		t.Errorf("%+v %v", all, err)
	}
	second, err := c.CreateDeployment(ctx, &codedeploy.CreateDeploymentInput{ApplicationName: app, DeploymentGroupName: group, Revision: revision})
	if err != nil {
		t.Fatal(err)
	}
	stop, err := c.StopDeployment(ctx, &codedeploy.StopDeploymentInput{DeploymentId: second.DeploymentId, AutoRollbackEnabled: aws.Bool(false)})
	if err != nil || stop.Status != types.StopStatusSucceeded {
		t.Errorf("%+v %v", stop, err)
	}
	g, err := c.GetDeploymentGroup(ctx, &codedeploy.GetDeploymentGroupInput{ApplicationName: app, DeploymentGroupName: group})
	if err != nil || *g.DeploymentGroupInfo.LastSuccessfulDeployment.DeploymentId != id || g.DeploymentGroupInfo.LastAttemptedDeployment.Status != types.DeploymentStatusStopped {
		t.Errorf("%+v %v", g.DeploymentGroupInfo, err)
	}
}

// sdkTargets has the SDK look at a deployment's instances.
func (s *rig) sdkTargets(c *codedeploy.Client, id string) {
	t, ctx := s.t, s.t.Context()
	t.Helper()
	green, err := c.ListDeploymentTargets(ctx, &codedeploy.ListDeploymentTargetsInput{DeploymentId: &id, TargetFilters: map[string][]string{"ServerInstanceLabel": {"Green"}, "TargetStatus": {"Succeeded"}}})
	if err != nil || len(green.TargetIds) != 2 {
		t.Fatalf("%+v %v", green, err)
	}
	one, err := c.GetDeploymentTarget(ctx, &codedeploy.GetDeploymentTargetInput{DeploymentId: &id, TargetId: &green.TargetIds[0]})
	if err != nil {
		t.Fatal(err)
	}
	e := one.DeploymentTarget.InstanceTarget.LifecycleEvents
	if x := one.DeploymentTarget; x.DeploymentTargetType != types.DeploymentTargetTypeInstanceTarget || x.InstanceTarget.InstanceLabel != types.TargetLabelGreen || len(e) != 10 ||
		e[0].Diagnostics.ErrorCode != types.LifecycleErrorCodeSuccess || e[0].EndTime.Sub(*e[0].StartTime) != 20*time.Second || e[9].Status != types.LifecycleEventStatusSucceeded {
		t.Errorf("%+v", x)
	}
	if all, err := c.BatchGetDeploymentTargets(ctx, &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &id, TargetIds: green.TargetIds}); err != nil || len(all.DeploymentTargets) != 2 {
		t.Errorf("%+v %v", all, err)
	}
}

func (s *rig) sdkDeployment(c *codedeploy.Client, id string) *types.DeploymentInfo {
	s.t.Helper()
	out, err := c.GetDeployment(context.Background(), &codedeploy.GetDeploymentInput{DeploymentId: &id})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.DeploymentInfo
}

// TestPages: what is more than a page comes in pages, each thing once.
func TestPages(t *testing.T) {
	s := newRig(t, 1, DeploymentGroupSpec{}, Config{})
	s.do(func() {
		for i := range 250 {
			id := fmt.Sprintf("d-%09d", i)
			s.state.Deployments[id] = &deployment{ID: id, Application: "shop", Group: "web", Status: "Succeeded", Created: seconds{s.now()}}
		}
	})
	seen := map[string]bool{}
	pages := codedeploy.NewListDeploymentsPaginator(s.deployer(), &codedeploy.ListDeploymentsInput{ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("web")})
	n := 0
	for ; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range page.Deployments {
			seen[id] = true
		}
	}
	if n != 3 || len(seen) != 250 {
		t.Errorf("%d pages, %d deployments", n, len(seen))
	}
}
