package awssim

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// groupInput is a deployment group as a caller describes it. What is nil was not said: an update keeps it.
type groupInput struct {
	ApplicationName, NextToken                                              string
	DeploymentGroupName, CurrentDeploymentGroupName, NewDeploymentGroupName string
	DeploymentGroupNames                                                    []string

	DeploymentConfigName             *string
	ServiceRoleARN                   *string
	OutdatedInstancesStrategy        *string
	AutoScalingGroups                *[]string
	EC2TagFilters                    *[]tagFilter
	OnPremisesInstanceTagFilters     *[]tagFilter
	DeploymentStyle                  *struct{ DeploymentType, DeploymentOption string }
	BlueGreenDeploymentConfiguration *blueGreen
	LoadBalancerInfo                 *balancerInfo
	AutoRollbackConfiguration        *autoRollback
	AlarmConfiguration               json.RawMessage
	TriggerConfigurations            json.RawMessage
	EC2TagSet                        json.RawMessage
}

// deploymentGroup finds a deployment group or says what is not there.
func (c *call) deploymentGroup(app, name string) (*deploymentGroup, error) {
	a, err := c.application(app)
	if err != nil {
		return nil, err
	}
	if g := a.Groups[name]; g != nil {
		return g, nil
	}
	return nil, refused("DeploymentGroupDoesNotExist", "No Deployment Group found for name: %s", name)
}

func createDeploymentGroup(c *call, in *groupInput) (any, error) {
	a, err := c.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	if a.Groups[in.DeploymentGroupName] != nil {
		return nil, refused("DeploymentGroupAlreadyExists", "Deployment group already exists with name: %s", in.DeploymentGroupName)
	}
	g := &deploymentGroup{Application: a.Name, Name: in.DeploymentGroupName, EC2Tags: []tagFilter{}, OnPremises: []tagFilter{}, ScalingGroups: []hooked{},
		Triggers: json.RawMessage("[]"), Outdated: "UPDATE",
		Settings: settings{Config: "CodeDeployDefault.OneAtATime", Style: style{"IN_PLACE", "WITHOUT_TRAFFIC_CONTROL"}, Platform: a.Platform,
			Alarms: json.RawMessage(`{"enabled":false,"ignorePollAlarmFailure":false,"alarms":[]}`)}}
	if err := c.apply(g, in); err != nil {
		return nil, err
	}
	g.ID = c.uid("deploymentgroup")
	a.Groups[g.Name] = g
	return answer{"deploymentGroupId": g.ID}, nil
}

func updateDeploymentGroup(c *call, in *groupInput) (any, error) {
	g, err := c.deploymentGroup(in.ApplicationName, in.CurrentDeploymentGroupName)
	if err != nil {
		return nil, err
	}
	bg := in.BlueGreenDeploymentConfiguration
	if bg != nil && bg.copies() && in.AutoScalingGroups == nil {
		// AWS wants them resent beside it, though the group has them (hashicorp/terraform-provider-aws #2233).
		return nil, oneGroup()
	}
	changed := *g
	if err := c.apply(&changed, in); err != nil {
		return nil, err
	}
	groups := c.st.Applications[g.Application].Groups
	if in.NewDeploymentGroupName != "" && in.NewDeploymentGroupName != g.Name {
		if groups[in.NewDeploymentGroupName] != nil {
			return nil, refused("DeploymentGroupAlreadyExists", "Deployment group already exists with name: %s", in.NewDeploymentGroupName)
		}
		delete(groups, g.Name)
		changed.Name = in.NewDeploymentGroupName
	}
	*g = changed
	groups[g.Name] = g
	return answer{"hooksNotCleanedUp": []hooked{}}, nil
}

// apply sets what the caller said, and checks the whole.
func (c *call) apply(g *deploymentGroup, in *groupInput) error {
	set(&g.Settings.Config, in.DeploymentConfigName)
	set(&g.Role, in.ServiceRoleARN)
	set(&g.Outdated, in.OutdatedInstancesStrategy)
	set(&g.EC2Tags, in.EC2TagFilters)
	set(&g.OnPremises, in.OnPremisesInstanceTagFilters)
	keep(&g.Settings.BlueGreen, in.BlueGreenDeploymentConfiguration)
	keep(&g.Settings.Balancer, in.LoadBalancerInfo)
	keep(&g.Settings.AutoRollback, in.AutoRollbackConfiguration)
	for to, from := range map[*json.RawMessage]json.RawMessage{&g.Settings.Alarms: in.AlarmConfiguration, &g.Triggers: in.TriggerConfigurations, &g.EC2TagSet: in.EC2TagSet} {
		if from != nil {
			*to = from
		}
	}
	if s := in.DeploymentStyle; s != nil {
		g.Settings.Style = style{cmp.Or(s.DeploymentType, "IN_PLACE"), cmp.Or(s.DeploymentOption, "WITHOUT_TRAFFIC_CONTROL")}
	}
	if in.AutoScalingGroups != nil {
		if err := c.attach(g, *in.AutoScalingGroups); err != nil {
			return err
		}
	}
	return g.check()
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func keep[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

// attach makes these the deployment group's Auto Scaling groups: new ones get a lifecycle action, those that go lose it.
func (s *Sim) attach(g *deploymentGroup, names []string) error {
	next := []hooked{}
	for _, name := range names {
		if s.state.Groups[name] == nil {
			return refused("InvalidAutoScalingGroup", "The specified Auto Scaling group does not exist: %s", name)
		}
		i := slices.IndexFunc(g.ScalingGroups, func(h hooked) bool { return h.Name == name })
		if i >= 0 {
			next = append(next, g.ScalingGroups[i])
			continue
		}
		next = append(next, hooked{name, "CodeDeploy-managed-automatic-launch-deployment-hook-" + g.Name + "-" + s.uid("hook")})
	}
	g.ScalingGroups = next
	return nil
}

func (b *blueGreen) copies() bool {
	return b != nil && b.Provision != nil && b.Provision.Action == "COPY_AUTO_SCALING_GROUP"
}

// oneGroup has AWS's words (hashicorp/terraform-provider-aws #2233, aws-cloudformation/cloudformation-coverage-roadmap #2071).
func oneGroup() error {
	return refused("InvalidBlueGreenDeploymentConfiguration", "Exactly one AutoScaling group must be specified when selecting the COPY_AUTO_SCALING_GROUP green fleet provisioning option.")
}

// check refuses what cannot be deployed to.
func (g *deploymentGroup) check() error {
	t := g.Settings
	_, known := configs()[t.Config]
	loads := t.Balancer != nil && len(t.Balancer.TargetGroups)+len(t.Balancer.Classic) > 0
	switch {
	case !known:
		return noConfig(t.Config)
	case !slices.Contains([]string{"IN_PLACE", "BLUE_GREEN"}, t.Style.Type), !strings.HasSuffix(t.Style.Option, "_TRAFFIC_CONTROL"):
		return refused("InvalidDeploymentStyle", "Invalid deployment style: %s %s", t.Style.Type, t.Style.Option)
	case t.Style.Type == "BLUE_GREEN" && t.Style.Option != "WITH_TRAFFIC_CONTROL":
		return refused("InvalidDeploymentStyle", "For BLUE_GREEN deployments, the deployment option must be WITH_TRAFFIC_CONTROL")
	case t.Style.Option == "WITH_TRAFFIC_CONTROL" && !loads && t.Platform == "Server":
		return refused("InvalidLoadBalancerInfo", "Load balancer information must be provided for WITH_TRAFFIC_CONTROL")
	case t.Style.Type == "BLUE_GREEN" && t.BlueGreen.copies() && len(g.ScalingGroups) != 1:
		return oneGroup()
	}
	return nil
}

func getDeploymentGroup(c *call, in *groupInput) (any, error) {
	g, err := c.deploymentGroup(in.ApplicationName, in.DeploymentGroupName)
	if err != nil {
		return nil, err
	}
	return answer{"deploymentGroupInfo": g.info()}, nil
}

func batchGetDeploymentGroups(c *call, in *groupInput) (any, error) {
	a, err := c.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	if len(in.DeploymentGroupNames) > 100 {
		return nil, refused("BatchLimitExceeded", "The maximum number of names or IDs allowed for this request (100) was exceeded.")
	}
	infos, missing := []any{}, ""
	for _, name := range in.DeploymentGroupNames {
		if g := a.Groups[name]; g != nil {
			infos = append(infos, g.info())
		} else {
			missing = "No Deployment Group found for name: " + name
		}
	}
	return answer{"deploymentGroupsInfo": infos, "errorMessage": missing}, nil
}

func listDeploymentGroups(c *call, in *groupInput) (any, error) {
	a, err := c.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	out, err := paged("deploymentGroups", slices.Sorted(maps.Keys(a.Groups)), in.NextToken)
	if err != nil {
		return nil, err
	}
	out["applicationName"] = a.Name
	return out, nil
}

// deleteDeploymentGroup succeeds, as AWS does, where there is no such group any more.
func deleteDeploymentGroup(c *call, in *groupInput) (any, error) {
	if a := c.st.Applications[in.ApplicationName]; a != nil {
		delete(a.Groups, in.DeploymentGroupName)
	}
	return answer{"hooksNotCleanedUp": []hooked{}}, nil
}
