//go:build linux

package proc

import (
	"strings"
	"syscall"
	"testing"
)

func TestExplain(t *testing.T) {
	path := script(t, "s.sh", "#!/nope\n")
	nobody := &account{name: "nobody", uid: 65534, gid: 65534}
	for _, c := range []struct {
		c    command
		no   syscall.Errno
		want string
	}{
		{command{path: path, file: path, who: nobody}, syscall.EACCES, "no x permission on the folder"},
		{command{path: path, file: path, who: &account{}}, syscall.EACCES, "interpreter /nope"},
		{command{path: "/bin", file: "/bin", who: nobody}, syscall.EACCES, "is a directory"},
		{command{path: "/etc/passwd", file: "/etc/passwd", who: nobody}, syscall.EACCES, "its mode is 0644"},
		{command{path: "/nope", file: "/nope"}, syscall.ENOENT, "does not exist"},
		{command{path: path, file: path}, syscall.ENOEXEC, "no #! line"},
		{command{path: path, file: path}, syscall.E2BIG, "argument list too long"},
	} {
		if got := c.c.explain(c.no).Error(); !strings.Contains(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestLookup(t *testing.T) {
	a, err := lookup("0")
	if err != nil || a.name != "root" || len(a.env()) != 2 {
		t.Errorf("%+v %v", a, err)
	}
	if a := parsePasswd("b:x:7:8:::\n7:x:9:9:::/bin/x\n", "7"); a == nil || a.uid != 9 || a.home != "/" {
		t.Errorf("%+v", a)
	}
	if a := parsePasswd("b:x:7:8:::\n", "7"); a == nil || a.name != "b" || a.shell != "/bin/sh" {
		t.Errorf("%+v", a)
	}
	if e := (Ending{Holders: []Process{{1, "a"}, {2, "b"}}}).HoldersNote(); !strings.Contains(e, "hold the script's output; what they") {
		t.Error(e)
	}
}
