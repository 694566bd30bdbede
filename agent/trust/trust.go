// Package trust says whether others on this host may put something else in the place of a file that wingman reads or
// runs: root runs what a revision and host.yml say, so who may write there may do what root may.
//
// The rule. A folder on the way to the file, from / on and through every link, counts as open if
//
//   - others may write in it and it is not sticky (in /tmp and its like nobody removes what is another's), and they may
//     pass all that lies above it (what is in /root they do not reach);
//   - or, where root runs wingman, its group may write in it, and that group is neither root's nor its owner's own (the
//     primary group of the folder's owner: with a umask of 002 every folder of a user is so; a checkout in CI is, too).
//
// Who owns a folder does not count: a developer runs a checkout of their own, CI one of another uid. Where the owner is
// no user of this host (a bundle keeps the numbers of the machine that built it), its group is not judged. Access lists
// beyond the mode are not looked at. A file that others may write is as open as a folder: for settings that is refused;
// for a script it is only said, since zip bundles often carry such modes and a deployment would fail for nothing.
//
// On Windows nothing is looked at: a mode says nothing there.
package trust

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// The rules' names.
const (
	Others = "others-may-write"
	Group  = "group-may-write"
	Bundle = "bundle-may-be-written" // by whomever, a folder that came with the revision
	Script = "script-may-be-written" // by others
)

// links is how many links the kernel follows on one way (path_resolution(7)).
const links = 40

// open is a folder or file that others may change.
type open struct {
	path string
	rule string // Others or Group
}

func (o open) cure() string {
	if o.rule == Group {
		return "chmod g-w " + quoted(o.path)
	}
	return "chmod o-w " + quoted(o.path)
}

func (o open) who() string {
	if o.rule == Group {
		return "a group that is not its owner's"
	}
	return "others"
}

// quoted is a path as a shell wants it.
func quoted(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%=,") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// Settings refuses a file of settings that others may change, itself or by a folder on the way. A file that is not there
// is fine. The problem stands at what is open.
func Settings(file string) problem.List {
	found, self := way(file)
	if self != nil {
		found = append(found, *self)
	}
	var out problem.List
	for _, o := range found {
		what := "the folder of " + file + " lies open"
		if self != nil && o == *self {
			what = "these settings lie open"
		}
		out = append(out, problem.Problem{Position: problem.Position{File: o.path}, Severity: problem.Error, Rule: o.rule,
			Message: fmt.Sprintf("%s: %s may write here, and so decide what wingman does", what, o.who()), Hint: o.cure()})
	}
	return out
}

// Run refuses a file that wingman would run, or take its steps from, where others may change a folder on the way; that
// they may write the file itself is a warning. name is what to call it, at the place where it is named; revision is the
// folder that came as a bundle, which has its modes from where it was made.
func Run(file, name, revision string, at problem.Position) problem.List {
	found, self := way(file)
	if whole, err := filepath.EvalSymlinks(revision); err == nil {
		revision = whole
	}
	var out problem.List
	for _, o := range found {
		p := problem.Problem{Position: at, Severity: problem.Error, Rule: o.rule, Hint: o.cure(),
			Message: fmt.Sprintf("%s is not safe to run: %s may write in %s, and so put something else in its place", name, o.who(), o.path)}
		if in, err := filepath.Rel(revision, o.path); err == nil && filepath.IsLocal(in) {
			p.Rule, p.Hint = Bundle, p.Hint+"\nand before the bundle is made, since a tar file keeps its modes: chmod -R go-w ."
		}
		out = append(out, p)
	}
	if self != nil && self.rule == Others {
		out = append(out, problem.Problem{Position: at, Severity: problem.Warning, Rule: Script,
			Message: fmt.Sprintf("others may write %s", name), Hint: self.cure()})
	}
	return out
}

// Carried gives the first folder from the revision on, on the way to a script in it, that others may write in wherever it
// is unpacked; "" where none is. The script is named by its path in the revision.
func Carried(revision, script string) string {
	at := revision
	for _, next := range parts(filepath.Clean(filepath.FromSlash(script))) {
		info, err := os.Stat(at)
		if err != nil || !judged {
			return ""
		}
		if info.IsDir() && opened(info, 0o001) == Others {
			return at
		}
		at = filepath.Join(at, next)
	}
	return ""
}

// way walks to a file as the kernel does and gives the open folders that it passes, each once, and the file itself where
// that is open. It ends where something is missing or may not be seen: who opens the file meets that, and says it.
func way(file string) (folders []open, self *open) {
	abs, err := filepath.Abs(file)
	if err != nil || !judged {
		return nil, nil
	}
	at, todo, followed := "/", parts(abs), 0
	enter := map[string]fs.FileMode{"/": 0o011} // who may pass all that lies above: others, a group
	seen := map[string]bool{}
	for {
		info, err := os.Lstat(at)
		if err != nil {
			return folders, nil
		}
		if rule := opened(info, enter[at]); rule != "" && !seen[at] {
			seen[at] = true
			if !info.IsDir() {
				return folders, &open{at, rule}
			}
			folders = append(folders, open{at, rule})
		}
		if len(todo) == 0 || !info.IsDir() {
			return folders, nil
		}
		next := todo[0]
		todo = todo[1:]
		step := filepath.Join(at, next) // next may be ..: at has no link in it
		if _, known := enter[step]; !known {
			enter[step] = enter[at] & passes(info.Mode())
		}
		target, err := os.Readlink(step)
		if err != nil {
			at = step
			continue
		}
		if followed++; followed > links {
			return folders, nil
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		todo = append(parts(target), todo...)
	}
}

func parts(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// passes says who may go through a folder: others, and then any group, or its group only.
func passes(mode fs.FileMode) fs.FileMode {
	if mode.Perm()&0o001 != 0 {
		return 0o011
	}
	return mode.Perm() & 0o010
}

// opened gives the rule by which a folder or file is open to those who may get there; "" where it is not.
func opened(info fs.FileInfo, enter fs.FileMode) string {
	mode := info.Mode()
	switch {
	case mode&fs.ModeSymlink != 0, info.IsDir() && mode&fs.ModeSticky != 0:
		return ""
	case mode.Perm()&0o002 != 0 && enter&0o001 != 0:
		return Others
	case mode.Perm()&0o020 != 0 && enter&0o010 != 0 && foreignGroup(info):
		return Group
	}
	return ""
}
