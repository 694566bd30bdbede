package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/proc"
)

// Verdict is an answer to "does it work?".
type Verdict string

// The verdicts. Inconclusive means that nobody could tell; it has not passed.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
)

// Observation is the answer of one try. Reason is one line of printable UTF-8, for a person at night; Detail is more of
// the body or the output, several lines perhaps.
type Observation struct {
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason"`
	Detail  string  `json:"detail,omitempty"`
}

// Checker asks once. It returns soon after ctx is done, and then never with Pass. It is used by one goroutine at a time.
type Checker interface {
	Check(ctx context.Context) Observation
}

// runner is proc.Run.
type runner func(context.Context, proc.Spec) proc.Ending

// New makes the checker that s describes, or says what is wrong with s. Commands run in dir with env, which is the whole
// environment.
func New(s Settings, env []string, dir string) (Checker, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	timeout := s.Timing.WithDefaults().Timeout
	switch {
	case s.HTTP != nil:
		return newHTTP(*s.HTTP, timeout)
	case s.TCP != nil:
		return newTCP(*s.TCP, timeout)
	case s.Command != nil:
		return newCommand(*s.Command, env, dir, timeout)
	case s.Systemd != nil:
		return newSystemd(*s.Systemd, env, timeout)
	default:
		return newBuild(*s.Build, timeout)
	}
}

// validate looks at what all kinds have in common.
func (s Settings) validate() error {
	switch kinds := s.kinds(); len(kinds) {
	case 0:
		return errors.New("a check needs one of http, tcp, command, systemd, build")
	case 1:
	default:
		return fmt.Errorf("a check is of one kind, not %s at once", strings.Join(kinds, " and "))
	}
	t := s.Timing
	switch {
	case t.StartupTimeout < 0:
		return errors.New("startup_timeout is negative")
	case t.SuccessThreshold < 0:
		return errors.New("success_threshold is negative")
	case t.FailureThreshold < 0:
		return errors.New("failure_threshold is negative")
	case t.Interval < 0:
		return errors.New("interval is negative")
	case t.Timeout < 0:
		return errors.New("timeout is negative")
	case t.BakeTime < 0:
		return errors.New("bake_time is negative")
	}
	return nil
}

func (s Settings) kinds() (kinds []string) {
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"http", s.HTTP != nil},
		{"tcp", s.TCP != nil},
		{"command", s.Command != nil},
		{"systemd", s.Systemd != nil},
		{"build", s.Build != nil},
	} {
		if k.set {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

// Kind is the key of wingman.yml that the check was written with; "" where there is none.
func (s Settings) Kind() string {
	if kinds := s.kinds(); len(kinds) > 0 {
		return kinds[0]
	}
	return ""
}

// Target is what is asked, for display after Kind: a URL without its password, host:port, a command line, a unit.
func (s Settings) Target() string {
	switch {
	case s.HTTP != nil:
		return redacted(s.HTTP.URL)
	case s.TCP != nil:
		return oneLine(s.TCP.Address, maxLine)
	case s.Command != nil:
		return commandLine(s.Command.Argv)
	case s.Systemd != nil:
		return oneLine(s.Systemd.Unit, maxLine)
	case s.Build != nil:
		return redacted(s.Build.URL)
	}
	return ""
}

// redacted is raw without the password in it; a URL that does not parse is shown up to its scheme only where it might hold one.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case err == nil:
		return oneLine(u.Redacted(), maxLine)
	case strings.Contains(raw, "@"):
		return "(a URL that cannot be parsed)"
	}
	return oneLine(raw, maxLine)
}

// commandLine shows argv with quotes where a shell would want them.
func commandLine(argv []string) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = a
		if a == "" || strings.ContainsAny(a, " \t\n\"'\\$`*?;&|<>()") {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return oneLine(strings.Join(words, " "), maxLine)
}

// parseURL takes an http or https URL; kind names the check in the error.
func parseURL(kind, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		var why *url.Error
		if errors.As(err, &why) {
			err = why.Err // the URL may hold a password
		}
		return nil, fmt.Errorf("%s: cannot parse the url: %w", kind, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%s: the url %q must begin with http:// or https://", kind, redacted(raw))
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("%s: the url %q names no host", kind, redacted(raw))
	}
	return u, nil
}

// hostPort is where a connection for u goes.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}
