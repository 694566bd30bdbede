package appspec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/regular"
)

// Name is the file that the CodeDeploy agent's hooks open. appspec.yaml works at Install only.
const Name = "appspec.yml"

// Load reads dir's appspec.yml. Where there is none the error is fs.ErrNotExist.
func Load(dir string) (Spec, error) {
	file := filepath.Join(dir, Name)
	data, err := regular.Read(file, 4<<20) // the service reads those of other users
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := os.Stat(filepath.Join(dir, "appspec.yaml")); e == nil {
			return Spec{}, fmt.Errorf("%w\n    rename appspec.yaml: the CodeDeploy agent installs from it and then finds no hooks, which it looks for in appspec.yml", err)
		}
	}
	if err != nil {
		return Spec{}, fmt.Errorf("cannot read the revision: %w", err)
	}
	return Parse(data, file)
}

// FindRevision gives the nearest folder at or above dir that holds appspec.yml.
func FindRevision(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for d := abs; ; d = filepath.Dir(d) {
		if info, err := os.Stat(filepath.Join(d, Name)); err == nil && !info.IsDir() {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("no %s in %s or above it: go to a revision's folder, or name it by --revision DIR", Name, abs)
		}
	}
}

// Budget gives the timeout of the event's entry that own picks; of several the smallest; where own picks none, the
// smallest of all. False where the event names no script.
func (s Spec) Budget(event string, own func(location string) bool) (time.Duration, bool) {
	var mine, all time.Duration
	for _, h := range s.Hooks[event] {
		if all == 0 || h.Timeout < all {
			all = h.Timeout
		}
		if own(h.Location) && (mine == 0 || h.Timeout < mine) {
			mine = h.Timeout
		}
	}
	if mine > 0 {
		return mine, true
	}
	return all, all > 0
}
