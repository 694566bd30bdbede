// Package lint looks at a revision before a deployment does: both files, and whether what they name is there and can run.
package lint

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/codedeploy-wingman/wingman/agent/appspec"
	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/plan"
	"github.com/codedeploy-wingman/wingman/agent/problem"
	"github.com/codedeploy-wingman/wingman/agent/trust"
)

// Revision gives all that is wrong with the revision in dir, sorted by place.
func Revision(dir string) problem.List {
	var found problem.List
	spec, err := appspec.Load(dir)
	found = append(found, spec.Warnings...)
	found = append(found, problems(err)...)
	rev, revErr := plan.LoadRevision(dir)
	found = append(found, problems(revErr)...)
	if revErr == nil {
		found = append(found, plan.CheckFiles(dir, rev.All())...)
		found = append(found, modes(dir, rev)...)
	}
	if err == nil {
		found = append(found, hooks(dir, spec)...)
		found = append(found, files(dir, spec)...)
		if revErr == nil {
			found = append(found, together(spec, rev)...)
		}
	}
	found = append(found, steps(dir, rev)...)
	found = append(found, processes(rev)...)
	found.Sort()
	return once(found)
}

// once leaves out what is said already: a script that several events name is looked at for each.
func once(found problem.List) problem.List {
	said := map[problem.Problem]bool{}
	var out problem.List
	for _, p := range found {
		same := p
		if p.Rule == "script-not-executable" {
			same.Position = problem.Position{}
		}
		if !said[same] {
			said[same], out = true, append(out, p)
		}
	}
	return out
}

// problems turns an error into problems; the parsers' errors are lists already.
func problems(err error) problem.List {
	var l problem.List
	switch {
	case err == nil:
		return nil
	case errors.As(err, &l):
		return l
	}
	return problem.List{{Severity: problem.Error, Rule: "unreadable", Message: err.Error()}}
}

// modes looks at what others may write in the revision: a bundle that keeps modes takes that to the host, where wingman
// refuses it. What lies above the revision is this machine's own matter. One chmod mends all, so it is said once.
func modes(dir string, rev plan.Revision) problem.List {
	for _, s := range rev.All() {
		if s.Script == "" || strings.Contains(s.Script, "$") {
			continue
		}
		if open := trust.Carried(dir, s.Script); open != "" {
			return problem.List{{Position: s.Position, Severity: problem.Warning, Rule: trust.Bundle, Hint: "chmod -R go-w .",
				Message: "others may write in " + open + ": a bundle that keeps modes (tar) is refused on the host, since root would run what anybody puts there"}}
		}
	}
	return nil
}

// hooks looks at each script that appspec.yml names.
func hooks(dir string, spec appspec.Spec) problem.List {
	var out problem.List
	for _, list := range spec.Hooks {
		for _, h := range list {
			out = append(out, script(dir, h.Location, h.Position)...)
		}
	}
	return out
}

// files looks whether each source of appspec.yml's files is in the revision.
func files(dir string, spec appspec.Spec) problem.List {
	var out problem.List
	for _, f := range spec.Files {
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(f.Source))); errors.Is(err, fs.ErrNotExist) {
			out = append(out, problem.Problem{Position: f.Position, Severity: problem.Error, Rule: "file-missing",
				Message: "files: the source " + f.Source + " is not in the revision", Hint: "build it before the bundle is made, or take the entry out"})
		}
	}
	return out
}

// steps looks into the scripts that wingman.yml names; that they are there is plan.CheckFiles' matter.
func steps(dir string, rev plan.Revision) problem.List {
	var out problem.List
	for _, s := range rev.All() {
		if s.Script == "" {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(s.Script))); err == nil && !info.IsDir() {
			out = append(out, script(dir, s.Script, s.Position)...)
		}
	}
	return out
}

// processes looks at what steps suspend: not all that may be suspended is a help (docs/guard.md has the measurements).
func processes(rev plan.Revision) problem.List {
	var out problem.List
	for _, s := range rev.All() {
		if s.Suspend == nil {
			continue
		}
		set := s.Suspend.Processes
		warn := func(rule, message, hint string) {
			out = append(out, problem.Problem{Position: s.Position, Severity: problem.Warning, Rule: rule, Message: message, Hint: hint})
		}
		if slices.Contains(set, guard.Launch) {
			warn("suspends-launch", "suspend_processes names Launch: nothing is launched until it is resumed, and a blue/green deployment whose replacement needs instances cannot end", "take Launch out")
		}
		if slices.Contains(set, guard.Terminate) && !slices.Contains(set, guard.AZRebalance) {
			warn("terminate-alone", "suspend_processes names Terminate without AZRebalance: the group may grow up to a tenth over its maximum, and stay so", "add AZRebalance")
		}
	}
	return out
}

// together looks whether what wingman.yml plans is ever called by appspec.yml, and whether a ValidateService that
// calls wingman proves anything.
func together(spec appspec.Spec, rev plan.Revision) problem.List {
	var out problem.List
	if h, ours := called(spec, lifecycle.ValidateService); ours && rev.Events[lifecycle.ValidateService] == nil {
		out = append(out, problem.Problem{Position: h.Position, Severity: problem.Warning, Rule: "validate-proves-nothing",
			Message: "wingman.yml has no steps for ValidateService: unless the host's host.yml has some, it proves nothing",
			Hint:    "events:\n  ValidateService:\n    - check: {http: \"http://127.0.0.1:8080/healthz\"}"})
	}
	for event, list := range rev.Events {
		if _, ours := called(spec, event); ours || len(list) == 0 {
			continue
		}
		out = append(out, problem.Problem{Position: list[0].Position, Severity: problem.Warning, Rule: "event-never-called",
			Message: "appspec.yml does not call wingman in " + string(event) + ": these steps never run",
			Hint:    "hooks:\n  " + string(event) + ":\n    - location: hooks/wingman.sh"})
	}
	return out
}

// called gives wingman's own entry for an event.
func called(spec appspec.Spec, event lifecycle.Event) (appspec.Hook, bool) {
	for _, h := range spec.Hooks[string(event)] {
		if base := path.Base(h.Location); base == "wingman.sh" || base == "wingman.ps1" {
			return h, true
		}
	}
	return appspec.Hook{}, false
}

// script looks whether one script is there and can run.
func script(dir, location string, at problem.Position) problem.List {
	one := func(s problem.Severity, rule, message, hint string) problem.List {
		return problem.List{{Position: at, Severity: s, Rule: rule, Message: message, Hint: hint}}
	}
	file := filepath.Join(dir, filepath.FromSlash(location))
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return one(problem.Error, "script-missing", "the script "+location+" is not in the revision", "paths are relative to the folder that holds appspec.yml, and take no arguments")
	case err != nil:
		return one(problem.Error, "script-unreadable", err.Error(), "")
	case info.IsDir():
		return one(problem.Error, "script-is-folder", location+" is a folder, not a script", "name the script in it")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return one(problem.Error, "script-unreadable", err.Error(), "")
	}
	var out problem.List
	if info.Mode()&0o111 == 0 && !strings.HasSuffix(location, ".ps1") {
		out = append(out, one(problem.Warning, "script-not-executable", location+" is not executable; the CodeDeploy agent and wingman make it so at each run", "git update-index --chmod=+x "+location)...)
	}
	return append(out, text(file, data, at)...)
}

// text looks at what stands in a script: its #! line, and its syntax where it is the shell's.
func text(file string, data []byte, at problem.Position) problem.List {
	first, _, _ := bytes.Cut(data, []byte("\n"))
	if bytes.HasPrefix(data, []byte("\x7fELF")) || strings.HasSuffix(file, ".ps1") {
		return nil
	}
	if !bytes.HasPrefix(first, []byte("#!")) {
		if len(bytes.TrimSpace(data)) == 0 || bytes.IndexByte(data, 0) >= 0 {
			return nil
		}
		return problem.List{{Position: problem.Position{File: file, Line: 1, Column: 1}, Severity: problem.Warning, Rule: "no-interpreter", Message: "no #! line: it is run by /bin/sh", Hint: "#!/bin/sh"}}
	}
	if bytes.HasSuffix(first, []byte("\r")) {
		return problem.List{{Position: problem.Position{File: file, Line: 1, Column: len(first)}, Severity: problem.Error, Rule: "crlf",
			Message: "DOS line ends: the system looks for an interpreter named " + string(bytes.TrimSpace(first[2:])) + "\\r and the script cannot start", Hint: "sed -i 's/\\r$//' " + file}}
	}
	return shell(file, string(first), data)
}

// shell parses a script whose #! line names a POSIX shell or bash.
func shell(file, first string, data []byte) problem.List {
	var lang syntax.LangVariant
	switch interpreter(first) {
	case "sh", "dash", "ash":
		lang = syntax.LangPOSIX
	case "bash":
		lang = syntax.LangBash
	default:
		return nil
	}
	_, err := syntax.NewParser(syntax.Variant(lang)).Parse(bytes.NewReader(data), file)
	var pe syntax.ParseError
	var le syntax.LangError
	switch {
	case errors.As(err, &pe):
		return problem.List{{Position: problem.Position{File: file, Line: int(pe.Pos.Line()), Column: int(pe.Pos.Col())}, Severity: problem.Error, Rule: "shell-syntax", Message: pe.Text, Hint: "check with: " + interpreter(first) + " -n " + file}}
	case errors.As(err, &le): // bash's own syntax under #!/bin/sh: works where sh is bash, not where it is dash
		return problem.List{{Position: problem.Position{File: file, Line: int(le.Pos.Line()), Column: int(le.Pos.Col())}, Severity: problem.Warning, Rule: "not-posix-shell", Message: le.Feature + " is not in POSIX shell", Hint: "#!/bin/bash, or write it as POSIX sh"}}
	}
	return nil
}

// interpreter gives the program of a #! line, also behind env.
func interpreter(first string) string {
	words := strings.Fields(strings.TrimPrefix(first, "#!"))
	for i, w := range words {
		base := path.Base(w)
		if i == 0 && base == "env" || i > 0 && strings.HasPrefix(w, "-") {
			continue
		}
		return base
	}
	return ""
}
