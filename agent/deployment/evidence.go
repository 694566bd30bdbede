// Package deployment says what happened to a CodeDeploy deployment. Evidence is what AWS, and this host's own records,
// have to say about it, in one document that can be saved and read again; Diagnose, which is pure, makes a Diagnosis of
// it. Who gathers the evidence is cloud.
package deployment

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/journal"
)

// Version is of the document. A newer one is refused: what it says otherwise would be misread.
const Version = 1

// Evidence is all that was asked about one deployment, and per question the answer or why there is none.
type Evidence struct {
	Version    int       `json:"version"`
	Deployment string    `json:"deployment"`
	Region     string    `json:"region,omitempty"`
	Profile    string    `json:"profile,omitempty"` // of the AWS CLI, as it was asked with: the next commands need it too
	Asked      time.Time `json:"asked"`             // by AWS's clock
	Here       time.Time `json:"here"`              // by the asking host's clock at the same moment

	Info     Item[Info]          `json:"info"`
	Targets  Item[[]Target]      `json:"targets"`
	Group    Item[Group]         `json:"group"`
	Scaling  []ScalingGroup      `json:"scaling_groups"`
	Balanced []TargetGroup       `json:"target_groups"`
	Others   Item[[]Related]     `json:"other_deployments"` // that trigger it, roll it back, or ran at the same time on its instances
	Siblings Item[[]Sibling]     `json:"other_groups"`      // deployment groups that deploy to the same Auto Scaling groups
	Copies   Item[[]Copy]        `json:"copies"`            // groups that CodeDeploy made for this deployment group and that are there now
	Journal  Item[[]journal.Run] `json:"journal"`           // of this host, where it took part
}

// Item is one question's answer. With Missing it has none, or only a part.
type Item[T any] struct {
	Value   T        `json:"value,omitzero"`
	Missing *Missing `json:"missing,omitempty"`
}

// Whole says that the answer is there, all of it.
func (i Item[T]) Whole() bool { return i.Missing == nil }

// Why says why an answer is missing.
type Why string

// The reasons.
const (
	Denied      Why = "denied"
	Throttled   Why = "throttled"
	NotFound    Why = "not found"
	Unreachable Why = "unreachable"
	NotAsked    Why = "not asked"
	Failed      Why = "failed"
)

// Missing says what was not answered.
type Missing struct {
	Why    Why    `json:"why"`
	Action string `json:"action,omitempty"` // the IAM action of the call
	Text   string `json:"text,omitempty"`
	Tells  string `json:"tells,omitempty"` // what the answer would have told
	Part   bool   `json:"part,omitempty"`  // some of the answer is there
}

// Lacks is an item without an answer.
func Lacks[T any](why Why, tells string) Item[T] {
	return Item[T]{Missing: &Missing{Why: why, Tells: tells}}
}

// Info is the deployment as GetDeployment has it.
type Info struct {
	Application    string    `json:"application"`
	Group          string    `json:"deployment_group"`
	Status         string    `json:"status"`
	Creator        string    `json:"creator"`
	Config         string    `json:"config,omitempty"`
	BlueGreen      bool      `json:"blue_green"`
	Traffic        bool      `json:"traffic_control"`
	Copies         bool      `json:"copies_group"`         // COPY_AUTO_SCALING_GROUP
	KeepsBlue      bool      `json:"keeps_blue"`           // KEEP_ALIVE
	ReadyWait      int       `json:"ready_wait_minutes"`   // STOP_DEPLOYMENT after so many; 0: reroutes at once
	WaitStarted    bool      `json:"termination_wait"`     // traffic has moved: blue waits for its end
	ErrorCode      string    `json:"error_code,omitempty"` //
	ErrorMessage   string    `json:"error_message,omitempty"`
	Messages       []string  `json:"messages,omitempty"`
	Created        time.Time `json:"created,omitzero"`
	Started        time.Time `json:"started,omitzero"`
	Completed      time.Time `json:"completed,omitzero"`
	Counts         *Counts   `json:"counts,omitempty"`
	Replacement    []string  `json:"replacement_groups,omitempty"` // Auto Scaling groups
	TargetGroups   []string  `json:"target_groups,omitempty"`      // names
	Classic        []string  `json:"classic_load_balancers,omitempty"`
	RolledBackBy   string    `json:"rolled_back_by,omitempty"`
	RollsBack      string    `json:"rolls_back,omitempty"`
	Rollback       string    `json:"rollback_message,omitempty"`
	AutoRollback   bool      `json:"auto_rollback"`
	IgnoreStop     bool      `json:"ignore_application_stop_failures"`
	FileExists     string    `json:"file_exists_behavior,omitempty"`
	Revision       string    `json:"revision,omitempty"`
	OlderRevision  string    `json:"previous_revision,omitempty"`
	RootDeployment string    `json:"root_deployment,omitempty"` // which one this one brings outdated instances to
}

// Over says whether the deployment has come to its end.
func (i Info) Over() bool {
	return i.Status == "Succeeded" || i.Status == "Failed" || i.Status == "Stopped"
}

// Counts is the deployment's overview of its instances.
type Counts struct {
	Pending    int `json:"pending"`
	InProgress int `json:"in_progress"`
	Succeeded  int `json:"succeeded"`
	Failed     int `json:"failed"`
	Skipped    int `json:"skipped"`
	Ready      int `json:"ready"`
}

// Target is one instance in the deployment. One that could not be read has its ID only, and Unread.
type Target struct {
	ID     string  `json:"id"`
	Label  string  `json:"label,omitempty"` // Blue, Green; "" in place
	Status string  `json:"status,omitempty"`
	Events []Event `json:"events,omitempty"`
	Unread bool    `json:"unread,omitempty"`
}

// Event is one lifecycle event on one instance.
type Event struct {
	Name        string       `json:"name"`
	Status      string       `json:"status"`
	Start       time.Time    `json:"start,omitzero"`
	End         time.Time    `json:"end,omitzero"`
	Diagnostics *Diagnostics `json:"diagnostics,omitempty"`
}

// Diagnostics is what the CodeDeploy agent, or CodeDeploy, says of an event.
type Diagnostics struct {
	Code    string `json:"error_code,omitempty"`
	Script  string `json:"script,omitempty"`
	Message string `json:"message,omitempty"`
	Log     string `json:"log_tail,omitempty"`
}

// Group is the deployment group as it is now.
type Group struct {
	ID          string    `json:"id"`
	Scaling     []Hooked  `json:"scaling_groups"`
	Tags        bool      `json:"selects_by_tags"` // EC2 tags, too
	BlueGreen   bool      `json:"blue_green"`
	ServiceRole string    `json:"service_role,omitempty"`
	LastGood    string    `json:"last_successful_deployment,omitempty"`
	LastGoodEnd time.Time `json:"last_successful_end,omitzero"`
	LastTried   string    `json:"last_attempted_deployment,omitempty"`
}

// Hooked is an Auto Scaling group of a deployment group, with the lifecycle hook that CodeDeploy put on it.
type Hooked struct {
	Name        string `json:"name"`
	Hook        string `json:"hook,omitempty"`
	Termination string `json:"termination_hook,omitempty"`
}

// ScalingGroup is one Auto Scaling group.
type ScalingGroup struct {
	Name       string           `json:"name"`
	State      Item[Scaling]    `json:"state"`
	Activities Item[[]Activity] `json:"activities"` // since the deployment was created
	Hooks      Item[[]Hook]     `json:"hooks"`
}

// Scaling is a group's description.
type Scaling struct {
	ARN          string            `json:"arn"`
	Min          int               `json:"min"`
	Max          int               `json:"max"`
	Desired      int               `json:"desired"`
	HealthCheck  string            `json:"health_check,omitempty"`
	Created      time.Time         `json:"created,omitzero"`
	Status       string            `json:"status,omitempty"` // Delete in progress
	Instances    []Instance        `json:"instances"`
	Suspended    map[string]string `json:"suspended,omitempty"` // reason by process
	Tags         map[string]string `json:"tags,omitempty"`
	TargetGroups []string          `json:"target_groups,omitempty"` // ARNs
}

// Instance is a member of a group.
type Instance struct {
	ID      string `json:"id"`
	State   string `json:"state"` // InService, Pending:Wait, …
	Healthy bool   `json:"healthy"`
	Zone    string `json:"zone,omitempty"`
}

// Activity is one scaling activity.
type Activity struct {
	Description string    `json:"description"`
	Cause       string    `json:"cause"`
	Status      string    `json:"status"`
	Message     string    `json:"message,omitempty"`
	Start       time.Time `json:"start,omitzero"`
	End         time.Time `json:"end,omitzero"`
}

// Hook is a lifecycle hook on a group.
type Hook struct {
	Name       string `json:"name"`
	Transition string `json:"transition"`
	Default    string `json:"default"`
	Heartbeat  int    `json:"heartbeat_s"`
}

// TargetGroup is one of the load balancer's.
type TargetGroup struct {
	Name   string          `json:"name"`
	State  Item[Balancing] `json:"state"`
	Health Item[[]Health]  `json:"health"`
}

// Balancing is a target group's description.
type Balancing struct {
	ARN       string `json:"arn"`
	Protocol  string `json:"protocol"`
	Port      int    `json:"port"`
	CheckPort string `json:"check_port"`
	Check     string `json:"check"` // protocol
	Path      string `json:"path,omitempty"`
	Codes     string `json:"codes,omitempty"`
	Interval  int    `json:"interval_s"`
	Timeout   int    `json:"timeout_s"`
	Threshold int    `json:"healthy_threshold"`
	Used      bool   `json:"used"` // a load balancer forwards to it
}

// Health is one target's.
type Health struct {
	ID     string `json:"id"`
	Port   int    `json:"port,omitempty"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Text   string `json:"text,omitempty"`
}

// Related is another deployment.
type Related struct {
	ID        string    `json:"id"`
	Relation  Relation  `json:"relation"`
	Group     string    `json:"deployment_group"`
	Status    string    `json:"status"`
	Creator   string    `json:"creator,omitempty"`
	Created   time.Time `json:"created,omitzero"`
	Completed time.Time `json:"completed,omitzero"`
}

// Relation says how another deployment belongs to this one.
type Relation string

// The relations.
const (
	RollsItBack  Relation = "rolls this one back"
	IsRolledBack Relation = "is rolled back by this one"
	Root         Relation = "is the one that this one brings to outdated instances"
	Beside       Relation = "ran at the same time on the same Auto Scaling group"
)

// Sibling is another deployment group that deploys to one of the same Auto Scaling groups.
type Sibling struct {
	Application string `json:"application"`
	Name        string `json:"name"`
	ID          string `json:"id"`
	Scaling     string `json:"scaling_group"`
	Hook        string `json:"hook,omitempty"`
}

// Copy is a group that CodeDeploy made for one of the deployment group's blue/green deployments.
type Copy struct {
	Name       string    `json:"name"`
	Deployment string    `json:"deployment"`
	Desired    int       `json:"desired"`
	Created    time.Time `json:"created,omitzero"`
}

// Save writes the document.
func (e Evidence) Save(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return fmt.Errorf("cannot save the evidence: %w", err)
	}
	return nil
}

// Load reads a saved document.
func Load(r io.Reader) (e Evidence, err error) {
	if err := json.NewDecoder(r).Decode(&e); err != nil {
		return e, fmt.Errorf("cannot read the evidence: %w", err)
	}
	switch {
	case e.Version == 0 || e.Deployment == "":
		return e, fmt.Errorf("cannot read the evidence: it is none that wingman diagnose --save wrote")
	case e.Version > Version:
		return e, fmt.Errorf("cannot read the evidence: a newer wingman wrote it (version %d, this one reads %d)", e.Version, Version)
	}
	return e, nil
}

// Gaps gives everything that is missing, once for each action.
func (e Evidence) Gaps() (out []Missing) {
	seen := map[string]bool{}
	add := func(m *Missing) {
		if m == nil || m.Why == NotAsked || seen[string(m.Why)+m.Action+m.Tells] {
			return
		}
		seen[string(m.Why)+m.Action+m.Tells] = true
		out = append(out, *m)
	}
	add(e.Info.Missing)
	add(e.Targets.Missing)
	add(e.Group.Missing)
	for _, g := range e.Scaling {
		if g.State.Missing == nil || g.State.Missing.Why != NotFound { // that a group is gone is an answer
			add(g.State.Missing)
		}
		add(g.Activities.Missing)
		if g.Hooks.Missing == nil || g.Hooks.Missing.Why != NotFound {
			add(g.Hooks.Missing)
		}
	}
	for _, g := range e.Balanced {
		add(g.State.Missing)
		add(g.Health.Missing)
	}
	add(e.Others.Missing)
	add(e.Siblings.Missing)
	add(e.Copies.Missing)
	add(e.Journal.Missing)
	return out
}
