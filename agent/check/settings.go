// Package check proves that an application works: it asks until the application has been healthy often enough in a
// row, then watches for a while whether it stays so.
package check

import "time"

// Settings is one check: exactly one kind, and when it counts as passed. A zero value of a timing key means its default.
type Settings struct {
	HTTP    *HTTP
	TCP     *TCP
	Command *Command
	Systemd *Systemd
	Build   *Build
	Timing
}

// Timing says when a check has passed. Durations are wall time.
type Timing struct {
	StartupTimeout   time.Duration `json:"startup_timeout_ns"` // to become healthy; default 2m
	SuccessThreshold int           `json:"success_threshold"`  // consecutive good answers that make healthy; default 3
	FailureThreshold int           `json:"failure_threshold"`  // consecutive bad answers, once it was healthy, that fail the check; default 3
	Interval         time.Duration `json:"interval_ns"`        // from the start of one try to the start of the next; default 250ms
	Timeout          time.Duration `json:"timeout_ns"`         // of one try; default 1s
	BakeTime         time.Duration `json:"bake_time_ns"`       // it must then stay healthy so long; default 0
}

// WithDefaults fills in what is zero.
func (t Timing) WithDefaults() Timing {
	if t.StartupTimeout == 0 {
		t.StartupTimeout = 2 * time.Minute
	}
	if t.SuccessThreshold == 0 {
		t.SuccessThreshold = 3
	}
	if t.FailureThreshold == 0 {
		t.FailureThreshold = 3
	}
	if t.Interval == 0 {
		t.Interval = 250 * time.Millisecond
	}
	if t.Timeout == 0 {
		t.Timeout = time.Second
	}
	return t
}

// HTTP asks a URL and looks at status and body, as a load balancer does: redirects are not followed, no proxy is used,
// and each try is a connection of its own.
type HTTP struct {
	URL           string
	Method        string            // default GET
	Headers       map[string]string // Host among them
	Status        string            // codes and ranges as a target group's matcher writes them: "200", "200,204", "200-399"; default 200-299
	Body          string            // the body must contain it
	TLSSkipVerify bool              // a certificate that nobody signed is fine
}

// TCP connects to host:port.
type TCP struct{ Address string }

// Command runs a program with the exit codes of Nagios plugins: 0 passes, 1 and 2 fail, 3 (unknown) is inconclusive,
// any other fails; the first line of its output is the reason.
type Command struct {
	Argv []string
	User string // default: the caller
}

// Systemd looks at a unit: active, and neither restarted nor started anew since the first look.
type Systemd struct{ Unit string }

// Build asks a URL which build answers: the new one, not the old one that was never stopped.
type Build struct {
	URL      string
	Equals   string // the whole body, white space at its ends apart
	Contains string // or a part of it
}
