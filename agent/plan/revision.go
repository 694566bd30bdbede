package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/problem"
	"github.com/codedeploy-wingman/wingman/agent/regular"
	"github.com/codedeploy-wingman/wingman/agent/trust"
)

// RevisionName is the file in a revision that says what its events do.
const RevisionName = "wingman.yml"

var versionShape = shape[int]{schema{"const": 1}, func(d *decoder, n *yaml.Node, into *int) {
	n = real(n)
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!int" && n.Value == "1":
		*into = 1
	case n.Kind == yaml.ScalarNode && n.Tag == "!!int":
		d.refuse(n, "version", "install a newer wingman, or write version: 1", "version %s: this wingman reads version 1", n.Value)
	default:
		d.wrong(n, "the number 1")
	}
}}

// eventsShape is a mapping of lifecycle events that take hooks to their steps.
var eventsShape = func() shape[map[lifecycle.Event][]Step] {
	var fields []field[map[lifecycle.Event][]Step]
	for _, e := range lifecycle.Hookable() {
		fields = append(fields, field[map[lifecycle.Event][]Step]{name: string(e), doc: "the steps of " + string(e), schema: stepsShape.schema,
			read: func(d *decoder, n *yaml.Node, into *map[lifecycle.Event][]Step) {
				var steps []Step
				stepsShape.read(d, n, &steps)
				(*into)[e] = steps
			}})
	}
	s := object(func(name string) (string, string) {
		e := lifecycle.Event(name)
		if e.Known() {
			return name + " is CodeDeploy's own lifecycle event: it takes no steps", "use one of " + hookable()
		}
		if _, err := lifecycle.Find(name); err != nil {
			return err.Error(), nearEvent(name)
		}
		return "", ""
	}, fields...)
	return shape[map[lifecycle.Event][]Step]{s.schema, func(d *decoder, n *yaml.Node, into *map[lifecycle.Event][]Step) {
		*into = map[lifecycle.Event][]Step{}
		s.read(d, n, into)
	}}
}()

func hookable() string { return words(eventNames()) }

func eventNames() []string {
	var names []string
	for _, e := range lifecycle.Hookable() {
		names = append(names, string(e))
	}
	return names
}

// nearEvent names the event that was probably meant.
func nearEvent(name string) string {
	if near := problem.Nearest(name, eventNames()); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

var revisionShape = object(also(map[string]string{"hooks": "events", "steps": "events", "environment": "env", "on_error": "on_failure", "finally": "always", "secrets": "redact", "mask": "redact"}),
	key("version", versionShape, "of this file's form", func(*Revision) *int { return new(int) }).must(),
	key("env", environment, "variables for all steps, and for ${NAME}", func(r *Revision) *map[string]string { return &r.Env }),
	key("redact", list(variableName), "variables whose values appear in no log, record or output", func(r *Revision) *[]string { return &r.Redact }),
	key("events", eventsShape, "what each lifecycle event does; one that is not named takes its steps from host.yml, else does nothing", func(r *Revision) *map[lifecycle.Event][]Step { return &r.Events }),
	key("on_failure", stepsShape, "once per deployment and instance, when an event failed here", func(r *Revision) *[]Step { return &r.OnFailure }),
	key("always", stepsShape, "after the last event, or after on_failure", func(r *Revision) *[]Step { return &r.Always }),
)

// ParseRevision reads a wingman.yml; file is for messages. The error is a problem.List with all that is wrong.
func ParseRevision(data []byte, file string) (Revision, error) {
	d := &decoder{file: file}
	r := Revision{File: file}
	if !parse(d, data, revisionShape, &r) && len(d.problems) == 0 {
		d.refuse(&yaml.Node{Line: 1, Column: 1}, "empty", "version: 1\nevents: {}", "the file is empty")
	}
	d.known(r.Env)
	if _, err := resolve(r.Env, func(string) (string, bool) { return "", true }); err != nil {
		d.refuse(&yaml.Node{Line: 1}, "env-cycle", "", "env: %s", err)
	}
	if err := d.problems.Err(); err != nil {
		d.problems.Sort()
		return Revision{}, err
	}
	return r, nil
}

// revisionMost bounds a wingman.yml: the service reads those of other users.
const revisionMost = 4 << 20

// LoadRevision reads dir's wingman.yml. A revision without one is fine: all its events take their defaults.
func LoadRevision(dir string) (Revision, error) {
	file := filepath.Join(dir, RevisionName)
	data, err := regular.Read(file, revisionMost)
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := os.Stat(filepath.Join(dir, "wingman.yaml")); e == nil {
			return Revision{}, problem.List{{Position: problem.Position{File: filepath.Join(dir, "wingman.yaml")}, Severity: problem.Error, Rule: "file-name",
				Message: "the file is named wingman.yml", Hint: "mv wingman.yaml wingman.yml"}}
		}
		return Revision{}, nil
	}
	if err != nil {
		return Revision{}, fmt.Errorf("cannot read the revision: %w", err)
	}
	return ParseRevision(data, file)
}

// All gives every step of the revision.
func (r Revision) All() []Step {
	var out []Step
	for _, e := range lifecycle.Hookable() {
		out = append(out, r.Events[e]...)
	}
	return append(append(out, r.OnFailure...), r.Always...)
}

// CheckFiles looks whether the scripts of the steps are there; those whose path depends on a ${NAME} are passed over.
func CheckFiles(dir string, steps []Step) problem.List {
	var out problem.List
	for _, s := range steps {
		if s.Script == "" || strings.Contains(s.Script, "$") {
			continue
		}
		info, err := os.Stat(s.Path(dir))
		p := problem.Problem{Position: s.Position, Severity: problem.Error}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			p.Rule, p.Message, p.Hint = "script-missing", "the script "+s.Script+" is not in the revision", nearFile(dir, s.Script)
			if s.Path("") == s.Path(dir) { // absolute: host.yml's
				p.Message, p.Hint = "the script "+s.Script+" is not on this host", ""
			}
		case err != nil:
			p.Rule, p.Message = "script-unreadable", err.Error()
		case info.IsDir():
			p.Rule, p.Message, p.Hint = "script-is-folder", s.Script+" is a folder, not a script", "name the script in it"
		case !info.Mode().IsRegular():
			p.Rule, p.Message = "script-not-a-file", s.Script+" is not a regular file"
		default:
			continue
		}
		out = append(out, p)
	}
	return out
}

// CheckTrust looks whether others on this host may change what the revision in dir would have wingman do: its wingman.yml,
// the scripts of the steps, and the folders on the way to them. Package trust says what is refused, and what only noted.
func CheckTrust(dir string, steps []Step) problem.List {
	file := filepath.Join(dir, RevisionName)
	out := trust.Run(file, RevisionName, dir, problem.Position{File: file})
	looked := map[string]bool{}
	for _, s := range steps {
		if path := s.Path(dir); s.Script != "" && !strings.Contains(s.Script, "$") && !looked[path] {
			looked[path] = true
			out = append(out, trust.Run(path, "the script "+s.Script, dir, s.Position)...)
		}
	}
	return once(out)
}

// once says each open folder once, however many scripts lie below it: one chmod mends it.
func once(found problem.List) problem.List {
	said := map[string]bool{}
	var out problem.List
	for _, p := range found {
		if !said[p.Hint] {
			said[p.Hint], out = true, append(out, p)
		}
	}
	return out
}

// Path gives the file of a script, in the revision's folder dir unless host.yml names one of the host.
func (s Step) Path(dir string) string {
	name := filepath.FromSlash(s.Script)
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

func stem(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) }

// nearFile names the file beside a missing one that was probably meant.
func nearFile(dir, location string) string {
	folder := filepath.Dir(filepath.Join(dir, filepath.FromSlash(location)))
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "paths are relative to the folder that holds appspec.yml: " + dir
	}
	var stems []string // an extension alone makes nothing alike
	files := map[string]string{}
	for _, e := range entries {
		s := stem(e.Name())
		stems, files[s] = append(stems, s), e.Name()
	}
	if near := problem.Nearest(stem(filepath.Base(location)), stems); near != "" {
		return "did you mean " + filepath.ToSlash(filepath.Join(filepath.Dir(location), files[near])) + "?"
	}
	return "paths are relative to the folder that holds appspec.yml: " + dir
}
