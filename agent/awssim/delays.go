package awssim

import "time"

// Delays are how long AWS takes for what it does by itself. Zero is the default: fast enough to watch.
type Delays struct {
	Launch     time.Duration // Pending to InService; default 200 ms
	Terminate  time.Duration // Terminating to gone; default 200 ms
	Reconcile  time.Duration // from a cause to Auto Scaling's acting on it; default 100 ms
	Register   time.Duration // initial to healthy behind a load balancer; default 300 ms
	Deregister time.Duration // draining to unused; default 300 ms
	Event      time.Duration // one lifecycle event where no Agent runs it; default 50 ms
	Schedule   time.Duration // EventBridge Scheduler fires once at each of these (AWS: a minute); default 100 ms
	Retry      time.Duration // from one attempt at a schedule's target to the next; default 200 ms
	Spot       time.Duration // from a Spot interruption's notice to the instance's end (AWS: 2 minutes); default 500 ms
	Lost       time.Duration // until an instance that is gone in the middle of an event fails it (AWS: 1 h); a twelfth of it between events; default 600 ms
	Timeout    time.Duration // the longest a lifecycle event may take; default 1 h, as AWS's
	Traffic    time.Duration // the longest AllowTraffic or BlockTraffic may take; default Timeout
	Minute     time.Duration // one minute of a deployment's waits, for its rerouting and before blue's end; default 100 ms
}

func (d Delays) withDefaults() Delays {
	or := func(v *time.Duration, fallback time.Duration) {
		if *v == 0 {
			*v = fallback
		}
	}
	or(&d.Launch, 200*time.Millisecond)
	or(&d.Terminate, 200*time.Millisecond)
	or(&d.Reconcile, 100*time.Millisecond)
	or(&d.Register, 300*time.Millisecond)
	or(&d.Deregister, 300*time.Millisecond)
	or(&d.Event, 50*time.Millisecond)
	or(&d.Schedule, 100*time.Millisecond)
	or(&d.Retry, 200*time.Millisecond)
	or(&d.Spot, 500*time.Millisecond)
	or(&d.Lost, 600*time.Millisecond)
	or(&d.Timeout, time.Hour)
	or(&d.Traffic, d.Timeout)
	or(&d.Minute, 100*time.Millisecond)
	return d
}

// Switches are what is not known of AWS for certain; false is what the evidence speaks for.
type Switches struct {
	RestampOnSuspend       bool // SuspendProcesses of what is suspended already gives it a new seconds
	NoStamp                bool // a suspension has no reason text at all
	DeleteTagsIgnoresValue bool // DeleteTags deletes whatever value the tag has
	NoDate                 bool // answers carry no Date header
	EmptyListMeansAll      bool // an empty list of processes, as against an omitted one, is also all
	KeepGreenSuspended     bool // CodeDeploy leaves its own suspensions on green when the deployment fails
	SuspendOnExisting      bool // CodeDeploy suspends on green also with DISCOVER_EXISTING
	DropProvisioningTag    bool // a copied group does not carry CodeDeployProvisioningDeploymentId
	PastScheduleRefused    bool // a schedule for a time that has passed is refused; else it fires at once
	BlueFromStart          bool // blue's instances are the deployment's from its start, not from where rerouting begins
	SucceedBeforeEnd       bool // a deployment is Succeeded before blue's termination wait, not after it
}
