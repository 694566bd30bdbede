//go:build unix

package journal

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Root keeps records in folders of users: what a user puts there leads root nowhere else.
func TestNothingLeadsOutOfTheStore(t *testing.T) {
	for _, folder := range []string{"guards", "runs"} {
		t.Run(folder, func(t *testing.T) {
			state, outside := t.TempDir(), t.TempDir()
			j := New(state)
			must(t, os.Symlink(outside, filepath.Join(state, folder)))
			g := part("d-1", "web", time.Now())
			if folder == "guards" && (j.Intend(g) == nil || j.Note(g) == nil) {
				t.Error("a guard was written")
			}
			if folder == "runs" {
				if _, err := j.Claim("d-1", "always"); err == nil || j.Keep("d-1", "place", 1) == nil {
					t.Error("something was kept")
				}
				if w, err := j.Begin(Run{ID: "a"}); err == nil {
					t.Error("a run was begun", w.End(Run{}))
				}
			}
			if left, _ := os.ReadDir(outside); len(left) > 0 {
				t.Errorf("outside: %v", left)
			}
		})
	}
	t.Run("a record", func(t *testing.T) {
		j := New(t.TempDir())
		ended(t, j, "d-1", "a")
		secret := filepath.Join(t.TempDir(), "secret")
		file := j.p("runs", "d-1", "a.jsonl")
		must(t, os.Rename(file, secret))
		must(t, os.Symlink(secret, file))
		before, _ := os.ReadFile(secret)
		if out, err := j.Repair("", never, nothing); err == nil || len(out.Runs) > 0 {
			t.Errorf("%+v %v", out, err)
		}
		if after, _ := os.ReadFile(secret); len(after) != len(before) {
			t.Error("written through a link")
		}
	})
}

// What root writes into a user's store is that user's, who must be able to read and to replace it.
func TestRootLeavesAUsersStoreToTheUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const uid, gid = 12345, 12346
	state := t.TempDir()
	must(t, os.Chown(state, uid, gid))
	j := New(state)
	g := part("d-1", "web", time.Now())
	must(t, j.Intend(g))
	must(t, j.Note(g))
	must(t, j.Keep("d-1", "place", 1))
	_, err := j.Claim("d-1", "always")
	must(t, err)
	_, w := begin(t, j, "d-1", "a", time.Now())
	must(t, w.f.Close())
	_, err = j.Repair("", never, nothing)
	must(t, err)
	n := 0
	must(t, filepath.WalkDir(state, func(p string, d os.DirEntry, err error) error {
		info, e := os.Lstat(p)
		must(t, e)
		if s := info.Sys().(*syscall.Stat_t); s.Uid != uid || s.Gid != gid {
			t.Errorf("%s is of %d:%d", p, s.Uid, s.Gid)
		}
		n++
		return err
	}))
	if n != 10 {
		t.Errorf("%d files and folders", n)
	}
}
