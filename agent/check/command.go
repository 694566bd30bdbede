package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/proc"
)

const (
	maxOutput = 4 << 10                // bytes kept of a command's output: its first
	grace     = 100 * time.Millisecond // from TERM to KILL: a check has nothing to tidy up, and the next try waits
)

// The exit codes of Nagios plugins, and of shells that could not run one.
const (
	codeOK            = 0
	codeWarning       = 1
	codeCritical      = 2
	codeUnknown       = 3
	codeNotExecutable = 126
	codeNotFound      = 127
)

// head keeps the first bytes that are written to it and takes all the others without a word.
type head struct {
	kept  []byte
	limit int
}

func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), h.limit-len(h.kept))]...)
	return len(p), nil
}

type commandChecker struct {
	spec proc.Spec // without Output
	run  runner
}

func newCommand(c Command, env []string, dir string, timeout time.Duration) (Checker, error) {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return nil, errors.New("command: names no program")
	}
	spec := proc.Spec{Argv: c.Argv, User: c.User, Env: env, Dir: dir, Timeout: timeout, Grace: grace}
	return &commandChecker{spec: spec, run: proc.Run}, nil
}

func (c *commandChecker) Check(ctx context.Context) Observation {
	ending, output := runFor(ctx, c.run, c.spec)
	if ending.How != proc.Exited {
		o := notExited(ctx, ending, c.spec.Timeout)
		o.Detail = detail(output)
		return o
	}
	return nagios(ending.Code, output)
}

// runFor runs spec and returns the beginning of its output.
func runFor(ctx context.Context, run runner, spec proc.Spec) (proc.Ending, string) {
	if ctx.Err() != nil {
		return proc.Ending{How: proc.Cancelled, Code: -1}, ""
	}
	out := &head{limit: maxOutput}
	spec.Output = out
	ending := run(ctx, spec)
	return ending, string(out.kept)
}

// notExited is the answer of a process that did not end by itself with a code.
func notExited(ctx context.Context, e proc.Ending, timeout time.Duration) Observation {
	reason := oneLine(e.Reason, maxLine)
	switch e.How {
	case proc.Cancelled:
		return givenUp(ctx)
	case proc.TimedOut:
		return Observation{Verdict: Fail, Reason: noAnswer(timeout)}
	case proc.NotStarted:
		if reason == "" {
			reason = "cannot start"
		}
		return Observation{Verdict: Inconclusive, Reason: reason}
	}
	if reason == "" {
		reason = "killed by " + e.Signal
	}
	return Observation{Verdict: Fail, Reason: reason}
}

// nagios judges as Nagios does: by the code, with the first line of the output as the reason.
func nagios(code int, output string) Observation {
	o := Observation{Verdict: Fail, Detail: detail(output)}
	meaning := ""
	switch code {
	case codeOK:
		o.Verdict = Pass
	case codeWarning:
		meaning = ", WARNING"
	case codeCritical:
		meaning = ", CRITICAL"
	case codeUnknown:
		o.Verdict, meaning = Inconclusive, ", UNKNOWN"
	case codeNotExecutable:
		o.Verdict, meaning = Inconclusive, ", cannot be executed"
	case codeNotFound:
		o.Verdict, meaning = Inconclusive, ", command not found"
	}
	o.Reason = fmt.Sprintf("exit code %d%s", code, meaning)
	switch line := firstLine(output); {
	case line != "" && code == codeOK:
		o.Reason = line
	case line != "":
		o.Reason = fmt.Sprintf("%s (%s)", line, o.Reason)
	case code != codeOK:
		o.Reason += ", no output"
	}
	return o
}

// firstLine is the first line of a plugin's output that says something, without the performance data behind "|".
func firstLine(output string) string {
	for line := range strings.Lines(output) {
		text, _, _ := strings.Cut(line, "|")
		if text = oneLine(text, maxLine); text != "" {
			return text
		}
	}
	return ""
}
