// Package lifecycle knows CodeDeploy's lifecycle events: their names and order, which of them take hooks, from
// which revision each one's scripts come, and the variables that the CodeDeploy agent gives to a hook.
//
// Source of the names and the order: AWS's page "AppSpec 'hooks' section for an EC2/On-Premises deployment"; of the
// revision and the variables: the CodeDeploy agent 1.8.1, hook_executor.rb and deployer.rb.
package lifecycle

import (
	"fmt"
	"strings"
)

// Event is the name of one lifecycle event.
type Event string

// The lifecycle events. DownloadBundle, Install, AllowTraffic and BlockTraffic are CodeDeploy's own: no script.
const (
	BeforeBlockTraffic Event = "BeforeBlockTraffic"
	BlockTraffic       Event = "BlockTraffic"
	AfterBlockTraffic  Event = "AfterBlockTraffic"
	ApplicationStop    Event = "ApplicationStop"
	DownloadBundle     Event = "DownloadBundle"
	BeforeInstall      Event = "BeforeInstall"
	Install            Event = "Install"
	AfterInstall       Event = "AfterInstall"
	ApplicationStart   Event = "ApplicationStart"
	ValidateService    Event = "ValidateService"
	BeforeAllowTraffic Event = "BeforeAllowTraffic"
	AllowTraffic       Event = "AllowTraffic"
	AfterAllowTraffic  Event = "AfterAllowTraffic"
)

// InPlace gives every lifecycle event in the order of an in-place deployment behind a load balancer, which is the
// longest; the other kinds of deployment use parts of it.
func InPlace() []Event {
	return []Event{BeforeBlockTraffic, BlockTraffic, AfterBlockTraffic, ApplicationStop, DownloadBundle, BeforeInstall, Install,
		AfterInstall, ApplicationStart, ValidateService, BeforeAllowTraffic, AllowTraffic, AfterAllowTraffic}
}

// Hookable gives the nine lifecycle events that take hooks, in InPlace's order.
func Hookable() []Event {
	var out []Event
	for _, e := range InPlace() {
		if e.TakesHooks() {
			out = append(out, e)
		}
	}
	return out
}

// Known says whether e is a lifecycle event, to the letter.
func (e Event) Known() bool {
	for _, k := range InPlace() {
		if e == k {
			return true
		}
	}
	return false
}

// TakesHooks says whether appspec.yml may name scripts for e.
func (e Event) TakesHooks() bool {
	switch e {
	case DownloadBundle, Install, AllowTraffic, BlockTraffic:
		return false
	}
	return e.Known()
}

// PassesWithoutWingman says whether a host without wingman must let e pass: one original instance that fails a
// traffic event fails the whole deployment, and ApplicationStop comes from a revision that cannot be changed any more.
func (e Event) PassesWithoutWingman() bool {
	switch e {
	case BeforeBlockTraffic, AfterBlockTraffic, BeforeAllowTraffic, AfterAllowTraffic, ApplicationStop:
		return true
	}
	return false
}

// Find gives the event of that name, which may be cased differently; an error names those that there are.
func Find(name string) (Event, error) {
	for _, e := range InPlace() {
		if strings.EqualFold(name, string(e)) {
			if !e.TakesHooks() {
				return "", fmt.Errorf("%s is CodeDeploy's own lifecycle event: it takes no steps", e)
			}
			return e, nil
		}
	}
	names := make([]string, 0, 9)
	for _, e := range Hookable() {
		names = append(names, string(e))
	}
	return "", fmt.Errorf("%q is no lifecycle event: there are %s", name, strings.Join(names, ", "))
}

// Revision says from which revision an event's scripts come.
type Revision string

// The three revisions that a CodeDeploy agent keeps apart. "Last successful" is written at the end of Install, so it
// may well be one whose deployment failed later.
const (
	Current        Revision = "current"
	LastSuccessful Revision = "last successful"
	MostRecent     Revision = "most recent"
)

// RevisionOf says which revision the CodeDeploy agent takes e's hooks from (hook_executor.rb, HookExecutor.@@mapping).
// blueGreenRollback is true where the deployment's creator is codeDeployRollback and its type BLUE_GREEN.
func RevisionOf(e Event, blueGreenRollback bool) Revision {
	switch e {
	case ApplicationStop:
		return LastSuccessful
	case BeforeBlockTraffic, AfterBlockTraffic:
		if blueGreenRollback {
			return MostRecent
		}
		return LastSuccessful
	case BeforeAllowTraffic, AfterAllowTraffic:
		if blueGreenRollback {
			return LastSuccessful
		}
	}
	return Current
}

// Role is what this instance is in a deployment.
type Role string

// The roles. Unknown is said where wingman may not ask AWS.
const (
	Original    Role = "original"
	Replacement Role = "replacement"
	InPlaceRole Role = "in_place"
	Unknown     Role = "unknown"
)

// Deployment is what the CodeDeploy agent tells a hook about the deployment that it belongs to.
type Deployment struct {
	ID          string `json:"deployment"`
	Application string `json:"application,omitempty"`
	Group       string `json:"deployment_group,omitempty"`
	GroupID     string `json:"deployment_group_id,omitempty"`
}

// The variables that the CodeDeploy agent sets for every hook.
const (
	EnvEvent       = "LIFECYCLE_EVENT"
	EnvDeployment  = "DEPLOYMENT_ID"
	EnvApplication = "APPLICATION_NAME"
	EnvGroup       = "DEPLOYMENT_GROUP_NAME"
	EnvGroupID     = "DEPLOYMENT_GROUP_ID"
)

// FromEnv reads the deployment from a hook's environment.
func FromEnv(getenv func(string) string) Deployment {
	return Deployment{ID: getenv(EnvDeployment), Application: getenv(EnvApplication), Group: getenv(EnvGroup), GroupID: getenv(EnvGroupID)}
}

// Variables gives what the CodeDeploy agent sets for a hook of e, name to value; empty values are left out.
func (d Deployment) Variables(e Event) map[string]string {
	all := map[string]string{EnvEvent: string(e), EnvDeployment: d.ID, EnvApplication: d.Application, EnvGroup: d.Group, EnvGroupID: d.GroupID}
	for k, v := range all {
		if v == "" {
			delete(all, k)
		}
	}
	return all
}
