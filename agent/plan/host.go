package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/trust"
)

// DefaultHost is what holds where host.yml is missing or does not say.
func DefaultHost() Host {
	return Host{Guard: guard.Defaults(), Policy: Policy{AllowRoot: true, MaxTimeout: time.Hour}, Executor: Service, Log: Log{MaxSize: 64 << 20, Keep: 20}}
}

var policyShape = object(also(map[string]string{"root": "allow_root", "timeout": "max_timeout", "user": "users"}),
	key("users", list(text), "the users beside root that a step may name; empty: any", func(p *Policy) *[]string { return &p.Users }),
	key("allow_root", truth, "a step may run as root", func(p *Policy) *bool { return &p.AllowRoot }).by(true),
	key("processes", list(processShape), "the scaling processes that a step may suspend; empty: any", func(p *Policy) *[]guard.Process { return &p.Processes }),
	key("max_timeout", duration(time.Second), "the most that an event or a step gets", func(p *Policy) *time.Duration { return &p.MaxTimeout }).by("1h"),
)

// processShape is one of Auto Scaling's scaling processes. A list of them is never empty: to AWS that means all.
var processShape = oneOf(guard.Processes()...)

func sideShape(d guard.Side) shape[guard.Side] {
	return object(nil,
		key("processes", filled(processShape), "the scaling processes to suspend", func(s *guard.Side) *[]guard.Process { return &s.Processes }).by(d.Processes),
		key("from", oneOf(lifecycle.Hookable()...), "the lifecycle event from which on they are suspended", func(s *guard.Side) *lifecycle.Event { return &s.From }).by(d.From),
	)
}

var deadManShape = object(also(map[string]string{"role": "role_arn", "group": "schedule_group"}),
	key("role_arn", verbatim, "the role as which EventBridge Scheduler resumes; without one there is no switch", func(d *guard.DeadMan) *string { return &d.RoleARN }),
	key("schedule_group", text, "the group that its schedules are in", func(d *guard.DeadMan) *string { return &d.ScheduleGroup }).by("codedeploy-wingman"),
)

// window is a duration that a guard may live: CodeDeploy lets one lifecycle event take an hour.
var window = duration(time.Minute).then(func(d *decoder, n *yaml.Node, v *time.Duration) {
	if *v > 24*time.Hour {
		d.refuse(n, "too-long", "", "%s is too long: at most 24h", *v)
	}
})

var guardShape = func() shape[guard.Settings] {
	def := guard.Defaults()
	return object(also(map[string]string{"window": "max_window", "blue": "original", "green": "replacement", "deadman": "dead_man", "enabled": "mode"}),
		key("mode", oneOf(guard.Enforce, guard.Observe, guard.Disabled), "observe looks and says, and writes nothing", func(s *guard.Settings) *guard.Mode { return &s.Mode }).by(def.Mode),
		key("original", sideShape(def.Original), "the group that serves until now", func(s *guard.Settings) *guard.Side { return &s.Original }),
		key("replacement", sideShape(def.Replacement), "the group that takes over", func(s *guard.Settings) *guard.Side { return &s.Replacement }),
		key("max_window", window, "the longest that a guard lives without being begun again; at most 24h", func(s *guard.Settings) *time.Duration { return &s.MaxWindow }).by("75m"),
		key("grace", duration(time.Second), "after that, until others give back", func(s *guard.Settings) *time.Duration { return &s.Grace }).by("1m"),
		key("continue_on_error", truth, "a guard that fails does not fail the event", func(s *guard.Settings) *bool { return &s.ContinueOnError }).by(def.ContinueOnError),
		key("headroom", oneOf(guard.Ignore, guard.Warn, guard.Refuse), "what is done about a group at its limit or under an alarm in breach", func(s *guard.Settings) *guard.Headroom { return &s.Headroom }).by(def.Headroom),
		key("dead_man", deadManShape, "gives back even if every instance is gone; off without role_arn", func(s *guard.Settings) *guard.DeadMan { return &s.DeadMan }),
	)
}()

var logShape = object(also(map[string]string{"size": "max_size", "max": "max_size", "limit": "max_size"}),
	key("max_size", size(64<<10), "of one run's full log; its beginning and its end are kept", func(l *Log) *int64 { return &l.MaxSize }).by("64MiB"),
	key("keep", number(1, 10000), "deployments whose logs and records are kept", func(l *Log) *int { return &l.Keep }).by(20),
)

// Whether the CodeDeploy agent polls shows after three minutes at the earliest; a shorter time than a minute says nothing.
var codeDeployShape = object(also(map[string]string{"restart": "restart_after", "after": "restart_after", "restart_timeout": "restart_after"}),
	key("restart_after", duration(time.Minute), "the service restarts a CodeDeploy agent that has been dead, or not polling, for so long, while nothing is in flight; without it: never", func(c *CodeDeployAgent) *time.Duration { return &c.RestartAfter }),
)

var hostShape = object(also(map[string]string{"events": "default_events", "defaults": "default_events", "logs": "log", "logging": "log", "policies": "policy",
	"agent": "codedeploy_agent", "codedeploy": "codedeploy_agent", "restart_after": "codedeploy_agent: {restart_after: …}", "execution": "executor", "runner": "executor"}),
	key("guard", guardShape, "what of Auto Scaling is held still during a deployment", func(h *Host) *guard.Settings { return &h.Guard }),
	key("policy", policyShape, "bounds on what a revision may ask", func(h *Host) *Policy { return &h.Policy }),
	key("default_events", eventsShape, "the steps of each event that a revision's wingman.yml does not name", func(h *Host) *map[lifecycle.Event][]Step { return &h.DefaultEvents }),
	key("executor", oneOf(Service, Inline), "which process runs an event's steps: one that the service starts and that outlives it, or the hook's own", func(h *Host) *Executor { return &h.Executor }).by(Service),
	key("codedeploy_agent", codeDeployShape, "what the service does about the CodeDeploy agent", func(h *Host) *CodeDeployAgent { return &h.CodeDeploy }),
	key("log", logShape, "bounds on logs and records", func(h *Host) *Log { return &h.Log }),
)

// ParseHost reads a host.yml; file is for messages. An empty file is fine. The error is a problem.List.
func ParseHost(data []byte, file string) (Host, error) {
	d := &decoder{file: file, host: true}
	h := DefaultHost()
	h.File = file
	parse(d, data, hostShape, &h)
	if err := d.problems.Err(); err != nil {
		d.problems.Sort()
		return Host{}, err
	}
	return h, nil
}

// EnvironmentName is the file beside host.yml from which systemd gives the service its environment.
const EnvironmentName = "environment"

// LoadHost reads the host's settings; where there are none the defaults hold. Settings that others on this host may
// change are refused, and so is the service's environment beside them.
func LoadHost(path string) (Host, error) {
	open := append(trust.Settings(path), trust.Settings(filepath.Join(filepath.Dir(path), EnvironmentName))...)
	if err := once(open).Err(); err != nil {
		return Host{}, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return DefaultHost(), nil
	}
	if err != nil {
		return Host{}, fmt.Errorf("cannot read the host's settings: %w", err)
	}
	return ParseHost(data, path)
}
