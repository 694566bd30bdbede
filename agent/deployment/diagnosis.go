package deployment

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// Diagnosis is what the evidence says. What it does not decide is not in it: then Undecided says what would.
type Diagnosis struct {
	Version     int        `json:"version"`
	Deployment  string     `json:"deployment"`
	Application string     `json:"application,omitempty"`
	Group       string     `json:"deployment_group,omitempty"`
	Kind        string     `json:"kind,omitempty"` // blue/green, in-place, rollback, …
	Status      string     `json:"status,omitempty"`
	Asked       time.Time  `json:"asked"`
	Started     time.Time  `json:"started,omitzero"`
	Completed   time.Time  `json:"completed,omitzero"`
	Verdict     string     `json:"verdict"` // one sentence
	Live        Live       `json:"live"`
	Failure     *Failure   `json:"failure,omitempty"`
	Causes      []Cause    `json:"causes"` // the likeliest first
	Undecided   []string   `json:"undecided,omitempty"`
	Rollback    *Rollback  `json:"rollback,omitempty"`
	LeftOvers   []LeftOver `json:"left_overs"`
	Notes       []string   `json:"notes,omitempty"`
	Next        []Command  `json:"next"`
	Missing     []Missing  `json:"missing,omitempty"`
}

// Environment says who serves.
type Environment string

// The environments. InPlace is said where there is but one; None where no load balancer tells.
const (
	Original    Environment = "original"
	Replacement Environment = "replacement"
	Both        Environment = "both"
	Neither     Environment = "neither"
	InPlace     Environment = "in place"
	Unknown     Environment = "unknown"
)

// Live is the environment that the load balancer shows as serving.
type Live struct {
	Environment Environment `json:"environment"`
	Why         string      `json:"why"`
	Original    Standing    `json:"original"`
	Replacement Standing    `json:"replacement"`
	Others      int         `json:"others,omitempty"` // healthy targets that are in neither
}

// Standing is how one side stands behind the load balancer.
type Standing struct {
	Groups    []string       `json:"groups,omitempty"` // Auto Scaling's
	Instances int            `json:"instances"`
	Healthy   int            `json:"healthy"`          // in every target group
	States    map[string]int `json:"states,omitempty"` // of those that are not
	Gone      bool           `json:"gone,omitempty"`   // its group is not there any more
}

// Failure is where the deployment failed first, in the phase that failed it.
type Failure struct {
	Side      lifecycle.Role  `json:"side"`
	Event     lifecycle.Event `json:"event"`
	At        time.Time       `json:"at,omitzero"`
	Count     int             `json:"count"` // instances that failed there
	Of        int             `json:"of"`    // instances of that side
	Instances []Instanced     `json:"instances"`
}

// Instanced is one of the instances that failed.
type Instanced struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at,omitzero"`
	Script  string    `json:"script,omitempty"`
	Message string    `json:"message,omitempty"`
	Tail    []string  `json:"tail,omitempty"` // its last lines of output
}

// Confidence says how sure a cause is.
type Confidence string

// The confidences. A cause that is possible is named for what to look at, not as the diagnosis.
const (
	Certain  Confidence = "certain"
	Likely   Confidence = "likely"
	Possible Confidence = "possible"
)

// Cause is one thing that went wrong.
type Cause struct {
	Name       string     `json:"name"`
	Confidence Confidence `json:"confidence"`
	Summary    string     `json:"summary"`
	Evidence   []string   `json:"evidence,omitempty"`
	Decides    string     `json:"decides,omitempty"` // of one that is possible: what would decide
	Next       []Command  `json:"next,omitempty"`
	Count      int        `json:"count,omitempty"` // instances
}

// Command is what to type, and why.
type Command struct {
	Why  string `json:"why"`
	Type string `json:"type"`
}

// Rollback is the deployment that undoes this one, or that this one undoes.
type Rollback struct {
	ID       string   `json:"id"`
	Relation Relation `json:"relation"`
	Status   string   `json:"status,omitempty"`
	Running  bool     `json:"running"`
}

// LeftOver is something that the deployment, or one before it, did not put back.
type LeftOver struct {
	Kind    string    `json:"kind"`
	Where   string    `json:"where,omitempty"`
	Summary string    `json:"summary"`
	Next    []Command `json:"next,omitempty"`
}

// First is the name of the cause that the diagnosis stands by; "" where it abstains.
func (d Diagnosis) First() string {
	if len(d.Causes) == 0 || d.Causes[0].Confidence == Possible {
		return ""
	}
	return d.Causes[0].Name
}

// The names of causes.
const (
	ScriptFailed     = "script-failed"
	ScriptTimedOut   = "script-timed-out"
	ScriptKilled     = "script-killed"
	ScriptMissing    = "script-missing"
	ScriptNotStarted = "script-not-started"
	OldScript        = "old-script-failed"
	OutputLeftOpen   = "output-left-open"
	AgentRestarted   = "agent-restarted"
	AgentUnreachable = "agent-unreachable"
	AgentSilent      = "agent-silent"

	InstanceGone       = "instance-gone" // the others say how
	InstanceScaledIn   = "instance-scaled-in"
	InstanceRebalanced = "instance-rebalanced"
	InstanceUnhealthy  = "instance-replaced-unhealthy"
	InstanceEnded      = "instance-ended-by-ec2"
	InstanceByHand     = "instance-terminated-by-hand"
	InstanceRefreshed  = "instance-refreshed"

	LaunchFailed = "launch-failed"
	HookTimedOut = "hook-timed-out" // the others say whose
	ForeignHook  = "foreign-hook"
	LeftOverHook = "left-over-hook"
	TwoGroups    = "two-deployment-groups"

	HealthCheck       = "health-check-fails"
	TargetGroupUnused = "target-group-unused"
	DeregisterStuck   = "deregistration-stuck"

	ServiceRole        = "service-role-denied"
	ServiceRoleMissing = "service-role-missing"
	NoProfile          = "no-instance-profile"
	BundleDenied       = "bundle-denied"
	BundleMissing      = "bundle-missing"
	BundleChanged      = "bundle-changed"
	DownloadFailed     = "download-failed"
	DiskFull           = "disk-full"
	ClockSkew          = "clock-skew"
	AppSpecMissing     = "appspec-missing"
	AppSpecInvalid     = "appspec-invalid"
	FileExists         = "file-exists"

	StoppedByUser    = "stopped-by-user"
	StoppedByAlarm   = "stopped-by-alarm"
	NotRerouted      = "not-rerouted-in-time"
	NoInstances      = "no-instances"
	TooFewHealthy    = "too-few-healthy"
	ScalingConfig    = "scaling-group-configuration"
	OriginalProtects = "original-protected-from-deletion"
	CodeDeploySays   = "codedeploy-says"
)

// Causes gives the names of all causes.
func Causes() []string {
	return []string{ScriptFailed, ScriptTimedOut, ScriptKilled, ScriptMissing, ScriptNotStarted, OldScript, OutputLeftOpen, AgentRestarted, AgentUnreachable, AgentSilent,
		InstanceGone, InstanceScaledIn, InstanceRebalanced, InstanceUnhealthy, InstanceEnded, InstanceByHand, InstanceRefreshed, LaunchFailed, HookTimedOut, ForeignHook, LeftOverHook, TwoGroups,
		HealthCheck, TargetGroupUnused, DeregisterStuck, ServiceRole, ServiceRoleMissing, NoProfile, BundleDenied, BundleMissing, BundleChanged, DownloadFailed, DiskFull, ClockSkew,
		AppSpecMissing, AppSpecInvalid, FileExists, StoppedByUser, StoppedByAlarm, NotRerouted, NoInstances, TooFewHealthy, ScalingConfig, OriginalProtects, CodeDeploySays}
}

// General gives the cause that a narrower one is a case of; "" where there is none.
func General(name string) string {
	switch name {
	case InstanceScaledIn, InstanceRebalanced, InstanceUnhealthy, InstanceEnded, InstanceByHand, InstanceRefreshed:
		return InstanceGone
	case ForeignHook, LeftOverHook:
		return HookTimedOut
	}
	return ""
}
