package awssim

import "time"

// state is all that this AWS knows. Its types have exported fields only, since stale reads copy them by reflection;
// they refer to each other by name or id, never by pointer.
type state struct {
	Groups       map[string]*group       // Auto Scaling groups by name
	Instances    map[string]*instance    // by id; the terminated ones stay
	Alarms       map[string]*alarm       // CloudWatch's, by name
	Schedules    map[string]*schedule    // EventBridge Scheduler's, by group/name
	TargetGroups map[string]*targetGroup // by ARN
	Balancers    map[string]*balancer    // load balancers by ARN; listeners are in them
	Applications map[string]*application // CodeDeploy's, by name; deployment groups are in them
	Deployments  map[string]*deployment  // by id
}

func newState() *state {
	return &state{Groups: map[string]*group{}, Instances: map[string]*instance{}, Alarms: map[string]*alarm{}, Schedules: map[string]*schedule{},
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
	Protected       bool   // from scale-in
	Spot            bool
	Launched        time.Time
	InServiceSince  time.Time
	Tags            map[string]string
	Gone            bool // EC2 has terminated it, whatever its State says: Auto Scaling may not know
}
