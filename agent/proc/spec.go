// Package proc runs ONE child process to its end: in a process group of its own, with a deadline that holds, as
// another user where asked, and with every ending told as what it was.
//
// Linux has everything. Elsewhere there is no Cgroup. On macOS nobody names who holds an output (Ending.Holders stays empty). On Windows a child is in
// a job object: it is ended at once (there is no TERM, so no Grace), cannot run as another User, and a held output is
// read and discarded by this process instead of a Drain.
package proc

import (
	"io"
	"time"
)

// Spec says what to start, and how.
type Spec struct {
	Argv    []string      // never a shell string; Argv[0] is a path, or a name to be found in Env's PATH
	Script  bool          // Argv[0] is a revision's script: made executable where it is not, run by /bin/sh where it has no #! line
	Dir     string        // working folder; "" is the caller's
	Env     []string      // the whole environment, NAME=value
	User    string        // whose credentials; "" is the caller's
	Timeout time.Duration // from start to TERM; 0 is none
	Grace   time.Duration // from TERM to KILL; 0 is DefaultGrace
	Output  io.Writer     // stdout and stderr in one stream, in the order written; nil discards
	Cgroup  string        // a cgroup2 folder, as OwnCgroup gives it, in which the process gets one of its own: then TERM and KILL also reach what has left its process group; "" is none, and so is a kernel that says no
	Drain   []string      // argv of a process (DrainMain) that reads, from its stdin, an output still held by a background process, so that this one never meets a closed pipe; nil: nobody reads on
}

// DefaultGrace is the time between TERM and KILL.
const DefaultGrace = 5 * time.Second

// How is the way a process ended.
type How string

// The ways a process ends. They are recorded where they happen, never inferred afterwards.
const (
	Exited     How = "exited"      // by itself, with Code
	Signaled   How = "signaled"    // by a signal that wingman did not send
	TimedOut   How = "timed_out"   // ended by wingman at Timeout
	Cancelled  How = "cancelled"   // ended by wingman since ctx was done
	NotStarted How = "not_started" // never ran; Reason says why
)

// Process is one process on this host.
type Process struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
}

// Ending is how one process ended.
type Ending struct {
	How      How           `json:"how"`
	Code     int           `json:"code"`             // of Exited; -1 elsewhere
	Signal   string        `json:"signal,omitempty"` // as SIGTERM
	Reason   string        `json:"reason"`           // for a person: "exit code 7", "killed by SIGKILL", "timed out after 2s (ignored TERM, killed)", "cannot start: …"
	Killed   bool          `json:"killed,omitempty"` // it took KILL
	PID      int           `json:"pid,omitempty"`
	Holders  []Process     `json:"holders,omitempty"` // who still held the output when the script was done
	Duration time.Duration `json:"duration"`          // from start to end
}

// OK says whether the process did its work: it ended by itself with code 0.
func (e Ending) OK() bool { return e.How == Exited && e.Code == 0 }
