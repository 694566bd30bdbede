// Package api is what the service and its clients say to each other: HTTP over a unix socket, JSON bodies, and for a
// run a stream of JSON lines, so that curl --unix-socket works as well as wingman does.
package api

import (
	"encoding/json"
	"time"
)

// The version of all that follows, and the headers that each answer carries.
const (
	Version       = 1
	VersionHeader = "Wingman-Version" // which wingman answers, as `wingman version` says it
)

// The paths of the service. {id} is a run's.
const (
	PathVersion = "/v1/version"
	PathStatus  = "/v1/status"
	PathRuns    = "/v1/runs"
	PathEvents  = "/v1/runs/{id}/events" // ?from=N: the run's stream from that byte of its output on; &watch=1: as one who only looks on
	PathLog     = "/v1/runs/{id}/log"
	PathCancel  = "/v1/runs/{id}/cancel"
	PathReload  = "/v1/reload"
	PathMetrics = "/metrics"
)

// Request asks for one event to be run, as the caller's user.
type Request struct {
	V        int      `json:"v"`
	Event    string   `json:"event"`
	Revision string   `json:"revision"` // the revision's folder, absolute
	Env      []string `json:"env"`      // the caller's whole environment
	Dir      string   `json:"dir"`      // the caller's working folder
	Umask    int      `json:"umask"`
	Again    bool     `json:"again,omitempty"` // run it even if it ran already
	Reads    bool     `json:"reads,omitempty"` // the caller reads the output in the run's folder: it is told the result only
	// After this the caller runs it itself: it is not to be accepted any more. Zero: the caller waits for ever.
	Until time.Time `json:"until,omitzero"`
	Paths Paths     `json:"paths"` // where the caller keeps things; a service that keeps them elsewhere refuses
}

// Paths are where a wingman keeps its settings, state and logs; an empty one is not said.
type Paths struct {
	Settings string `json:"settings,omitempty"`
	State    string `json:"state,omitempty"`
	Logs     string `json:"logs,omitempty"`
}

// The types of the lines of a run's stream.
const (
	Accepted     = "accepted"      // first: the run is this client's, whatever happens to the connection
	Output       = "output"        // what the run prints
	Done         = "result"        // last
	NeverStarted = "never_started" // last: the run was accepted, and nothing of it was done
)

// Line is one line of a run's stream.
type Line struct {
	V      int     `json:"v"`
	Type   string  `json:"type"`
	Run    string  `json:"run,omitempty"`    // of accepted: its id
	Folder string  `json:"folder,omitempty"` // of accepted: where its output and its result can be read should the service be gone
	Joined string  `json:"joined,omitempty"` // of accepted: why nothing new was started: "running" or "recorded"
	Text   string  `json:"text,omitempty"`   // of output
	Next   int64   `json:"next,omitempty"`   // of output: the offset behind Text, where a client goes on
	Result *Result `json:"result,omitempty"`
}

// Result is how a run came out.
type Result struct {
	V        int             `json:"v"`
	Verdict  string          `json:"verdict,omitempty"` // as in the journal; "" where nothing was run
	Error    string          `json:"error,omitempty"`   // why nothing was run
	ExitCode int             `json:"exit_code"`         // what `wingman hook` ends with
	Run      json.RawMessage `json:"run,omitempty"`     // the journal's record
}

// ExitCode gives the exit code of a run that came out so; "" is that of one of which nothing was run.
func ExitCode(verdict string) int {
	switch verdict {
	case "":
		return 2
	case "succeeded":
		return 0
	case "timed_out":
		return 124
	case "cancelled":
		return 130
	}
	return 1
}

// The kinds of errors that a client acts on.
const (
	Inline   = "inline"   // not here: the caller runs it in its own process
	Denied   = "denied"   // the caller may not
	BadInput = "bad"      // the request, or a settings file, is wrong
	NotFound = "notfound" // no such run
)

// Error is an answer that is none.
type Error struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message }

// Status is what the service says of itself.
type Status struct {
	V           int          `json:"v"`
	Wingman     string       `json:"wingman"`
	PID         int          `json:"pid"`
	Since       time.Time    `json:"since"`
	Doing       string       `json:"doing"` // in a few words
	Settings    Settings     `json:"settings"`
	Running     []Running    `json:"running"`
	Guards      []Guard      `json:"guards"`
	Deployments []Deployment `json:"deployments"`
	CodeDeploy  CodeDeploy   `json:"codedeploy_agent"`
	News        []News       `json:"news"` // the last of what is worth knowing, newest last
	Problems    []string     `json:"problems"`
}

// Settings are those that hold now.
type Settings struct {
	File     string    `json:"file"`
	Executor string    `json:"executor"`
	Guard    string    `json:"guard_mode"`
	Read     time.Time `json:"read"`
	Problem  string    `json:"problem,omitempty"` // why the file as it is now does not hold
}

// Running is a run under way.
type Running struct {
	Run        string    `json:"run"`
	Event      string    `json:"event"`
	Deployment string    `json:"deployment,omitempty"`
	User       string    `json:"user"`
	Step       string    `json:"step,omitempty"`
	Started    time.Time `json:"started"`
	Waiting    int       `json:"waiting"` // clients
}

// Guard is a guard that this instance takes part in.
type Guard struct {
	Group      string    `json:"group"`
	Deployment string    `json:"deployment"`
	State      string    `json:"state"`
	Reason     string    `json:"reason,omitempty"`
	Until      time.Time `json:"until,omitzero"`
}

// Deployment is one that the service still looks after.
type Deployment struct {
	ID   string    `json:"id"`
	Owed []string  `json:"owed"` // guard, on_failure, always
	Next time.Time `json:"next,omitzero"`
}

// CodeDeploy is how the CodeDeploy agent beside us does.
type CodeDeploy struct {
	Installed bool      `json:"installed"`
	Running   bool      `json:"running"`
	Polling   bool      `json:"polling"`
	Version   string    `json:"version,omitempty"`
	Problem   string    `json:"problem,omitempty"`
	Looked    time.Time `json:"looked,omitzero"`
}

// News is one thing that happened.
type News struct {
	At         time.Time `json:"at"`
	Bad        bool      `json:"bad,omitempty"`
	Deployment string    `json:"deployment,omitempty"`
	Text       string    `json:"text"`
}
