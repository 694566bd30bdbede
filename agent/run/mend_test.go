package run

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// A log whose run was ended in the middle of it is put together: its head, then its end in order.
func TestMendLog(t *testing.T) {
	for _, tt := range []struct {
		lines int
		cut   bool
	}{{100, false}, {300, false}, {400, true}, {5000, true}, {5100, true}} { // of 8 bytes, into a log of 4,096
		t.Run(fmt.Sprint(tt.lines), func(t *testing.T) {
			dir := t.TempDir()
			l, err := OpenLog(dir, lifecycle.Deployment{ID: "d-1"}, lifecycle.AfterInstall, 4096)
			if err != nil {
				t.Fatal(err)
			}
			for i := range tt.lines {
				fmt.Fprintf(l, "%07d\n", i)
			}
			for _, f := range []*os.File{l.f, l.turns[0], l.turns[1]} { // as a crash does
				f.Close()
			}
			mended, err := MendLog(dir, l.Path())
			if err != nil || mended != (tt.lines > 256) {
				t.Errorf("mended %t, %v", mended, err)
			}
			if again, err := MendLog(dir, l.Path()); again || err != nil {
				t.Errorf("mended again %t, %v", again, err)
			}
			b, _ := os.ReadFile(l.Path())
			text := string(b)
			head, end, cut := strings.Cut(text, "\n[wingman: here some of the log may be left out")
			if cut != tt.cut || !strings.HasPrefix(head, "0000000\n0000001\n") || !strings.HasSuffix(text, fmt.Sprintf("%07d\n%07d\n", tt.lines-2, tt.lines-1)) {
				t.Errorf("cut %t: %.40q … %q", cut, text, text[max(0, len(text)-40):])
			}
			lines := strings.Split(strings.TrimSpace(end), "\n")
			for i := 2; i < len(lines); i++ {
				if lines[i] <= lines[i-1] {
					t.Errorf("%s follows %s", lines[i], lines[i-1])
				}
			}
			if files, _ := os.ReadDir(filepath.Join(dir, "d-1")); len(files) != 1 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

// A record may name any file as its log, and a user's folder may hold links: nothing but the logs is written.
func TestMendLogStaysInItsFolder(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	for _, f := range []string{secret, secret + ".0.end", filepath.Join(dir, "a.log.0.end")} {
		if err := os.WriteFile(f, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(dir, "a.log")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{secret, filepath.Join(dir, "..", filepath.Base(outside), "secret"), filepath.Join(dir, "a.log"), ""} {
		if mended, err := MendLog(dir, path); mended || err == nil {
			t.Errorf("%s: mended %t, %v", path, mended, err)
		}
	}
	if b, _ := os.ReadFile(secret); string(b) != "x" {
		t.Errorf("outside: %q", b)
	}
}
