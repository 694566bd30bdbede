// Package guard keeps some of an Auto Scaling group's scaling processes suspended while a deployment needs it, and
// gives back exactly what it suspended.
//
// The owner of a guard is the deployment, not an instance: a guard is live while its deployment is, and never longer
// than its `until`. Its record is a tag on the group, wingman:guard:0 to :7. Auto Scaling has no compare-and-swap, a
// suspension has no owner and no count, and reads may be stale; what is done about each of these is told where it is
// done. The protocol is written as plain functions of `do`, which makes one call to AWS at a time and says what time it
// then is: the same code runs in production and under a simulator of schedules (model_test.go).
package guard

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// The bounds that the protocol rests on.
const (
	Staleness = 5 * time.Second  // S: the oldest that a read may be
	Landing   = 10 * time.Second // D: from a look at the group to the last byte of any write that rests on it
	aside     = 2 * time.Second  // from that look on, for what is asked beside it and can be done without
	longest   = 24 * time.Hour   // an until further off than this is a wrong clock's, and reads as this
	tries     = 4                // of a begin
	slots     = 8                // tags for guards on one group
)

// Process is one of Auto Scaling's scaling processes.
type Process string

// The nine scaling processes (API reference of EC2 Auto Scaling, SuspendProcesses).
const (
	Launch            Process = "Launch"
	Terminate         Process = "Terminate"
	AddToLoadBalancer Process = "AddToLoadBalancer"
	AlarmNotification Process = "AlarmNotification"
	AZRebalance       Process = "AZRebalance"
	HealthCheck       Process = "HealthCheck"
	InstanceRefresh   Process = "InstanceRefresh"
	ReplaceUnhealthy  Process = "ReplaceUnhealthy"
	ScheduledActions  Process = "ScheduledActions"
)

// Processes gives all nine.
func Processes() []Process {
	return []Process{Launch, Terminate, AddToLoadBalancer, AlarmNotification, AZRebalance, HealthCheck, InstanceRefresh, ReplaceUnhealthy, ScheduledActions}
}

// Mode says how far the guard goes.
type Mode string

// The modes.
const (
	Enforce  Mode = "enforce"  // suspend and give back
	Observe  Mode = "observe"  // look, say what would be done, write nothing
	Disabled Mode = "disabled" // ask AWS nothing
)

// Headroom says what is done about a group at its limit, or under an alarm in breach: a frozen group under load is an
// outage of its own.
type Headroom string

// The settings of headroom.
const (
	Ignore Headroom = "ignore"
	Warn   Headroom = "warn"
	Refuse Headroom = "refuse"
)

// Side is what is protected on one side of a deployment, and from which lifecycle event on.
type Side struct {
	Processes []Process
	From      lifecycle.Event
}

// DeadMan is the schedule that gives back when nobody of the deployment lives any more; off where RoleARN is empty.
type DeadMan struct {
	RoleARN       string
	ScheduleGroup string
}

// Settings are host.yml's guard section.
type Settings struct {
	Mode                  Mode
	Original, Replacement Side
	MaxWindow             time.Duration // the longest a guard lives without being begun again
	Grace                 time.Duration // after until, before others give back
	ContinueOnError       bool          // a guard that fails never fails the deployment
	Headroom              Headroom
	DeadMan               DeadMan
}

// Defaults are what holds where host.yml does not say. Which processes protect what is measured in docs/guard.md.
func Defaults() Settings {
	return Settings{
		Mode:            Enforce,
		Original:        Side{Processes: []Process{Terminate, AZRebalance, AlarmNotification, ScheduledActions, ReplaceUnhealthy, InstanceRefresh}, From: lifecycle.BeforeAllowTraffic},
		Replacement:     Side{Processes: []Process{AZRebalance, ReplaceUnhealthy, InstanceRefresh}, From: lifecycle.BeforeInstall},
		MaxWindow:       75 * time.Minute,
		Grace:           time.Minute,
		ContinueOnError: true,
		Headroom:        Warn,
		DeadMan:         DeadMan{ScheduleGroup: "codedeploy-wingman"},
	}
}
