package awssim

import "time"

// state is all that this AWS knows. Its types have exported fields only, since stale reads copy them by reflection;
// they refer to each other by name or id, never by pointer.
type state struct {
	Groups       map[string]*group       // Auto Scaling groups by name
	Instances    map[string]*instance    // by id; the terminated ones stay
	Alarms       map[string]*alarm       // CloudWatch's, by name
	Schedules    map[string]*schedule    // EventBridge Scheduler's, by group/name
	ScheduleDirs map[string]time.Time    // schedule groups by name, and since when
	Activities   []*activity             // of Auto Scaling, in order of start; those of deleted groups stay
	TargetGroups map[string]*targetGroup // by ARN
	Balancers    map[string]*balancer    // load balancers by ARN; listeners are in them
	Applications map[string]*application // CodeDeploy's, by name; deployment groups are in them
	Deployments  map[string]*deployment  // by id
}

func newState() *state {
	return &state{Groups: map[string]*group{}, Instances: map[string]*instance{}, Alarms: map[string]*alarm{}, Schedules: map[string]*schedule{}, ScheduleDirs: map[string]time.Time{"default": {}},
		TargetGroups: map[string]*targetGroup{}, Balancers: map[string]*balancer{}, Applications: map[string]*application{}, Deployments: map[string]*deployment{}}
}

// group is an Auto Scaling group.
type group struct {
	Name, ARN          string
	Min, Max, Desired  int
	Zones              []string
	HealthCheckType    string // EC2 or ELB
	GracePeriod        time.Duration
	TargetGroupARNs    []string
	Tags               map[string]tag
	Suspended          map[string]suspension // by process
	Created            time.Time
	MaxLifetime        time.Duration
	DeletionProtection string
	Deleting           bool
	Kept               map[string]string // what was given and has no effect here: the launch template, subnets, …
	NewProtected       bool              // new instances are protected from scale-in
	Cooldown           time.Duration
	ScaledAt           time.Time // the cooldown begins here
	Replaces           []string  // why the next launches replace something, in AWS's words
	Cause              string    // why Desired last changed, in AWS's words; the next activities tell it
	Pending            bool      // Auto Scaling is about to look at the group
	Policies           map[string]*policy
	Actions            map[string]*scheduledAction
	Hooks              map[string]*hook
	Notifications      map[string][]string // event types by topic
	Refreshes          []*refresh          // the newest last
}

type tag struct {
	Value  string
	Launch bool // PropagateAtLaunch
}

// suspension is one suspended process: AWS's reason text, whose stamp has whole seconds.
type suspension struct{ Reason string }

// instance is one EC2 instance of an Auto Scaling group.
type instance struct {
	ID, Group, Zone string
	Address         string // its private address
	State           string // of its life cycle in the group: Pending, InService, Terminating, Terminated, …
	Healthy         bool   // Auto Scaling's word: HealthStatus
	Broken          bool   // what EC2's status check and the application say
	Sick            bool   // what the application alone says
	Protected       bool   // from scale-in
	Spot            bool
	Launched        time.Time
	InServiceSince  time.Time
	Tags            map[string]string
	N               int                   // launched as the N-th, from 1
	Extra           bool                  // launched by AZRebalance beyond what is desired, until it is in service
	Gone            bool                  // EC2 has terminated it, whatever its State says: Auto Scaling may not know
	Notice          time.Time             // EC2 will terminate it then: a Spot interruption
	Moved           bool                  // it has had a target state, so IMDS has one to tell
	Reason          string                // why Healthy is false, in AWS's words
	Waiting         map[string]*waitToken // by lifecycle hook, in Pending:Wait and Terminating:Wait
	Activity        string                // the activity under way for it
}
