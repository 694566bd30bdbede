package awssim

import (
	"maps"
	"slices"
)

// minimum is a deployment configuration's rule: how many instances, or percent of them, stay healthy.
type minimum struct {
	Type  string `json:"type"`
	Value int    `json:"value"`
}

// configs are the predefined configurations. How AWS itself writes these three down is not among what was recorded; 99
// percent gives OneAtATime's documented behaviour, the forgiven failure of the last instance included.
func configs() map[string]minimum {
	return map[string]minimum{
		"CodeDeployDefault.OneAtATime":  {"FLEET_PERCENT", 99},
		"CodeDeployDefault.HalfAtATime": {"FLEET_PERCENT", 50},
		"CodeDeployDefault.AllAtOnce":   {"FLEET_PERCENT", 0},
	}
}

// healthy is how many of so many instances must stay healthy. Of one instance none can.
func (m minimum) healthy(of int) int {
	n := m.Value
	if m.Type == "FLEET_PERCENT" {
		n = (of*m.Value + 99) / 100
	}
	if m.Value > 0 && n >= of {
		n = of - 1
	}
	return max(0, n)
}

type configInput struct{ DeploymentConfigName, NextToken string }

func getDeploymentConfig(c *call, in *configInput) (any, error) {
	m, known := configs()[in.DeploymentConfigName]
	if !known {
		return nil, noConfig(in.DeploymentConfigName)
	}
	names := slices.Sorted(maps.Keys(configs()))
	id := "00000000-0000-0000-0000-00000000000" + string(rune('1'+slices.Index(names, in.DeploymentConfigName)))
	return answer{"deploymentConfigInfo": answer{"deploymentConfigId": id, "deploymentConfigName": in.DeploymentConfigName,
		"minimumHealthyHosts": m, "computePlatform": "Server"}}, nil
}

func listDeploymentConfigs(c *call, in *configInput) (any, error) {
	return listed("deploymentConfigsList", slices.Sorted(maps.Keys(configs())), in.NextToken)
}

func noConfig(name string) error {
	return refused("DeploymentConfigDoesNotExist", "No Deployment Configuration found for name: %s", name)
}
