package plan

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// Request is all that a plan is made from.
type Request struct {
	Event      lifecycle.Event
	Dir        string // the revision's folder
	Deployment lifecycle.Deployment
	Revision   Revision
	Host       Host
	Budget     time.Duration // for all steps, before the host's bound
	BudgetFrom string        // whose word that is, for messages
	CallerUID  int
	IsRoot     func(user string) bool // whether that user is root by another name; nil: only the names root and 0 are
}

// BuiltIn is the Source of a plan that neither wingman.yml nor host.yml says anything about.
const BuiltIn = "the built-in default"

// Make decides what the event does here. The error is a problem.List: a value that is not known, or what the host's
// policy forbids.
func Make(r Request) (Plan, error) {
	p := Plan{Event: r.Event, Revision: r.Dir, Source: BuiltIn, Redact: r.Revision.Redact, Log: r.Host.Log, Budget: r.Budget, BudgetFrom: r.BudgetFrom}
	if most := r.Host.Policy.MaxTimeout; most > 0 && p.Budget > most {
		p.Budget, p.BudgetFrom = most, "max_timeout in "+r.Host.File
	}
	steps, named := r.Revision.Events[r.Event]
	switch fromHost, ok := r.Host.DefaultEvents[r.Event]; {
	case named:
		p.Source = r.Revision.File
	case ok:
		steps, p.Source = fromHost, "default_events in "+r.Host.File
	}
	m := maker{Request: r, given: r.Deployment.Variables(r.Event)}
	var err error
	if p.Env, err = resolve(r.Revision.Env, m.event); err != nil {
		return Plan{}, problem.List{{Position: problem.Position{File: r.Revision.File}, Severity: problem.Error, Rule: "env", Message: "env: " + err.Error()}}
	}
	m.env = p.Env
	p.Steps, p.OnFailure, p.Always = m.steps(r.held(steps)), m.steps(r.Revision.OnFailure), m.steps(r.Revision.Always)
	if err := m.problems.Err(); err != nil {
		return Plan{}, err
	}
	return p, nil
}

// held puts the guard before an event's steps, in the events that host.yml's guard section means, unless a step of the
// event does it: what must be true today is the host's matter, since block-traffic events run the old revision.
func (r Request) held(steps []Step) []Step {
	if r.Host.Guard.Mode == guard.Disabled || r.Host.Guard.Mode == "" || !slices.Contains(r.Host.Guard.Events(), r.Event) || slices.ContainsFunc(steps, func(s Step) bool { return s.Suspend != nil }) {
		return steps
	}
	return append([]Step{{Suspend: &Suspend{Default: true}, Retry: Retry{Attempts: 1}}}, steps...)
}

// All gives every step of the plan.
func (p Plan) All() []Step {
	return append(append(append([]Step{}, p.Steps...), p.OnFailure...), p.Always...)
}

type maker struct {
	Request
	given    map[string]string // CodeDeploy's variables
	env      map[string]string
	problems problem.List
}

// event gives one of CodeDeploy's variables; by hand they are empty.
func (m *maker) event(name string) (string, bool) { return m.given[name], eventVariable(name) }

func (m *maker) steps(in []Step) []Step {
	var out []Step
	for _, s := range in {
		out = append(out, m.step(s))
	}
	numberNames(out)
	return out
}

// numberNames tells steps of one name apart: the second "curl" is "curl (2)".
func numberNames(steps []Step) {
	taken := map[string]bool{}
	for i, s := range steps {
		name := s.Name
		for k := 2; taken[name]; k++ {
			name = s.Name + " (" + strconv.Itoa(k) + ")"
		}
		taken[name] = true
		steps[i].Name = name
	}
}

// step puts values for the variables of one step and holds it against the policy.
func (m *maker) step(s Step) Step {
	env, err := resolve(s.Env, m.value)
	if err != nil {
		m.refuse(s, err)
		return s
	}
	done, err := mapStep(s, func(text string) (string, error) {
		return expand(text, func(name string) (string, error) {
			if v, ok := env[name]; ok {
				return v, nil
			}
			if v, ok := m.value(name); ok {
				return v, nil
			}
			return "", unknown(name)
		})
	})
	if err != nil {
		m.refuse(s, err)
		return s
	}
	if s.Env != nil {
		done.Env = env
	}
	if done.Name == "" {
		done.Name = done.defaultName()
	}
	m.sound(s, done)
	m.policy(done)
	return done
}

func (m *maker) value(name string) (string, bool) {
	if v, ok := m.env[name]; ok {
		return v, true
	}
	return m.event(name)
}

// sound looks at a step once its values are known; raw is the step as it was written.
func (m *maker) sound(raw, s Step) {
	clean := path.Clean(s.Script)
	switch {
	case raw.Script != "" && s.Script == "":
		m.problem(s, "script-missing", "", "step %q: %s gives no path", s.Name, raw.Script)
	case strings.Contains(raw.Script, "$") && (path.IsAbs(clean) && s.File != m.Host.File || clean == ".." || strings.HasPrefix(clean, "../")):
		m.problem(s, "script-outside", "", "the script %s is not in the revision", s.Script)
	case s.Check != nil && s.Check.Build != nil && s.Check.Build.Equals+s.Check.Build.Contains == "":
		m.problem(s, "no-build", "by hand: DEPLOYMENT_ID=d-… wingman …", "check %q: there is no build to compare with: %s%s is empty here", s.Name, raw.Check.Build.Equals, raw.Check.Build.Contains)
	case s.Check != nil:
		if err := sound(*s.Check); err != nil {
			m.problem(s, "check", "", "check %q: %s", s.Name, err)
		}
	}
}

// policy holds a step against what the host allows.
func (m *maker) policy(s Step) {
	p := m.Host.Policy
	if s.Suspend != nil && len(p.Processes) > 0 {
		for _, one := range s.Suspend.Processes {
			if !slices.Contains(p.Processes, one) {
				m.problem(s, "policy-processes", "", "step %q would suspend %s: processes in %s does not allow it", s.Name, one, m.Host.File)
			}
		}
	}
	if p.AllowRoot && len(p.Users) == 0 {
		return
	}
	user := s.User
	if s.Check != nil && s.Check.Command != nil {
		user = s.Check.Command.User
	}
	ran := s.Script != "" || len(s.Command) > 0 || s.Check != nil && s.Check.Command != nil
	root := user == "root" || user == "0" || user == "" && m.CallerUID == 0 || user != "" && m.IsRoot != nil && m.IsRoot(user)
	switch {
	case !ran:
	case root && !p.AllowRoot:
		hint := "user: app"
		if len(p.Users) > 0 {
			hint = "user: " + p.Users[0]
		}
		m.problem(s, "policy-root", hint, "step %q would run as root: allow_root in %s forbids it", s.Name, m.Host.File)
	case user != "" && !root && len(p.Users) > 0 && !contains(p.Users, user):
		m.problem(s, "policy-user", "", "step %q would run as %s: users in %s allows %s", s.Name, user, m.Host.File, words(p.Users))
	}
}

func (m *maker) refuse(s Step, err error) {
	if s.Name == "" {
		s.Name = s.defaultName()
	}
	var u unknown
	if errors.As(err, &u) {
		m.problems = append(m.problems, unknownVariable(string(u), s.Position, m.env))
		return
	}
	m.problem(s, "env", "", "step %q: %s", s.Name, err)
}

func (m *maker) problem(s Step, rule, hint, format string, args ...any) {
	m.problems = append(m.problems, problem.Problem{Position: s.Position, Severity: problem.Error, Rule: rule, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

func contains(all []string, one string) bool {
	for _, a := range all {
		if a == one {
			return true
		}
	}
	return false
}
