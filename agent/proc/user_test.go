//go:build unix

package proc

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestUsersAreFoundByNameAndNumber(t *testing.T) {
	const file = "root:x:0:0::/root:/bin/bash\nbroken:x:none:0::/:\n7:x:70:70::/:\napp:x:7:8::: \nother:x:7:9::/o:/bin/sh\n"
	for name, want := range map[string]uint32{"root": 0, "0": 0, "app": 7, "7": 70, "70": 70} {
		if a := parsePasswd(file, name); a == nil || a.uid != want {
			t.Errorf("%s: %+v, want uid %d", name, a, want)
		}
	}
	if a := parsePasswd(file, "app"); a.home != "/" {
		t.Errorf("no home: %+v", a)
	}
	for _, name := range []string{"broken", "nobody-at-all"} {
		if a := parsePasswd(file, name); a != nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if !IsRoot("root") || !IsRoot("0") || IsRoot("nobody-at-all") {
		t.Error("IsRoot")
	}
	if _, err := lookup("nobody-at-all"); err == nil || !strings.Contains(err.Error(), "user nobody-at-all does not exist on this host") {
		t.Errorf("got %v", err)
	}
	var a account
	if a.gid = 5; true {
		a.addGroups([]string{"x"})
	}
	if len(a.groups) != 1 || a.groups[0] != 5 {
		t.Errorf("without groups the user's own is left: %v", a.groups)
	}
}

func TestWhoMayExecute(t *testing.T) {
	owner := fake{uid: 7, gid: 8}
	for _, c := range []struct {
		name string
		who  account
		mode fs.FileMode
		want bool
	}{
		{"root, a file without x", account{uid: 0}, 0o644, false},
		{"root, any x", account{uid: 0}, 0o001, true},
		{"root, a folder", account{uid: 0}, fs.ModeDir, true},
		{"the owner", account{uid: 7}, 0o100, true},
		{"the owner, x for others only", account{uid: 7}, 0o011, false},
		{"the group", account{uid: 1, gid: 8}, 0o010, true},
		{"the group, x for others only", account{uid: 1, gid: 8}, 0o001, false},
		{"one of several groups", account{uid: 1, gid: 2, groups: []uint32{3, 8}}, 0o010, true},
		{"another", account{uid: 1, gid: 2}, 0o001, true},
		{"another, no x for others", account{uid: 1, gid: 2}, 0o110, false},
	} {
		owner.mode = c.mode
		if got := c.who.may(owner); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// fake is a file's owner and mode.
type fake struct {
	uid, gid uint32
	mode     fs.FileMode
}

func (f fake) Name() string       { return "f" }
func (f fake) Size() int64        { return 0 }
func (f fake) Mode() fs.FileMode  { return f.mode }
func (f fake) ModTime() time.Time { return time.Time{} }
func (f fake) IsDir() bool        { return f.mode.IsDir() }
func (f fake) Sys() any           { return &syscall.Stat_t{Uid: f.uid, Gid: f.gid} }

func TestDrainReadsToTheEnd(t *testing.T) {
	r := strings.NewReader(strings.Repeat("x", 1<<20))
	DrainMain(r)
	if r.Len() != 0 {
		t.Errorf("%d bytes are left", r.Len())
	}
}

func TestAScriptThatCannotBeMadeExecutable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may make any file executable")
	}
	file := filepath.Join("/etc", "passwd")
	if e := Run(t.Context(), Spec{Argv: []string{file}, Script: true}); e.How != NotStarted {
		t.Errorf("got %+v", e)
	}
}
