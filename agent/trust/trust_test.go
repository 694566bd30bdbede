//go:build unix

package trust

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// place makes a path under dir; a step with a slash at its end is a folder.
func place(t *testing.T, mode os.FileMode, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(path, "/") {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // past the umask
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

func TestModes(t *testing.T) {
	for _, c := range []struct {
		name     string
		mode     os.FileMode // of the folder a in a/b/file
		file     os.FileMode
		settings string // what Settings says, DIR for the test's folder; "" for nothing
		run      string // what Run says
	}{
		{"closed", 0o755, 0o644, "", ""},
		{"one's own", 0o700, 0o600, "", ""},
		{"others", 0o757, 0o644, "DIR/a: the folder of DIR/a/b/file lies open: others may write here, and so decide what wingman does\n    chmod o-w DIR/a",
			"w.yml:3: the script file is not safe to run: others may write in DIR/a, and so put something else in its place\n    chmod o-w DIR/a"},
		{"everybody", 0o777, 0o644, "DIR/a: the folder of DIR/a/b/file lies open: others may write here, and so decide what wingman does\n    chmod o-w DIR/a",
			"w.yml:3: the script file is not safe to run: others may write in DIR/a, and so put something else in its place\n    chmod o-w DIR/a"},
		{"sticky", 0o777 | os.ModeSticky, 0o644, "", ""},
		{"group", 0o775, 0o664, "", ""}, // the owner's own, or root's
		{"a zip's script", 0o755, 0o777, "DIR/a/b/file: these settings lie open: others may write here, and so decide what wingman does\n    chmod o-w DIR/a/b/file",
			"w.yml:3: warning: others may write the script file\n    chmod o-w DIR/a/b/file"},
		{"a sticky bit on a file is none", 0o755, 0o646 | os.ModeSticky, "DIR/a/b/file: these settings lie open: others may write here, and so decide what wingman does\n    chmod o-w DIR/a/b/file",
			"w.yml:3: warning: others may write the script file\n    chmod o-w DIR/a/b/file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := resolved(t)
			file := place(t, c.file, dir+"/a/b/file")
			place(t, c.mode, dir+"/a/")
			if got := strings.ReplaceAll(Settings(file).Error(), dir, "DIR"); got != c.settings {
				t.Errorf("settings: %s", got)
			}
			if got := strings.ReplaceAll(Run(file, "the script file", dir+"/other", problem.Position{File: "w.yml", Line: 3}).Error(), dir, "DIR"); got != c.run {
				t.Errorf("run: %s", got)
			}
		})
	}
}

// resolved is a scratch folder whose own way has no link; macOS' /tmp is one.
func resolved(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // as it is made, others do not get into it
		t.Fatal(err)
	}
	return dir
}

// The way leads through links: where they lie, and where they lead, both count.
func TestLinks(t *testing.T) {
	dir := resolved(t)
	place(t, 0o644, dir+"/closed/file")
	place(t, 0o644, dir+"/open/x/file")
	place(t, 0o777, dir+"/open/")
	link(t, "../open/x/file", dir+"/closed/to-open")
	link(t, dir+"/closed", dir+"/open/to-closed")
	link(t, "open/x/../../closed", dir+"/through-open")
	link(t, "loop", dir+"/loop")
	link(t, "nowhere", dir+"/dangling")
	for path, want := range map[string]string{
		"closed/file":            "",
		"closed/to-open":         "open",
		"open/to-closed/file":    "open",
		"through-open/file":      "open",
		"open/x/../../closed/.":  "", // the path as it is given is cleaned, as filepath.Abs does
		"loop/file":              "",
		"dangling":               "",
		"closed/missing/file":    "",
		"open/missing/file":      "open",
		"closed/file/not-a-path": "",
	} {
		var got []string
		folders, self := way(dir + "/" + path)
		for _, o := range folders {
			got = append(got, strings.TrimPrefix(o.path, dir+"/"))
		}
		if strings.Join(got, " ") != want || self != nil {
			t.Errorf("%s: open are %v, %v; want %q", path, got, self, want)
		}
	}
}

// Where others do not get in, a folder's mode says nothing.
func TestOutOfReach(t *testing.T) {
	for mode, open := range map[os.FileMode]bool{0o700: false, 0o750: false, 0o755: true, 0o701: true} {
		dir := resolved(t)
		file := place(t, 0o644, dir+"/a/b/c/file")
		place(t, 0o777, dir+"/a/b/c/")
		place(t, mode, dir+"/a/")
		if got := len(Settings(file)) > 0; got != open {
			t.Errorf("below %o: open %t", mode, got)
		}
		link(t, dir+"/a/b/c/../../../a/b/c/file", dir+"/l")
		if got := len(Settings(dir+"/l")) > 0; got != open {
			t.Errorf("below %o, by a link: open %t", mode, got)
		}
	}
}

// What came with the bundle is mended where that is made.
func TestBundle(t *testing.T) {
	dir := resolved(t)
	place(t, 0o644, dir+"/real/rev/hooks/a.sh")
	place(t, 0o777, dir+"/real/rev/hooks/")
	place(t, 0o777, dir+"/real/")
	link(t, "real/rev", dir+"/rev")
	got := Run(dir+"/rev/hooks/a.sh", "a.sh", dir+"/rev", problem.Position{})
	if len(got) != 2 || got[0].Rule != Others || got[1].Rule != Bundle || !strings.Contains(got[1].Hint, "\nand before the bundle is made") || strings.Contains(got[0].Hint, "bundle") {
		t.Errorf("%v", got)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	// Here nobody else gets there, but there they might.
	if got := Run(dir+"/rev/hooks/a.sh", "a.sh", dir+"/rev", problem.Position{}); len(got) != 0 {
		t.Errorf("%v", got)
	}
	for script, want := range map[string]string{"hooks/a.sh": dir + "/rev/hooks", "b.sh": "", "../x/b.sh": "", "hooks": ""} {
		if got := Carried(dir+"/rev", script); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
}

// A group counts where root runs wingman and the group is nobody's own.
func TestGroups(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give folders away")
	}
	for _, c := range []struct {
		name     string
		uid, gid int
		mode     os.FileMode
		want     string
	}{
		{"root's own", 0, 0, 0o775, ""},
		{"a user's own", 1, 1, 0o775, ""}, // daemon
		{"root's, a group's", 0, 12, 0o775, Group},
		{"a user's, a group's", 1, 12, 0o2775, Group},
		{"the group may only read", 1, 12, 0o755, ""},
		{"sticky", 1, 12, 0o1775, ""},
		{"an owner whom this host does not know", 54321, 54322, 0o775, ""},
		{"others as well", 54321, 54322, 0o777, Others},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := resolved(t)
			file := place(t, 0o644, dir+"/a/file")
			if err := os.Chown(dir+"/a", c.uid, c.gid); err != nil {
				t.Fatal(err)
			}
			mode := c.mode & 0o777
			if c.mode&0o1000 != 0 {
				mode |= os.ModeSticky
			}
			if c.mode&0o2000 != 0 {
				mode |= os.ModeSetgid
			}
			if err := os.Chmod(dir+"/a", mode); err != nil {
				t.Fatal(err)
			}
			got := ""
			if l := Settings(file); len(l) > 0 {
				got = l[0].Rule
				if c.want == Group && l[0].Hint != "chmod g-w "+dir+"/a" {
					t.Errorf("hint: %s", l[0].Hint)
				}
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestQuoted(t *testing.T) {
	for path, want := range map[string]string{"/etc/wingman": "/etc/wingman", "/a b": "'/a b'", "/a'b": `'/a'\''b'`, "/a;b": "'/a;b'"} {
		if got := quoted(path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}
