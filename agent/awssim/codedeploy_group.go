package awssim

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

type groupInput struct {
	ApplicationName, NextToken                                              string
	DeploymentGroupName, CurrentDeploymentGroupName, NewDeploymentGroupName string
	DeploymentGroupNames                                                    []string
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
		Triggers: json.RawMessage("[]"), Outdated: "UPDATE", Alarms: json.RawMessage(`{"enabled":false,"ignorePollAlarmFailure":false,"alarms":[]}`),
		Settings: settings{Config: "CodeDeployDefault.OneAtATime", Style: style{"IN_PLACE", "WITHOUT_TRAFFIC_CONTROL"}, Platform: a.Platform}}
	if g, err = c.changed(g); err != nil {
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
	if g, err = c.changed(g); err != nil {
		return nil, err
	}
	groups := c.st.Applications[g.Application].Groups
	if next := in.NewDeploymentGroupName; next != "" && next != g.Name {
		if groups[next] != nil {
			return nil, refused("DeploymentGroupAlreadyExists", "Deployment group already exists with name: %s", next)
		}
		delete(groups, g.Name)
		g.Name = next
	}
	groups[g.Name] = g
	return answer{"hooksNotCleanedUp": []hooked{}}, nil
}

// changed is a deployment group with what the caller said: what is not there, or null, was not said, and stays. A
// structure or a list is replaced, not merged into.
func (c *call) changed(g *deploymentGroup) (*deploymentGroup, error) {
	var said deploymentGroup
	if err := errors.Join(json.Unmarshal(c.body, &said), json.Unmarshal(c.body, &said.Settings)); err != nil {
		return nil, refused("Serialization", "%s", err)
	}
	next := *g
	to, from := &next.Settings, said.Settings
	keep(&to.BlueGreen, from.BlueGreen)
	keep(&to.Balancer, from.Balancer)
	keep(&to.AutoRollback, from.AutoRollback)
	given(&next.Alarms, said.Alarms)
	given(&next.Triggers, said.Triggers)
	given(&next.EC2TagSet, said.EC2TagSet)
	given(&next.EC2Tags, said.EC2Tags)
	given(&next.OnPremises, said.OnPremises)
	to.Config, to.Style.Type, to.Style.Option = cmp.Or(from.Config, to.Config), cmp.Or(from.Style.Type, to.Style.Type), cmp.Or(from.Style.Option, to.Style.Option)
	next.Role, next.Outdated = cmp.Or(said.Role, g.Role), cmp.Or(said.Outdated, g.Outdated)
	switch {
	case said.ScalingGroups != nil:
		names := []string{}
		for _, h := range said.ScalingGroups {
			names = append(names, h.Name)
		}
		if err := c.attach(&next, names); err != nil {
			return nil, err
		}
	case from.BlueGreen.copies():
		return nil, oneGroup() // AWS wants the groups resent beside it, though it has them (hashicorp/terraform-provider-aws #2233)
	}
	return &next, next.check()
}

func given[S ~[]E, E any](to *S, from S) {
	if from != nil {
		*to = from
	}
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
		i := slices.IndexFunc(g.ScalingGroups, func(h hooked) bool { return h.Name == name })
		switch {
		case i >= 0:
			next = append(next, g.ScalingGroups[i])
		case s.state.Groups[name] == nil:
			return refused("InvalidAutoScalingGroup", "The specified Auto Scaling group does not exist: %s", name)
		default:
			next = append(next, hooked{name, "CodeDeploy-managed-automatic-launch-deployment-hook-" + g.Name + "-" + s.uid("hook")})
		}
	}
	g.ScalingGroups = next
	return nil
}

func (b *blueGreen) copies() bool { return b != nil && b.Provision.is("COPY_AUTO_SCALING_GROUP") }

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
	out, err := listed("deploymentGroups", slices.Sorted(maps.Keys(a.Groups)), in.NextToken)
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
