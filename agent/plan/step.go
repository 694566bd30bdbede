package plan

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/codedeploy-wingman/wingman/agent/check"
	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// also says under which name wingman knows what others call differently.
func also(names map[string]string) stranger {
	return func(name string) (string, string) {
		if ours, ok := names[strings.ToLower(name)]; ok {
			return fmt.Sprintf("unknown key %q: did you mean %s?", name, ours), ""
		}
		return "", ""
	}
}

var retryKeys = also(map[string]string{"count": "attempts", "retries": "attempts", "max": "attempts", "max_attempts": "attempts", "tries": "attempts", "interval": "delay", "backoff": "delay", "wait": "delay"})

var retryShape = object(retryKeys,
	key("attempts", number(1, 1000), "tries in all", func(r *Retry) *int { return &r.Attempts }).by(1),
	key("delay", duration(0), "before the second try; it doubles each time, give or take a quarter", func(r *Retry) *time.Duration { return &r.Delay }).by("1s"),
)

// creators are the values of GetDeployment's deploymentInfo.creator (CodeDeploy API reference, DeploymentCreator).
var creators = []string{"user", "autoscaling", "codeDeployRollback", "CodeDeploy", "CodeDeployAutoUpdate", "CloudFormation", "CloudFormationRollback", "autoscalingTermination", "unknown"}

var whenShape = object(also(map[string]string{"roles": "role", "creators": "creator", "tag": "tags"}),
	key("role", some(oneOf(lifecycle.Original, lifecycle.Replacement, lifecycle.InPlaceRole, lifecycle.Unknown)), "what this instance is in the deployment; unknown where wingman may not ask AWS", func(w *When) *[]lifecycle.Role { return &w.Roles }),
	key("creator", some(oneOf(creators...)), "who created the deployment; unknown where wingman may not ask AWS", func(w *When) *[]string { return &w.Creators }),
	key("tags", texts, "tags that the instance must have", func(w *When) *map[string]string { return &w.Tags }),
)

var stepShape = object(stepKeys,
	key("name", text, "what summary, log and history call it; default: the script's path, the command's first word, or the check's kind and target", func(s *Step) *string { return &s.Name }),
	key("script", text, "a script, by its path in the revision", func(s *Step) *string { return &s.Script }),
	key("command", filled(verbatim), "a program and its arguments; no shell reads it", func(s *Step) *[]string { return &s.Command }),
	key("check", to(checkShape), "a check that must pass; neighbouring checks run side by side", func(s *Step) **check.Settings { return &s.Check }),
	key("suspend_processes", to(suspendShape), "scaling processes of the Auto Scaling group are suspended, and given back at the deployment's end", func(s *Step) **Suspend { return &s.Suspend }),
	key("resume_processes", to(resumeShape), "they are given back here already", func(s *Step) **Resume { return &s.Resume }),
	key("user", text, "as whom it runs; default: the caller; only root may name another", func(s *Step) *string { return &s.User }),
	key("timeout", duration(time.Millisecond), "of the step, all tries together; default: what is left of the event's budget", func(s *Step) *time.Duration { return &s.Timeout }),
	key("retry", retryShape, "how often a failed step is tried", func(s *Step) *Retry { return &s.Retry }),
	key("env", environment, "variables beside those of the file", func(s *Step) *map[string]string { return &s.Env }),
	key("when", whenShape, "run it only where all of this fits", func(s *Step) *When { return &s.When }),
	key("continue_on_error", truth, "its failure does not fail the event", func(s *Step) *bool { return &s.ContinueOnError }).by(false),
)

var suspendShape = object(nil,
	key("processes", filled(processShape), "which; default: host.yml's, by this instance's role", func(s *Suspend) *[]guard.Process { return &s.Processes }),
)

var resumeShape = object[Resume](nil)

// stepKeys knows what people write in a step and where it belongs.
func stepKeys(name string) (string, string) {
	switch {
	case inCheck[name]:
		return name + " belongs to a check", "check: {…, " + name + ": …}"
	case checkKinds[name]:
		return name + " is a kind of check", "check: {" + name + ": …}"
	}
	return also(map[string]string{"runas": "user", "run_as": "user", "location": "script", "path": "script", "file": "script", "cmd": "command", "run": "command", "exec": "command",
		"retries": "retry", "environment": "env", "if": "when", "ignore_errors": "continue_on_error", "continue-on-error": "continue_on_error", "allow_failure": "continue_on_error"})(name)
}

var inCheck = map[string]bool{"startup_timeout": true, "success_threshold": true, "failure_threshold": true, "interval": true, "bake_time": true}

var checkKinds = map[string]bool{"http": true, "tcp": true, "systemd": true, "build": true}

var stepsShape = list(shape[Step]{schema{"$ref": "#/definitions/step"}, readStep})

// readStep reads one step and looks at what its keys mean together.
func readStep(d *decoder, n *yaml.Node, s *Step) {
	before, uses := len(d.problems), len(d.uses)
	stepShape.read(d, n, s)
	s.Position = d.at(n)
	for i := range d.uses[uses:] {
		d.uses[uses+i].local = s.Env
	}
	if s.Retry.Attempts == 0 {
		s.Retry.Attempts = 1
	}
	if s.Retry.Delay == 0 {
		s.Retry.Delay = time.Second
	}
	if len(d.problems) > before {
		return
	}
	switch kinds := s.kinds(); {
	case len(kinds) == 0:
		d.refuse(n, "no-action", "- script: scripts/start.sh", "a step needs one of script, command, check, suspend_processes, resume_processes")
	case len(kinds) > 1:
		d.refuse(n, "two-actions", "make them two steps", "a step does one thing, not %s", strings.Join(kinds, " and "))
	case s.Script != "":
		d.script(n, s.Script)
	case len(s.Command) > 0 && s.Command[0] == "":
		d.refuse(n, "empty", `command: [program, argument, …]`, "the command's first word is empty")
	case s.builtIn() && (s.User != "" || s.Env != nil || s.Retry.Attempts > 1):
		d.refuse(n, "built-in", "", "%s takes no user, env or retry: wingman does it itself, and tries again by itself", kinds[0])
	case s.Check != nil && s.User != "":
		d.refuse(n, "check-user", "check: {command: {argv: […], user: "+s.User+"}}", "a check has no user of its own, but for a command's")
	case s.Check != nil && s.Retry.Attempts > 1:
		d.refuse(n, "check-retry", "check: {…, startup_timeout: 2m, interval: 250ms}", "a check tries again by itself until its startup_timeout")
	}
}

func (s Step) kinds() (out []string) {
	if s.Script != "" {
		out = append(out, "script")
	}
	if len(s.Command) > 0 {
		out = append(out, "command")
	}
	if s.Check != nil {
		out = append(out, "check")
	}
	if s.Suspend != nil {
		out = append(out, suspendProcesses)
	}
	if s.Resume != nil {
		out = append(out, resumeProcesses)
	}
	return out
}

// The built-in actions, as files and messages name them.
const (
	suspendProcesses = "suspend_processes"
	resumeProcesses  = "resume_processes"
)

// builtIn says that wingman itself does the step.
func (s Step) builtIn() bool { return s.Suspend != nil || s.Resume != nil }

// Kind names what the step is: script, command, the check's kind, or the built-in action.
func (s Step) Kind() string {
	switch {
	case s.Suspend != nil:
		return suspendProcesses
	case s.Resume != nil:
		return resumeProcesses
	case s.Script != "":
		return "script"
	case s.Check != nil:
		return s.Check.Kind()
	}
	return "command"
}

func (s Step) defaultName() string {
	switch {
	case s.Suspend != nil:
		return "hold scaling still"
	case s.Resume != nil:
		return "let scaling go"
	case s.Script != "":
		return s.Script
	case s.Check != nil:
		return s.Check.Kind() + " " + s.Check.Target()
	case len(s.Command) > 0:
		return path.Base(s.Command[0])
	}
	return "step"
}

// script refuses a path that leads out of the revision; host.yml may name scripts of the host.
func (d *decoder) script(n *yaml.Node, location string) {
	switch clean := path.Clean(location); {
	case path.IsAbs(location) && !d.host:
		d.refuse(n, "script-outside", "copy it into the revision, or run it as a command: [\""+short(location)+"\"]", "the script %s is not in the revision: paths are relative to the folder that holds appspec.yml", location)
	case clean == ".." || strings.HasPrefix(clean, "../"):
		d.refuse(n, "script-outside", "copy it into the revision", "the script %s is not in the revision", location)
	}
}

var httpShape = shortForm(object(also(map[string]string{"code": "status", "status_code": "status", "expect": "status", "match": "body", "contains": "body", "matcher": "status", "header": "headers"}),
	key("url", text, "http:// or https://", func(h *check.HTTP) *string { return &h.URL }).must(),
	key("method", text, "the request method", func(h *check.HTTP) *string { return &h.Method }).by("GET"),
	key("headers", texts, "request headers, Host among them", func(h *check.HTTP) *map[string]string { return &h.Headers }),
	key("status", verbatim, `codes and ranges as a target group's matcher writes them: 200, "200,204", "200-399"`, func(h *check.HTTP) *string { return &h.Status }).by("200-299"),
	key("body", verbatim, "the body must contain it", func(h *check.HTTP) *string { return &h.Body }),
	key("tls_skip_verify", truth, "a certificate that nobody signed is fine", func(h *check.HTTP) *bool { return &h.TLSSkipVerify }).by(false),
), text, func(h *check.HTTP, url string) { h.URL = url })

var tcpShape = shortForm(object(also(map[string]string{"addr": "address", "host": "address", "port": "address"}),
	key("address", text, "host:port", func(t *check.TCP) *string { return &t.Address }).must(),
), text, func(t *check.TCP, address string) { t.Address = address })

var commandShape = shortForm(object(also(map[string]string{"command": "argv", "cmd": "argv", "args": "argv", "runas": "user"}),
	key("argv", filled(verbatim), "a program and its arguments; no shell reads it", func(c *check.Command) *[]string { return &c.Argv }).must(),
	key("user", text, "as whom it runs; default: the caller", func(c *check.Command) *string { return &c.User }),
), filled(verbatim), func(c *check.Command, argv []string) { c.Argv = argv })

var systemdShape = shortForm(object(also(map[string]string{"name": "unit", "service": "unit"}),
	key("unit", text, "hello.service", func(s *check.Systemd) *string { return &s.Unit }).must(),
), text, func(s *check.Systemd, unit string) { s.Unit = unit })

var buildShape = object(also(map[string]string{"equal": "equals", "is": "equals", "body": "contains"}),
	key("url", text, "what the application answers its build at", func(b *check.Build) *string { return &b.URL }).must(),
	key("equals", text, "the whole body, white space at its ends apart", func(b *check.Build) *string { return &b.Equals }),
	key("contains", text, "or a part of it", func(b *check.Build) *string { return &b.Contains }),
).then(func(d *decoder, n *yaml.Node, b *check.Build) {
	if (b.Equals == "") == (b.Contains == "") {
		d.refuse(n, "build", `equals: "${DEPLOYMENT_ID}"`, "a build check needs one of equals and contains")
	}
})

// The defaults of the timing keys, once: check owns them, schema and plan show them.
var timing = check.Timing{}.WithDefaults()

var checkShape = object(also(map[string]string{"url": "http", "port": "tcp", "service": "systemd", "unit": "systemd", "cmd": "command", "script": "command", "exec": "command", "retries": "failure_threshold",
	"initial_delay": "startup_timeout", "start_period": "startup_timeout", "period": "interval", "threshold": "success_threshold", "rise": "success_threshold", "fall": "failure_threshold", "version": "build"}),
	key("http", to(httpShape), "a URL answers; redirects are not followed", func(s *check.Settings) **check.HTTP { return &s.HTTP }),
	key("tcp", to(tcpShape), "host:port accepts connections", func(s *check.Settings) **check.TCP { return &s.TCP }),
	key("command", to(commandShape), "a program with the exit codes of Nagios plugins: 0 passes, 1 and 2 fail, 3 is inconclusive", func(s *check.Settings) **check.Command { return &s.Command }),
	key("systemd", to(systemdShape), "a unit is active, and not restarting meanwhile", func(s *check.Settings) **check.Systemd { return &s.Systemd }),
	key("build", to(buildShape), "the new build answers, not the old one", func(s *check.Settings) **check.Build { return &s.Build }),
	key("startup_timeout", duration(time.Millisecond), "to become healthy", func(s *check.Settings) *time.Duration { return &s.StartupTimeout }).by(timing.StartupTimeout.String()),
	key("success_threshold", number(1, 1000), "consecutive good answers that make healthy", func(s *check.Settings) *int { return &s.SuccessThreshold }).by(timing.SuccessThreshold),
	key("failure_threshold", number(1, 1000), "consecutive bad answers, once it was healthy, that fail the check", func(s *check.Settings) *int { return &s.FailureThreshold }).by(timing.FailureThreshold),
	key("interval", duration(time.Millisecond), "from the start of one try to the start of the next", func(s *check.Settings) *time.Duration { return &s.Interval }).by(timing.Interval.String()),
	key("timeout", duration(time.Millisecond), "of one try", func(s *check.Settings) *time.Duration { return &s.Timeout }).by(timing.Timeout.String()),
	key("bake_time", duration(0), "it must then stay healthy so long", func(s *check.Settings) *time.Duration { return &s.BakeTime }).by("0s"),
).then(func(d *decoder, n *yaml.Node, s *check.Settings) {
	if literal(*s) {
		if err := sound(*s); err != nil {
			d.refuse(n, "check", "", "%s", err)
		}
	}
	s.Timing = s.WithDefaults()
})

// sound says what is wrong with a check whose values are all known.
func sound(s check.Settings) error {
	if s.TCP != nil {
		if _, port, err := net.SplitHostPort(s.TCP.Address); err != nil || port == "" {
			return fmt.Errorf("tcp: %q is no host:port", s.TCP.Address)
		}
	}
	for _, raw := range addresses(s) {
		if u, err := url.Parse(raw); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%s: %q is no http:// or https:// URL", s.Kind(), raw)
		}
	}
	_, err := check.New(s, nil, "")
	return err
}

func addresses(s check.Settings) []string {
	switch {
	case s.HTTP != nil:
		return []string{s.HTTP.URL}
	case s.Build != nil:
		return []string{s.Build.URL}
	}
	return nil
}

// literal says that no ${NAME} stands in what a check looks at; else it is judged once the values are known.
func literal(s check.Settings) bool {
	found := false
	_, _ = mapCheck(s, func(text string) (string, error) {
		found = found || strings.Contains(text, "$")
		return text, nil
	})
	return !found
}
