package awssim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The types of what CodeDeploy keeps carry the names that its answers have: they are answered as they stand. Members
// without a name on the wire are the engine's.

// seconds is a time as JSON 1.1 has it: seconds since 1970, with milliseconds.
type seconds struct{ time.Time }

// MarshalJSON writes 1627022463.069.
func (t seconds) MarshalJSON() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)), nil
}

// application is one of CodeDeploy's.
type application struct {
	ID       string  `json:"applicationId"`
	Name     string  `json:"applicationName"`
	Created  seconds `json:"createTime"`
	GitHub   bool    `json:"linkedToGitHub"`
	Platform string  `json:"computePlatform"`

	Groups    map[string]*deploymentGroup `json:"-"` // by name
	Revisions map[string]*revision        `json:"-"` // by revision.name
}

// revision is where a bundle lies.
type revision struct {
	Type   string            `json:"revisionType"`
	S3     map[string]string `json:"s3Location,omitempty"`
	GitHub map[string]string `json:"gitHubLocation,omitempty"`
}

// name is what a Command calls it.
func (r *revision) name() string {
	if r == nil {
		return ""
	}
	return cmp.Or(r.S3["key"], r.GitHub["commitId"])
}

// settings are what a deployment takes from its group as it was then. What this AWS does not act on is kept as sent.
type settings struct {
	Config       string        `json:"deploymentConfigName"`
	Style        style         `json:"deploymentStyle"`
	BlueGreen    *blueGreen    `json:"blueGreenDeploymentConfiguration,omitempty"`
	Balancer     *balancerInfo `json:"loadBalancerInfo,omitempty"`
	AutoRollback *autoRollback `json:"autoRollbackConfiguration,omitempty"`
	Platform     string        `json:"computePlatform"`
}

type style struct {
	Type   string `json:"deploymentType"`   // IN_PLACE or BLUE_GREEN
	Option string `json:"deploymentOption"` // WITH_TRAFFIC_CONTROL or WITHOUT_TRAFFIC_CONTROL
}

type blueGreen struct {
	Terminate *option `json:"terminateBlueInstancesOnDeploymentSuccess,omitempty"` // TERMINATE or KEEP_ALIVE, and its wait
	Ready     *option `json:"deploymentReadyOption,omitempty"`                     // CONTINUE_DEPLOYMENT or STOP_DEPLOYMENT, and its wait
	Provision *option `json:"greenFleetProvisioningOption,omitempty"`              // COPY_AUTO_SCALING_GROUP or DISCOVER_EXISTING
}

// option is any of the three: each has its own names for the same two things.
type option struct {
	Action          string `json:"action,omitempty"`
	TerminationWait *int   `json:"terminationWaitTimeInMinutes,omitempty"`
	OnTimeout       string `json:"actionOnTimeout,omitempty"`
	Wait            *int   `json:"waitTimeInMinutes,omitempty"`
}

// is says whether an option was chosen.
func (o *option) is(action string) bool {
	return o != nil && (o.Action == action || o.OnTimeout == action)
}

// minutes is how long an option waits.
func (o *option) minutes() (n int) {
	set(&n, o.Wait)
	set(&n, o.TerminationWait)
	return n
}

type balancerInfo struct {
	TargetGroups []named         `json:"targetGroupInfoList,omitempty"`
	Classic      []named         `json:"elbInfoList,omitempty"`
	Pairs        json.RawMessage `json:"targetGroupPairInfoList,omitempty"`
}

type named struct {
	Name string `json:"name"`
}

type autoRollback struct {
	Enabled bool     `json:"enabled"`
	Events  []string `json:"events"`
}

// deploymentGroup is one of an application's.
type deploymentGroup struct {
	Application    string          `json:"applicationName"`
	ID             string          `json:"deploymentGroupId"`
	Name           string          `json:"deploymentGroupName"`
	Settings       settings        `json:"-"` // info inlines them
	EC2Tags        []tagFilter     `json:"ec2TagFilters"`
	OnPremises     []tagFilter     `json:"onPremisesInstanceTagFilters"`
	ScalingGroups  []hooked        `json:"autoScalingGroups"`
	Role           string          `json:"serviceRoleArn"`
	Revision       *revision       `json:"targetRevision,omitempty"`
	Triggers       json.RawMessage `json:"triggerConfigurations,omitempty"`
	Alarms         json.RawMessage `json:"alarmConfiguration,omitempty"`
	Outdated       string          `json:"outdatedInstancesStrategy"`
	LastSuccessful *lastDeployment `json:"lastSuccessfulDeployment,omitempty"`
	LastAttempted  *lastDeployment `json:"lastAttemptedDeployment,omitempty"`
	EC2TagSet      json.RawMessage `json:"ec2TagSet,omitempty"`
}

// tagFilter selects instances by a tag.
type tagFilter struct {
	Key   string `json:"Key,omitempty"`
	Value string `json:"Value,omitempty"`
	Type  string `json:"Type,omitempty"` // KEY_ONLY, VALUE_ONLY, KEY_AND_VALUE
}

// hooked is an Auto Scaling group with the lifecycle action that CodeDeploy has put on it.
type hooked struct {
	Name string `json:"name"`
	Hook string `json:"hook"`
}

// UnmarshalJSON reads a name: so a caller gives a group.
func (h *hooked) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &h.Name) }

type lastDeployment struct {
	ID      string  `json:"deploymentId"`
	Status  string  `json:"status"`
	Ended   seconds `json:"endTime,omitzero"`
	Created seconds `json:"createTime"`
}

// deployment is one deployment of an application to a deployment group.
type deployment struct {
	ID                 string            `json:"deploymentId"`
	Application        string            `json:"applicationName"`
	Group              string            `json:"deploymentGroupName"`
	Settings           settings          `json:"-"` // info inlines them
	PreviousRevision   *revision         `json:"previousRevision,omitempty"`
	Revision           *revision         `json:"revision,omitempty"`
	Status             string            `json:"status"`
	Failure            *errorInformation `json:"errorInformation,omitempty"`
	Created            seconds           `json:"createTime"`
	Started            seconds           `json:"startTime,omitzero"`
	Completed          seconds           `json:"completeTime,omitzero"`
	Overview           map[string]int    `json:"deploymentOverview,omitempty"` // as it is answered
	Description        string            `json:"description,omitempty"`
	Creator            string            `json:"creator"`
	IgnoreStopFailures bool              `json:"ignoreApplicationStopFailures"`
	UpdateOutdatedOnly bool              `json:"updateOutdatedInstancesOnly"`
	Rollback           *rollbackInfo     `json:"rollbackInfo,omitempty"`
	TargetInstances    *targetInstances  `json:"targetInstances,omitempty"`
	WaitStarted        bool              `json:"instanceTerminationWaitTimeStarted"`
	FileExists         string            `json:"fileExistsBehavior,omitempty"`
	Messages           []string          `json:"deploymentStatusMessages"`

	Targets   []*target `json:"-"`
	GroupID   string    `json:"-"`
	Originals []string  `json:"-"` // blue's Auto Scaling groups
	Green     []string  `json:"-"` // the replacement's
	Only      []string  `json:"-"` // the instances it is for; none: all of the group
	Suspended []string  `json:"-"` // groups on which CodeDeploy's own suspensions stand
	Stopping  string    `json:"-"` // why it is being stopped
	RollBack  bool      `json:"-"` // the stop asked for it
	Phase     string    `json:"-"` // provision, install, ready, reroute, block, terminate
	Waiting   int       `json:"-"` // the wait that stands, so that an older one's end is told from it
}

type errorInformation struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type rollbackInfo struct {
	By      string `json:"rollbackDeploymentId,omitempty"`
	Of      string `json:"rollbackTriggeringDeploymentId,omitempty"`
	Message string `json:"rollbackMessage,omitempty"`
}

type targetInstances struct {
	TagFilters    []tagFilter     `json:"tagFilters,omitempty"`
	ScalingGroups []string        `json:"autoScalingGroups,omitempty"`
	TagSet        json.RawMessage `json:"ec2TagSet,omitempty"`
}

// target is one instance in a deployment.
type target struct {
	Deployment string   `json:"deploymentId"`
	ID         string   `json:"targetId"`
	ARN        string   `json:"targetArn"`
	Status     string   `json:"status"`
	Updated    seconds  `json:"lastUpdatedAt"`
	Events     []*event `json:"lifecycleEvents"`
	Label      string   `json:"instanceLabel,omitempty"` // Blue or Green
}

// event is one lifecycle event on one instance.
type event struct {
	Name        string       `json:"lifecycleEventName"`
	Diagnostics *diagnostics `json:"diagnostics,omitempty"`
	Start       seconds      `json:"startTime,omitzero"`
	End         seconds      `json:"endTime,omitzero"`
	Status      string       `json:"status"` // Pending, InProgress, Succeeded, Failed, Skipped, Unknown
}

type diagnostics struct {
	Code    string `json:"errorCode"`
	Script  string `json:"scriptName"`
	Message string `json:"message"`
	Log     string `json:"logTail"`
}

// info is what GetDeploymentGroup answers.
func (g *deploymentGroup) info() any {
	return struct {
		*deploymentGroup
		settings
	}{g, g.Settings}
}

// info is what GetDeployment answers.
func (d *deployment) info() any {
	out := *d
	out.Overview = d.counts()
	return struct {
		*deployment
		settings
	}{&out, d.Settings}
}

// over says whether a deployment has come to its end.
func over(status string) bool {
	return slices.Contains([]string{"Succeeded", "Failed", "Stopped"}, status)
}

// counts is the overview of a deployment whose targets are known.
func (d *deployment) counts() map[string]int {
	if len(d.Targets) == 0 {
		return nil
	}
	counts := map[string]int{"Pending": 0, "InProgress": 0, "Succeeded": 0, "Failed": 0, "Skipped": 0, "Ready": 0}
	for _, t := range d.Targets {
		counts[t.Status]++
	}
	return counts
}

func (d *deployment) target(id string) *target {
	i := slices.IndexFunc(d.Targets, func(t *target) bool { return t.ID == id })
	if i < 0 {
		return nil
	}
	return d.Targets[i]
}

func (st *state) deploymentGroup(app, name string) *deploymentGroup {
	if a := st.Applications[app]; a != nil {
		return a.Groups[name]
	}
	return nil
}

// code makes an id's characters, the same in each run that does the same.
func (s *Sim) code(kind string) uint64 {
	s.seq++
	h := fnv.New64a()
	fmt.Fprint(h, kind, s.Account, s.seq)
	return h.Sum64()
}

// deploymentID is shaped as AWS's are: d-Y7J3BCY5C.
func (s *Sim) deploymentID() string {
	digits := strings.ToUpper(strconv.FormatUint(s.code("deployment"), 36))
	return "d-" + digits[len(digits)-9:]
}

func (s *Sim) uid(kind string) string {
	a, b := s.code(kind), s.code(kind)
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", uint32(a>>32), uint16(a>>16), a&0xfff, b>>52, b&0xffffffffffff)
}
