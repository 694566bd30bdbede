// Package scope puts a process into a transient systemd scope of its own, so that it outlives the service that started
// it. It is the only package that speaks D-Bus.
//
// A scope says nothing about how its process ended: one that has emptied is gone, and looks like one that never was.
// Whoever needs an exit status has the process write it to a file.
package scope

import (
	"errors"
	"fmt"
	"strings"
)

const (
	prefix  = "wingman-" // of every scope of ours; agent/proc knows a runner's cgroup by it
	suffix  = ".scope"
	maxName = 255 // systemd's UNIT_NAME_MAX, less the final NUL
)

// ErrNoSystemd says that systemd is not PID 1 here.
var ErrNoSystemd = errors.New("no systemd here")

// Unit is one scope of ours.
type Unit struct {
	Name      string
	Active    bool  // systemd still holds it to be running
	Populated bool  // there is a process in it, or in a sub-group
	PIDs      []int // those processes, in no order
}

// Name gives the unit's name for a run.
func Name(run string) string { return prefix + run + suffix }

// checkName refuses what systemd would refuse, and what List would not find.
func checkName(name string) error {
	run, ok := strings.CutPrefix(name, prefix)
	run, ok2 := strings.CutSuffix(run, suffix)
	odd := strings.Trim(run, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.-")
	if !ok || !ok2 || run == "" || len(name) > maxName || odd != "" {
		return fmt.Errorf("%q is no name for a scope: it is %sRUN%s, RUN of letters, digits and `:_.-`, %d bytes in all", name, prefix, suffix, maxName)
	}
	return nil
}
