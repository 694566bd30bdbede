package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	holdWait = 200 * time.Millisecond // for who still holds the output when the script is done: tee in `exec > >(tee log)` ends within it
	killWait = 10 * time.Second       // for what KILL was sent to; only a process stuck in the kernel takes longer
	chunk    = 64 << 10               // bytes read at a time: what a pipe holds by default
)

// HoldersNote says, for a person, who still holds the output and what follows from that; "" where nobody does.
func (e Ending) HoldersNote() string {
	if len(e.Holders) == 0 {
		return ""
	}
	var who []string
	for _, h := range e.Holders {
		who = append(who, fmt.Sprintf("pid %d (%s)", h.PID, h.Name))
	}
	verb, prints := "holds", "it prints"
	if len(who) > 1 {
		verb, prints = "hold", "they print"
	}
	return fmt.Sprintf("%s still %s the script's output; what %s from now on is discarded: redirect it, as in `cmd >/var/log/x 2>&1 &`",
		strings.Join(who, ", "), verb, prints)
}

// DrainMain is the work of a Spec.Drain process: it reads r to its end and discards all.
func DrainMain(r io.Reader) {
	buf := make([]byte, 4<<10) // tiny: this process may live as long as the daemon that it serves
	for {
		if _, err := r.Read(buf); err != nil {
			return
		}
	}
}

// short gives a timeout, which is often what was left of another, without digits that nobody reads.
func short(d time.Duration) string {
	if d > time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}

// WhyCancelled says that ctx is done, and why where it was given a cause.
func WhyCancelled(ctx context.Context) string {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(cause, context.Canceled) {
		return string(Cancelled)
	}
	return string(Cancelled) + ": " + cause.Error()
}

func notStarted(reason string) Ending {
	return Ending{How: NotStarted, Code: -1, Reason: reason}
}

// setEnv gives env with each NAME=value of more in place of what env says, and every name once: the last one counts.
func setEnv(env []string, more ...string) []string {
	last := map[string]int{}
	all := append(append(make([]string, 0, len(env)+len(more)), env...), more...)
	for i, kv := range all {
		name, _, _ := strings.Cut(kv, "=")
		last[name] = i
	}
	out := make([]string, 0, len(all)) // never nil: nil would mean the caller's environment
	for i, kv := range all {
		if name, _, _ := strings.Cut(kv, "="); last[name] == i {
			out = append(out, kv)
		}
	}
	return out
}

func getEnv(env []string, name string) (string, bool) {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], name+"="); ok {
			return v, true
		}
	}
	return "", false
}
