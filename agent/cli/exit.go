package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// The exit codes, as design and help name them; they do not change.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitCloud       = 4
	exitDeadline    = 124
	exitInterrupted = 130
)

// failure is an error that knows its exit code. With err errSilent all has been said.
type failure struct {
	code int
	err  error
}

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }

func usage(format string, args ...any) error {
	return failure{exitUsage, fmt.Errorf(format, args...)}
}

// cloudFailure is the failure of a command that speaks to AWS: 4 where AWS could not be reached or does not allow it.
func cloudFailure(err error) error {
	var ours *cloud.Error
	if errors.As(err, &ours) {
		switch ours.Kind {
		case cloud.Denied, cloud.Unreachable, cloud.Throttled, cloud.NotEC2:
			return failure{exitCloud, err}
		case cloud.Unset:
			return failure{exitUsage, err}
		}
	}
	return err
}

// codeOf gives the exit code that an error knows.
func codeOf(err error) int {
	var f failure
	if errors.As(err, &f) {
		return f.code
	}
	return exitFailed
}

// ended is the failure of a run whose summary has been printed.
func ended(v journal.Verdict) error {
	switch v {
	case journal.Succeeded:
		return nil
	case journal.TimedOut:
		return failure{exitDeadline, errSilent}
	case journal.Cancelled:
		return failure{exitInterrupted, errSilent}
	}
	return failure{exitFailed, errSilent}
}

// code turns the error into the exit code, the one place that does, and says it.
func (a *app) code(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	code := exitFailed
	var f failure
	var problems problem.List
	var bad engine.UsageError
	switch {
	case errors.As(err, &f):
		code = f.code
	case errors.As(err, &bad), errors.As(err, &problems), strings.HasPrefix(err.Error(), "unknown command"), strings.Contains(err.Error(), "arg(s)"):
		code = exitUsage
	case ctx.Err() != nil:
		code = exitInterrupted
	}
	if !errors.Is(err, errSilent) {
		fmt.Fprintf(a.Err, "wingman: %v\n", err)
	}
	return code
}
