package run

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

func TestLogKeepsBothEnds(t *testing.T) {
	for _, tt := range []struct {
		lines int
		cut   bool
	}{{0, false}, {10, false}, {400, false}, {600, true}, {100_000, true}} {
		t.Run(fmt.Sprint(tt.lines), func(t *testing.T) {
			dir := t.TempDir()
			l, err := OpenLog(dir, lifecycle.Deployment{ID: "d-1"}, lifecycle.AfterInstall, 4096)
			if err != nil {
				t.Fatal(err)
			}
			var whole bytes.Buffer
			for i := range tt.lines {
				fmt.Fprintf(&whole, "%07d\n", i)
			}
			for p := whole.Bytes(); len(p) > 0; {
				n := min(len(p), 777)
				l.Write(p[:n])
				p = p[n:]
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dir, "d-1", "AfterInstall.log"))
			if err != nil {
				t.Fatal(err)
			}
			head, end, cut := strings.Cut(string(got), "\n[wingman: ")
			if cut != tt.cut {
				t.Fatalf("left out: %v, want %v", cut, tt.cut)
			}
			if !cut && !bytes.Equal(got, whole.Bytes()) {
				t.Error("not what was written")
			}
			if cut && (!bytes.HasPrefix(whole.Bytes(), []byte(head)) || !bytes.HasSuffix(whole.Bytes(), []byte(end[strings.IndexByte(end, '\n')+1:]))) {
				t.Error("not the two ends of what was written")
			}
			if len(got) > 4096+200 {
				t.Errorf("%d bytes", len(got))
			}
			if files, _ := os.ReadDir(filepath.Join(dir, "d-1")); len(files) != 1 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

func TestSecondRunHasItsOwnLog(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []string{"AfterInstall.log", "AfterInstall.2.log", "AfterInstall.3.log"} {
		l, err := OpenLog(dir, lifecycle.Deployment{}, lifecycle.AfterInstall, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := filepath.Base(l.Path()); got != want || l.Close() != nil {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestLogThatFailsLosesOnlyItself(t *testing.T) {
	l, err := OpenLog(t.TempDir(), lifecycle.Deployment{}, lifecycle.AfterInstall, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	l.f.Close()
	for range 2 {
		if n, err := l.Write([]byte("abc")); n != 3 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
	if err := l.Err(); err == nil || !strings.Contains(err.Error(), "the log is incomplete") {
		t.Errorf("got %v", err)
	}
	var none *Log
	if n, err := none.Write([]byte("a")); n != 1 || err != nil || none.Path() != "" || none.Err() != nil || none.Close() != nil {
		t.Error("no log is not fine")
	}
}
