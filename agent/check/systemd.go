package check

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/proc"
)

// unit is what systemctl show says about a unit.
type unit struct {
	load, active, sub, result, invocation string
	restarts                              int
	pid                                   int
}

const unitProperties = "LoadState,ActiveState,SubState,NRestarts,InvocationID,MainPID,Result"

// parseUnit reads NAME=value lines. Others are skipped: systemctl's warnings come in the same stream.
func parseUnit(output string) (unit, error) {
	var u unit
	for line := range strings.Lines(output) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "LoadState":
			u.load = oneLine(value, maxLine)
		case "ActiveState":
			u.active = oneLine(value, maxLine)
		case "SubState":
			u.sub = oneLine(value, maxLine)
		case "Result":
			u.result = oneLine(value, maxLine)
		case "InvocationID":
			u.invocation = oneLine(value, maxLine)
		case "NRestarts": // absent in units that are no services
			u.restarts, _ = strconv.Atoi(value)
		case "MainPID":
			u.pid, _ = strconv.Atoi(value)
		}
	}
	if u.load == "" || u.active == "" {
		return unit{}, fmt.Errorf("cannot understand systemctl: %s", quoted(output))
	}
	return u, nil
}

// state is what a person calls the unit's state: "failed (Result: exit-code)", "activating (auto-restart)".
func (u unit) state() string {
	text := u.active
	switch {
	case u.load == "masked":
		text += " (masked)"
	case u.load != "loaded":
		text += " (unit " + u.load + ")"
	case u.sub != "" && u.sub != u.active:
		text += " (" + u.sub + ")"
	}
	if u.result != "" && u.result != "success" {
		text += ", Result " + u.result
	}
	return text
}

// restartedSince says how u is not what before was still running as; "" if it is. A unit that was not active may start.
func (u unit) restartedSince(before unit) string {
	wasActive := before.active == "active"
	switch {
	case u.restarts > before.restarts, wasActive && u.restarts != before.restarts:
		return fmt.Sprintf("restarted meanwhile (NRestarts %d -> %d)", before.restarts, u.restarts)
	case wasActive && u.active == "active" && u.invocation != before.invocation:
		return fmt.Sprintf("restarted meanwhile (started anew, MainPID %d -> %d)", before.pid, u.pid)
	}
	return ""
}

// judge is the answer of a look at now, after before (nil: the first look).
func judge(before *unit, now unit) Observation {
	if now.load == "not-found" {
		return Observation{Verdict: Fail, Reason: "no such unit"}
	}
	restarted := ""
	if before != nil {
		restarted = now.restartedSince(*before)
	}
	switch {
	case now.active != "active" && restarted != "":
		return Observation{Verdict: Fail, Reason: now.state() + ", " + restarted}
	case now.active != "active":
		return Observation{Verdict: Fail, Reason: now.state() + ", want active"}
	case restarted != "":
		return Observation{Verdict: Fail, Reason: restarted}
	}
	return Observation{Verdict: Pass, Reason: now.state()}
}

type systemdChecker struct {
	spec   proc.Spec
	run    runner
	before *unit // the last look; every change is told once, and is then the base
}

func newSystemd(s Systemd, env []string, timeout time.Duration) (Checker, error) {
	switch {
	case s.Unit == "":
		return nil, errors.New("systemd: names no unit")
	case strings.HasPrefix(s.Unit, "-"), strings.ContainsAny(s.Unit, "*?[ \t\r\n"):
		return nil, fmt.Errorf("systemd: %s is no unit's name", quoted(s.Unit))
	}
	spec := proc.Spec{
		Argv:    []string{"systemctl", "show", "-p", unitProperties, "--", s.Unit},
		Env:     env,
		Timeout: timeout,
		Grace:   grace,
	}
	return &systemdChecker{spec: spec, run: proc.Run}, nil
}

func (c *systemdChecker) Check(ctx context.Context) Observation {
	ending, output := runFor(ctx, c.run, c.spec)
	switch {
	case ending.How == proc.NotStarted:
		return Observation{Verdict: Inconclusive, Reason: oneLine("cannot ask systemd: "+ending.Reason, maxLine)}
	case ending.How != proc.Exited:
		return notExited(ctx, ending, c.spec.Timeout)
	case ending.Code != 0:
		// As "System has not been booted with systemd", "Failed to connect to bus": nobody knows how the unit is.
		reason := fmt.Sprintf("cannot ask systemd: %s (systemctl: exit code %d)", firstLine(output), ending.Code)
		return Observation{Verdict: Inconclusive, Reason: reason, Detail: detail(output)}
	}
	now, err := parseUnit(output)
	if err != nil {
		return Observation{Verdict: Inconclusive, Reason: err.Error(), Detail: detail(output)}
	}
	o := judge(c.before, now)
	o.Detail = detail(output)
	c.before = &now
	return o
}
