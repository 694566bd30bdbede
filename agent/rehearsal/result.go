package rehearsal

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// Result is how a rehearsal came out.
type Result struct {
	Version     int           `json:"version"` // of this form: 1
	Succeeded   bool          `json:"succeeded"`
	Why         []string      `json:"not_succeeded_because,omitempty"`
	Interrupted bool          `json:"interrupted,omitempty"`
	Type        Type          `json:"type"`
	Revision    string        `json:"revision"`
	Started     time.Time     `json:"started"`
	Duration    time.Duration `json:"duration_ns"`
	Deployments []Deployment  `json:"deployments"` // the first one, the one that is rehearsed, and its rollback
	Failure     *Failure      `json:"failure,omitempty"`
	Groups      []Group       `json:"groups"`
	Traffic     Traffic       `json:"traffic"`
	Notes       []string      `json:"notes"` // what was done otherwise than AWS would
	Logs        string        `json:"logs,omitempty"`
}

// Part is what a deployment is in a rehearsal.
type Part string

// The parts.
const (
	First     Part = "first"     // it puts the revision on the originals
	Rehearsed Part = "rehearsed" // the one that is shown
	Rollback  Part = "rollback"  // CodeDeploy's, of the one that is rehearsed
)

// Deployment is one deployment of the revision.
type Deployment struct {
	ID        string        `json:"deployment"`
	Part      Part          `json:"part"`
	Succeeded bool          `json:"succeeded"`
	Status    string        `json:"status"` // CodeDeploy's
	Error     string        `json:"error,omitempty"`
	Started   time.Time     `json:"started"`
	Duration  time.Duration `json:"duration_ns"`
	Instances []Instance    `json:"instances"`
}

// Instance is an instance's part in a deployment.
type Instance struct {
	Name    string  `json:"instance"` // original-1, replacement-2
	ID      string  `json:"instance_id"`
	Address string  `json:"address"`
	Events  []Event `json:"events"`
}

// Event is one lifecycle event as the CodeDeploy agent reports it, or CodeDeploy itself.
type Event struct {
	Name     lifecycle.Event `json:"event"`
	From     string          `json:"from,omitempty"` // the deployment whose revision gave the hooks, where it is an earlier one
	Verdict  Verdict         `json:"verdict"`
	Started  time.Time       `json:"started,omitzero"`
	Duration time.Duration   `json:"duration_ns"`
	Hooks    []Hook          `json:"hooks"`
	Code     int             `json:"error_code"` // 0 to 6, of the CodeDeploy agent: 1 ScriptMissing, 2 ScriptNotExecutable, 3 ScriptTimedOut, 4 ScriptFailed, 5 UnknownError, 6 outputs left open
	Script   string          `json:"script,omitempty"`
	Message  string          `json:"message,omitempty"`    // the CodeDeploy agent's
	Console  []string        `json:"console,omitempty"`    // of a failed event: the end of the output, as CodeDeploy's console shows it
	Lost     int             `json:"lost_lines,omitempty"` // lines of output that the console does not show
}

// Hook is one script that appspec.yml names.
type Hook struct {
	Location string        `json:"location"`
	Duration time.Duration `json:"duration_ns"`
}

// Verdict is how an event came out.
type Verdict string

// The verdicts. Nothing is the CodeDeploy agent's no-op: appspec.yml names no script, or there is no revision yet.
const (
	Succeeded Verdict = "succeeded"
	Failed    Verdict = "failed"
	Nothing   Verdict = "nothing to do"
	LeftOut   Verdict = "left out"
	NotRun    Verdict = "not reached"
)

// Failure is the first event that failed.
type Failure struct {
	Deployment string `json:"deployment"`
	Part       Part   `json:"part"`
	Instance   string `json:"instance"`
	Event
	NotReached []lifecycle.Event `json:"not_reached,omitempty"` // on the same instance
}

// Group is an Auto Scaling group: what was suspended on it, as the group itself shows.
type Group struct {
	Name      string    `json:"group"`
	Side      string    `json:"side"` // original or replacement
	Scaling   []Scaling `json:"scaling"`
	Suspended []string  `json:"suspended"` // in the end
	Guards    []string  `json:"guards"`    // tags of wingman's, in the end
	Gone      bool      `json:"gone,omitempty"`
	Instances []string  `json:"instances"`
}

// Scaling is one suspension of scaling processes, or its end.
type Scaling struct {
	At        time.Time `json:"at"`
	Resumed   bool      `json:"resumed"`
	Group     string    `json:"group"`
	Processes []string  `json:"processes"`
	By        string    `json:"by"` // original-1: wingman there; CodeDeploy
}

// CodeDeploy is Scaling.By where no instance did it.
const CodeDeploy = "CodeDeploy"

// Traffic is what the load balancer's stand-in saw.
type Traffic struct {
	URL     string   `json:"url,omitempty"` // the path that was asked for; "" where no traffic was sent
	Sent    int      `json:"sent"`
	Lost    int      `json:"lost"` // not answered with 2xx
	Losses  []string `json:"losses,omitempty"`
	Serving []Server `json:"serving"`
}

// Server is an instance that is in service behind the load balancer in the end.
type Server struct {
	Instance string `json:"instance"`
	Answers  bool   `json:"answers"`
	Build    string `json:"build,omitempty"` // what it says at /version
}
