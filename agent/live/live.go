// Package live is one run under way, as files: what it printed, whether it lives, how it ended. The runner writes them,
// the service and the client read them, so that a run is lost neither with the one nor with the other.
//
//	<socket's folder>/live/<run id>/meta.json   the service's: who asked for it, and which process runs it
//	                               /clients     the service's: who waits for it
//	                               /cancel      the service's: why it is to be ended
//	                               /run/…       the runner's: lock, started, now, output.<offset>, result.json
//
// The folder is on a tmpfs where there is systemd, but for users other than the service's own: a full disk takes nothing
// away, and after a reboot, which ends all of it, nothing is left. What must outlive that is in the journal.
//
// The runner is the user that asked for the run, so that what is under run/ is that user's: who reads it as root follows
// no link there, opens nothing but regular files of that user, and writes nothing.
package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
)

// Meta is what the service keeps of a run that it started.
type Meta struct {
	V          int       `json:"v"`
	ID         string    `json:"id"`
	UID        int       `json:"uid"`
	Event      string    `json:"event"`
	Deployment string    `json:"deployment,omitempty"`
	Store      string    `json:"store"` // the state folder that its record is in
	Started    time.Time `json:"started"`
	PID        int       `json:"pid"`       // the runner's
	PIDStart   string    `json:"pid_start"` // tells it from a later process of that id
	Unattended bool      `json:"unattended,omitempty"`
}

// Dir is the folder of one run.
type Dir string

func (d Dir) path(name string) string { return filepath.Join(string(d), name) }

// Runs is the part of the folder that the runner writes.
func (d Dir) Runs() string { return d.path("run") }

// Make makes the folder for a run of that user's.
func Make(live string, m Meta) (Dir, error) {
	d := Dir(filepath.Join(live, m.ID))
	if filepath.Dir(string(d)) != filepath.Clean(live) {
		return d, fmt.Errorf("cannot make a place for the run: %q is no id", m.ID)
	}
	if err := os.MkdirAll(live, 0o755); err != nil {
		return d, fmt.Errorf("cannot make a place for the run: %w", err)
	}
	err := errors.Join(os.Mkdir(string(d), 0o755), os.Mkdir(d.Runs(), 0o700))
	if err == nil && m.UID != os.Geteuid() {
		err = os.Lchown(d.Runs(), m.UID, -1)
	}
	if err == nil {
		err = d.Keep(m)
	}
	if err != nil {
		return d, fmt.Errorf("cannot make a place for the run: %w", err)
	}
	return d, nil
}

// Keep writes what the service keeps of the run.
func (d Dir) Keep(m Meta) error {
	m.V = api.Version
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return replace(d.path("meta.json"), b)
}

// Meta reads it.
func (d Dir) Meta() (m Meta, err error) {
	b, err := os.ReadFile(d.path("meta.json"))
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return m, fmt.Errorf("cannot read what the run in %s is: %w", d, err)
	}
	return m, nil
}

// All gives the folders of all runs.
func All(live string) ([]Dir, error) {
	entries, err := os.ReadDir(live)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot look for runs under way: %w", err)
	}
	var out []Dir
	for _, e := range entries {
		out = append(out, Dir(filepath.Join(live, e.Name())))
	}
	return out, nil
}

// Remove forgets the run.
func (d Dir) Remove() error { return os.RemoveAll(string(d)) }

// Cancel says why the run is to be ended, for the runner to read when it is told to end; the first reason counts. The
// run's user may say it, too, where there is no service: in the runner's own part.
func (d Dir) Cancel(why string) error {
	err := say(d.path("cancel"), why)
	if errors.Is(err, os.ErrPermission) {
		err = say(filepath.Join(d.Runs(), "cancel"), why)
	}
	return err
}

func say(file, why string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(why)
	return errors.Join(err, f.Close())
}

// Why reads it; "" where nobody said.
func (d Dir) Why() string {
	b, err := os.ReadFile(d.path("cancel"))
	if err != nil {
		b, _ = os.ReadFile(filepath.Join(d.Runs(), "cancel"))
	}
	return string(b)
}

// replace writes a file whole or not at all. It need not outlive a reboot.
func replace(file string, b []byte) error {
	temp := file + ".new"
	if err := os.WriteFile(temp, b, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, file)
}

// Client notes, for a service that starts later, that a process waits for the run.
func (d Dir) Client(pid int, start string) {
	f, err := os.OpenFile(d.path("clients"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return // then that service cancels the run unless the client comes back to it
	}
	defer f.Close()
	fmt.Fprintln(f, pid, start)
}

// Clients gives them: ids of processes, and what tells each from a later one of that id.
func (d Dir) Clients() map[int]string {
	out := map[int]string{}
	b, _ := os.ReadFile(d.path("clients"))
	for line := range strings.Lines(string(b)) {
		pid, start, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.Atoi(pid); err == nil {
			out[n] = start
		}
	}
	return out
}
