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
	return codedeploy.New(codedeploy.Options{Region: "eu-west-1", BaseEndpoint: aws.String(s.URL()), Credentials: aws.CredentialsProviderFunc(signer), RetryMaxAttempts: 1})
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

// called gives the names of the operations that clients called of a service.
func (s *rig) called(service string) []string {
	names := map[string]bool{}
	for _, r := range s.Requests() {
		if r.Service == service {
			names[r.Operation] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func TestCodeDeployRefuses(t *testing.T) {
	s := newRig(t, 1, DeploymentGroupSpec{BlueGreen: true, ReadyWait: time.Hour}, Config{})
	group := func(name string) *codedeploy.CreateDeploymentGroupInput {
		return &codedeploy.CreateDeploymentGroupInput{ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String(name), ServiceRoleArn: aws.String("arn:aws:iam::1:role/r")}
	}
	copies := &types.BlueGreenDeploymentConfiguration{GreenFleetProvisioningOption: &types.GreenFleetProvisioningOption{Action: types.GreenFleetProvisioningActionCopyAutoScalingGroup}}
	noBalancer := group("x")
	noBalancer.DeploymentStyle = &types.DeploymentStyle{DeploymentType: types.DeploymentTypeBlueGreen, DeploymentOption: types.DeploymentOptionWithTrafficControl}
	badStyle := group("x")
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
	c, ctx := s.deployer(), context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	shop, api := aws.String("api"), aws.String("prod")
	_, err := c.CreateApplication(ctx, &codedeploy.CreateApplicationInput{ApplicationName: shop})
	must(err)
	app, err := c.GetApplication(ctx, &codedeploy.GetApplicationInput{ApplicationName: shop})
	must(err)
	if a := app.Application; *a.ApplicationName != "api" || a.ComputePlatform != types.ComputePlatformServer || !a.CreateTime.Equal(s.Now()) {
		t.Errorf("%+v", a)
	}
	s.group("api-asg", 2)
	balancer := &types.LoadBalancerInfo{TargetGroupInfoList: []types.TargetGroupInfo{{Name: aws.String("web")}}}
	blueGreen := &types.BlueGreenDeploymentConfiguration{
		DeploymentReadyOption:                     &types.DeploymentReadyOption{ActionOnTimeout: types.DeploymentReadyActionStopDeployment, WaitTimeInMinutes: 60},
		GreenFleetProvisioningOption:              &types.GreenFleetProvisioningOption{Action: types.GreenFleetProvisioningActionCopyAutoScalingGroup},
		TerminateBlueInstancesOnDeploymentSuccess: &types.BlueInstanceTerminationOption{Action: types.InstanceActionTerminate, TerminationWaitTimeInMinutes: 5}}
	style := &types.DeploymentStyle{DeploymentType: types.DeploymentTypeBlueGreen, DeploymentOption: types.DeploymentOptionWithTrafficControl}
	created, err := c.CreateDeploymentGroup(ctx, &codedeploy.CreateDeploymentGroupInput{ApplicationName: shop, DeploymentGroupName: api, ServiceRoleArn: aws.String("arn:aws:iam::1:role/r"),
		AutoScalingGroups: []string{"api-asg"}, DeploymentStyle: style, LoadBalancerInfo: balancer, BlueGreenDeploymentConfiguration: blueGreen,
		AutoRollbackConfiguration: &types.AutoRollbackConfiguration{Enabled: true, Events: []types.AutoRollbackEvent{types.AutoRollbackEventDeploymentFailure}}})
	must(err)
	_, err = c.UpdateDeploymentGroup(ctx, &codedeploy.UpdateDeploymentGroupInput{ApplicationName: shop, CurrentDeploymentGroupName: api, DeploymentConfigName: aws.String("CodeDeployDefault.AllAtOnce")})
	must(err)
	got, err := c.GetDeploymentGroup(ctx, &codedeploy.GetDeploymentGroupInput{ApplicationName: shop, DeploymentGroupName: api})
	must(err)
	g := got.DeploymentGroupInfo
	if *g.DeploymentGroupId != *created.DeploymentGroupId || len(g.AutoScalingGroups) != 1 || *g.AutoScalingGroups[0].Name != "api-asg" || *g.DeploymentConfigName != "CodeDeployDefault.AllAtOnce" ||
		!strings.HasPrefix(*g.AutoScalingGroups[0].Hook, "CodeDeploy-managed-automatic-launch-deployment-hook-prod-") || !g.AutoRollbackConfiguration.Enabled {
		t.Errorf("%+v", g)
	}
	if diff := cmp.Diff(blueGreen, g.BlueGreenDeploymentConfiguration, ignoreMetadata()); diff != "" {
		t.Error(diff)
	}
	s.group("other", 1)
	for _, name := range []string{"other", "api-asg"} { // as one does who has the group follow green
		_, err = c.UpdateDeploymentGroup(ctx, &codedeploy.UpdateDeploymentGroupInput{ApplicationName: shop, CurrentDeploymentGroupName: api, AutoScalingGroups: []string{name}, BlueGreenDeploymentConfiguration: blueGreen})
		must(err)
		got, err = c.GetDeploymentGroup(ctx, &codedeploy.GetDeploymentGroupInput{ApplicationName: shop, DeploymentGroupName: api})
		must(err)
		if asg := got.DeploymentGroupInfo.AutoScalingGroups; len(asg) != 1 || *asg[0].Name != name || got.DeploymentGroupInfo.LoadBalancerInfo == nil {
			t.Errorf("%+v", got.DeploymentGroupInfo)
		}
	}
	batch, err := c.BatchGetDeploymentGroups(ctx, &codedeploy.BatchGetDeploymentGroupsInput{ApplicationName: shop, DeploymentGroupNames: []string{"prod", "nosuch"}})
	must(err)
	if len(batch.DeploymentGroupsInfo) != 1 || !strings.Contains(*batch.ErrorMessage, "nosuch") {
		t.Errorf("%+v", batch)
	}
	revision := &types.RevisionLocation{RevisionType: types.RevisionLocationTypeGitHub, GitHubLocation: &types.GitHubLocation{Repository: aws.String("o/r"), CommitId: aws.String("abc")}}
	_, err = c.RegisterApplicationRevision(ctx, &codedeploy.RegisterApplicationRevisionInput{ApplicationName: shop, Revision: revision})
	must(err)
	_, err = c.GetApplicationRevision(ctx, &codedeploy.GetApplicationRevisionInput{ApplicationName: shop, Revision: revision})
	must(err)
	s.sdkDeploys(c, shop, api, revision)
	for name, input := range map[string]any{"ListApplications": &codedeploy.ListApplicationsInput{},
		"ListDeploymentConfigs": &codedeploy.ListDeploymentConfigsInput{}, "GetDeploymentConfig": &codedeploy.GetDeploymentConfigInput{DeploymentConfigName: aws.String("CodeDeployDefault.HalfAtATime")},
		"ListDeploymentGroups": &codedeploy.ListDeploymentGroupsInput{ApplicationName: shop}, "DeleteDeploymentGroup": &codedeploy.DeleteDeploymentGroupInput{ApplicationName: shop, DeploymentGroupName: api}} {
		if _, err := invoke(c, input); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(codedeployOperations())), s.called("codedeploy")); diff != "" {
		t.Errorf("operations (-there +called)\n%s", diff)
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
