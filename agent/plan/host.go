package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// DefaultHost is what holds where host.yml is missing or does not say.
func DefaultHost() Host {
	return Host{Policy: Policy{AllowRoot: true, MaxTimeout: time.Hour}, Log: Log{MaxSize: 64 << 20, Keep: 20}}
}

var policyShape = object(also(map[string]string{"root": "allow_root", "timeout": "max_timeout", "user": "users"}),
	key("users", list(text), "the users beside root that a step may name; empty: any", func(p *Policy) *[]string { return &p.Users }),
	key("allow_root", truth, "a step may run as root", func(p *Policy) *bool { return &p.AllowRoot }).by(true),
	key("max_timeout", duration(time.Second), "the most that an event or a step gets", func(p *Policy) *time.Duration { return &p.MaxTimeout }).by("1h"),
)

var logShape = object(also(map[string]string{"size": "max_size", "max": "max_size", "limit": "max_size"}),
	key("max_size", size(64<<10), "of one run's full log; its beginning and its end are kept", func(l *Log) *int64 { return &l.MaxSize }).by("64MiB"),
	key("keep", number(1, 10000), "deployments whose logs and records are kept", func(l *Log) *int { return &l.Keep }).by(20),
)

var hostShape = object(also(map[string]string{"events": "default_events", "defaults": "default_events", "logs": "log", "logging": "log", "policies": "policy"}),
	key("policy", policyShape, "bounds on what a revision may ask", func(h *Host) *Policy { return &h.Policy }),
	key("default_events", eventsShape, "the steps of each event that a revision's wingman.yml does not name", func(h *Host) *map[lifecycle.Event][]Step { return &h.DefaultEvents }),
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

// LoadHost reads the host's settings; where there are none the defaults hold.
func LoadHost(path string) (Host, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return DefaultHost(), nil
	}
	if err != nil {
		return Host{}, fmt.Errorf("cannot read the host's settings: %w", err)
	}
	return ParseHost(data, path)
}
