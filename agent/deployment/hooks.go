package deployment

import "strings"

// ProvisioningTag is on a group that CodeDeploy copied; its value is the deployment.
const ProvisioningTag = "CodeDeployProvisioningDeploymentId"

// CopyName is the name that CodeDeploy gives to the copy of a group (user guide, "Integrating CodeDeploy with Amazon EC2
// Auto Scaling").
func CopyName(group, deployment string) string { return "CodeDeploy_" + group + "_" + deployment }

// managed is what the names of CodeDeploy's own lifecycle hooks begin with (same page: "…-launch-deployment-hook-" and
// the deployment group's name for the one at launch).
const managed = "CodeDeploy-managed-automatic-"

// Managed says that a lifecycle hook is one of CodeDeploy's own.
func Managed(hook string) bool { return strings.HasPrefix(hook, managed) }

// Owns says that a hook of CodeDeploy's belongs to this deployment's group, or to one of the siblings.
func (e *Evidence) Owns(hook string) bool { return e.owner(hook) != "" }

// owner names the deployment group that a hook belongs to.
func (e *Evidence) owner(hook string) string {
	for _, h := range e.Group.Value.Scaling {
		if h.Hook == hook || h.Termination == hook {
			return e.Info.Value.Group
		}
	}
	for _, s := range e.Siblings.Value {
		if s.Hook == hook {
			return s.Application + "/" + s.Name
		}
	}
	return ""
}
