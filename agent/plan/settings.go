// Package plan decides what an event does on this instance: it reads wingman.yml and host.yml strictly, fills in the
// defaults where everybody can see them, applies the host's policy, and puts values for ${NAME}.
package plan

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/check"
	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// Revision is one wingman.yml.
type Revision struct {
	File      string // its path, for messages; "" where the revision has none
	Env       map[string]string
	Redact    []string // names of variables whose values appear nowhere
	Events    map[lifecycle.Event][]Step
	OnFailure []Step
	Always    []Step
}

// Host is /etc/wingman/host.yml: what the host's owner says, whatever revision comes.
type Host struct {
	File          string
	Guard         guard.Settings
	Policy        Policy
	DefaultEvents map[lifecycle.Event][]Step // for each event that wingman.yml does not name
	Executor      Executor                   // default: Service
	CodeDeploy    CodeDeployAgent
	Log           Log
}

// Executor says which process runs an event's steps.
type Executor string

// Service: a process that the service starts and that outlives it; Inline: the hook's own, the service is not asked.
const (
	Service Executor = "service"
	Inline  Executor = "inline"
)

// CodeDeployAgent is what the service does about the CodeDeploy agent of this host.
type CodeDeployAgent struct {
	RestartAfter time.Duration // how long it has been dead or not polling before it is restarted, with nothing in flight; 0: never
}

// Policy bounds what a revision may ask. Empty means no bound.
type Policy struct {
	Users      []string        // the users that a step may name
	AllowRoot  bool            // a step may run as root; default true
	Processes  []guard.Process // the scaling processes that a step may suspend
	MaxTimeout time.Duration   // of a step and of an event; default 1h
}

// Log bounds the logs of runs on this host.
type Log struct {
	MaxSize int64 // of one run's log, in bytes; default 64 MiB
	Keep    int   // deployments whose logs and records are kept; default 20
}

// Step is one thing that an event does. Exactly one of Script, Command, Check, Suspend and Resume is set.
type Step struct {
	problem.Position
	Name            string // default: the script's path, the command's first word, or the check's kind and target
	Script          string // a path in the revision, with slashes
	Command         []string
	Check           *check.Settings
	Suspend         *Suspend      // scaling processes are held still
	Resume          *Resume       // they are let go before the deployment's end
	User            string        // default: the caller
	Timeout         time.Duration // all tries together; 0: what is left of the event's budget
	Retry           Retry
	Env             map[string]string // beside the revision's
	When            When
	ContinueOnError bool
}

// Suspend is the step suspend_processes.
type Suspend struct {
	Processes []guard.Process // empty: host.yml's, by this instance's role
	Default   bool            // the plan has it by default, no file names it
}

// Resume is the step resume_processes.
type Resume struct{}

// Retry says how often a step is tried.
type Retry struct {
	Attempts int           // tries in all; default 1
	Delay    time.Duration // before the second try; it doubles, with jitter; default 1s
}

// When holds a step back unless all that it names fits; an empty field fits everything.
type When struct {
	Roles    []lifecycle.Role  `json:"role,omitempty"`
	Creators []string          `json:"creator,omitempty"` // who created the deployment: user, autoscaling, codeDeployRollback, …, unknown
	Tags     map[string]string `json:"tags,omitempty"`    // of the instance
}

// Some says whether there is any condition.
func (w When) Some() bool { return len(w.Roles)+len(w.Creators)+len(w.Tags) > 0 }

// Plan is what one event does here, in the end.
type Plan struct {
	Event      lifecycle.Event
	Revision   string // the revision's folder
	Source     string // where the steps come from: wingman.yml, host.yml or the built-in default
	Steps      []Step
	OnFailure  []Step
	Always     []Step
	Env        map[string]string // beside the caller's
	Redact     []string
	Budget     time.Duration // for all steps of the event
	BudgetFrom string        // whose word that is: appspec.yml, host.yml or CodeDeploy
	Log        Log
}
