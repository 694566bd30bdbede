package lint

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/problem"
)

const good = "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: a.sh\n      timeout: 60\n"

// Each rule finds what it is for, at its place; a good revision is not blamed.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string // a name that ends with * is executable
		want  []string          // rule and place of each finding
	}{
		{"a good revision", map[string]string{"appspec.yml": good, "a.sh*": "#!/bin/sh\necho\n"}, nil},
		{"with wingman", map[string]string{"appspec.yml": strings.Replace(good, "a.sh", "hooks/wingman.sh", 1), "hooks/wingman.sh*": "#!/bin/sh\n", "b.py*": "#!/usr/bin/env python3\nif\n", "c*": "\x7fELF\x00", "d.ps1": "\r\n",
			"wingman.yml": "version: 1\nevents: {AfterInstall: [{script: b.py}, {script: c}, {script: d.ps1}]}"}, nil},
		{"no appspec.yml", nil, []string{"unreadable"}},
		{"a broken appspec.yml", map[string]string{"appspec.yml": "version: 1\n"}, []string{"version appspec.yml:1"}},
		{"a broken wingman.yml", map[string]string{"appspec.yml": good, "a.sh*": "#!/bin/sh\n", "wingman.yml": "version: 1\nevnts: {}"}, []string{"unknown-key wingman.yml:2"}},
		{"a script that is not there", map[string]string{"appspec.yml": good}, []string{"script-missing appspec.yml:5"}},
		{"a step's script that is not there", map[string]string{"appspec.yml": strings.Replace(good, "a.sh", "wingman.sh", 1), "wingman.sh*": "#!/bin/sh\n", "wingman.yml": "version: 1\nevents:\n  AfterInstall:\n    - script: b.sh"}, []string{"script-missing wingman.yml:4"}},
		{"a script that is a folder", map[string]string{"appspec.yml": good, "a.sh/b": ""}, []string{"script-is-folder appspec.yml:5"}},
		{"not executable", map[string]string{"appspec.yml": good, "a.sh": "#!/bin/sh\n"}, []string{"script-not-executable appspec.yml:5"}},
		{"one script for two events, told once", map[string]string{"appspec.yml": good + "  BeforeInstall:\n    - location: a.sh\n", "a.sh": "#!/bin/sh\r\n"}, []string{"crlf a.sh:1", "script-not-executable appspec.yml:5"}},
		{"no #! line", map[string]string{"appspec.yml": good, "a.sh*": "echo\n"}, []string{"no-interpreter a.sh:1"}},
		{"DOS line ends", map[string]string{"appspec.yml": good, "a.sh*": "#!/bin/sh\r\necho\r\n"}, []string{"crlf a.sh:1"}},
		{"broken shell", map[string]string{"appspec.yml": good, "a.sh*": "#!/bin/sh\nif true; then\n"}, []string{"shell-syntax a.sh:2"}},
		{"broken bash behind env", map[string]string{"appspec.yml": good, "a.sh*": "#!/usr/bin/env -S bash\necho $(\n"}, []string{"shell-syntax a.sh:2"}},
		{"bash's own under sh", map[string]string{"appspec.yml": good, "a.sh*": "#!/bin/sh\na=(1 2)\n"}, []string{"not-posix-shell a.sh:2"}},
		{"bash's own under bash", map[string]string{"appspec.yml": good, "a.sh*": "#!/bin/bash\na=(1 2)\n"}, nil},
		{"a file that is not there", map[string]string{"appspec.yml": "version: 0.0\nos: linux\nfiles:\n  - {source: x, destination: /opt}\n"}, []string{"file-missing appspec.yml:4"}},
		{"steps that are never called", map[string]string{"appspec.yml": good, "a.sh*": "#!/bin/sh\n", "wingman.yml": "version: 1\nevents:\n  AfterInstall:\n    - command: [a]\n  BeforeInstall: []"}, []string{"event-never-called wingman.yml:4"}},
		{"a ValidateService without steps", map[string]string{"appspec.yml": strings.NewReplacer("a.sh", "wingman.sh", "AfterInstall", "ValidateService").Replace(good), "wingman.sh*": "#!/bin/sh\n"}, []string{"validate-proves-nothing appspec.yml:5"}},
		{"what is suspended", map[string]string{"appspec.yml": strings.Replace(good, "a.sh", "wingman.sh", 1), "wingman.sh*": "#!/bin/sh\n", "wingman.yml": "version: 1\nevents:\n  AfterInstall:\n    - suspend_processes: {processes: [Launch, Terminate]}\n    - suspend_processes: {processes: [Terminate, AZRebalance]}\n"}, []string{"suspends-launch wingman.yml:4", "terminate-alone wingman.yml:4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				name, executable := strings.CutSuffix(name, "*")
				mode := os.FileMode(0o644)
				if executable {
					mode = 0o755
				}
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, p := range Revision(dir) {
				at := ""
				if p.File != "" {
					rel, err := filepath.Rel(dir, p.File)
					if err != nil {
						t.Fatal(err)
					}
					p.File, p.Column = rel, 0
					at = " " + p.Position.String()
				}
				got = append(got, p.Rule+at)
				if p.Message == "" {
					t.Errorf("%s says nothing", p.Rule)
				}
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A folder that others may write in is told before a bundle carries it to a host that refuses it.
func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mode says nothing there")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"appspec.yml": good, "a.sh": "#!/bin/sh\n", "s/b.sh": "#!/bin/sh\n", "s/c.sh": "#!/bin/sh\n",
		"wingman.yml": "version: 1\nevents:\n  AfterInstall:\n    - script: s/b.sh\n    - script: s/c.sh\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (n int) {
		for _, p := range Revision(dir) {
			if p.Rule == "bundle-may-be-written" && p.Severity == problem.Warning && p.Line == 4 && p.Hint == "chmod -R go-w ." {
				n++
			}
		}
		return n
	}
	if count() != 0 {
		t.Error("blamed for nothing")
	}
	if err := os.Chmod(filepath.Join(dir, "s"), 0o777); err != nil {
		t.Fatal(err)
	}
	if count() != 1 {
		t.Errorf("%v", Revision(dir))
	}
}
