package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/journald"
	"github.com/codedeploy-wingman/wingman/agent/live"
	"github.com/codedeploy-wingman/wingman/agent/scope"
)

// scopeWait bounds how long a run waits for systemd: later it runs in its caller's own process instead.
const scopeWait = 2 * time.Second

// stopWait is what a run has, once its scope is stopped (the host goes down), to end its steps and to put things right.
const stopWait = 60 * time.Second

// launch starts the run's process behind a shut gate, in a scope of its own. Nothing of the run is done before the gate
// is opened, so that until then any doubt ends in the caller running it itself, once.
func (a *Agent) launch(ctx context.Context, h *held, env []string, dir string, p peer) (gate live.Gate, err error) {
	if err = a.makeStore(p.uid); err != nil {
		a.Log.Warn("records or logs of this run cannot be kept", append(runAttrs(h.meta), journald.Err, err)...)
	}
	defer func() {
		if err != nil {
			gate.Shut()
			_ = h.dir.Remove() // else the next service does
		}
	}()
	if h.dir, err = live.Make(filepath.Dir(string(h.dir)), h.meta); err != nil {
		return gate, err
	}
	gate, end, err := live.NewGate()
	if err != nil {
		return gate, err
	}
	defer end.Close()
	lock, err := h.dir.Lock(p.uid)
	if err != nil {
		return gate, err
	}
	defer lock.Close() // the runner has it, too
	proc, err := a.spawn(h, env, dir, p, end, lock)
	if err != nil {
		return gate, fmt.Errorf("cannot start the run: %w", err)
	}
	a.wg.Go(func() { a.reap(ctx, h, proc) })
	h.meta.PID, h.meta.PIDStart = proc.Pid, live.ProcessStart(proc.Pid)
	if err = h.dir.Keep(h.meta); err != nil {
		return gate, fmt.Errorf("cannot start the run: %w", err)
	}
	return gate, a.scope(ctx, h)
}

func (a *Agent) scope(ctx context.Context, h *held) error {
	if a.Scopes == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, scopeWait)
	defer cancel()
	if err := a.Scopes.Start(ctx, h.scope(), "wingman: "+h.meta.Event+" of "+cmp.Or(h.meta.Deployment, "no deployment"), h.meta.PID, stopWait); err != nil {
		return fmt.Errorf("cannot put the run into a scope of its own: %w", err)
	}
	return nil
}

func (h *held) scope() string { return scope.Name(h.meta.ID) }

// spawn starts the runner as the caller's user, with the caller's environment and nothing of the service's own (systemd's
// NOTIFY_SOCKET, WATCHDOG_* and so on are not for scripts), in a session of its own.
func (a *Agent) spawn(h *held, env []string, dir string, p peer, gate, lock *os.File) (*os.Process, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	said, err := os.OpenFile(filepath.Join(string(h.dir), "stderr"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer said.Close()
	attr := &os.ProcAttr{Dir: dir, Env: env, Files: []*os.File{null, null, said, gate, lock}, Sys: p.session()}
	if env == nil {
		attr.Env = []string{} // nil would mean the service's own
	}
	return os.StartProcess(a.Runner[0], a.Runner[1:], attr)
}

// reap waits for the runner; a service that ends leaves it to the next one.
func (a *Agent) reap(ctx context.Context, h *held, proc *os.Process) {
	done := make(chan struct{})
	go func() {
		_, _ = proc.Wait()
		close(done)
	}()
	look := time.NewTicker(stepLook)
	defer look.Stop()
	for {
		select {
		case <-done:
			<-h.ready
			if h.err == nil {
				a.finish(ctx, h)
			}
			return
		case <-look.C:
			a.tellStep(h)
		case <-a.draining:
			return
		}
	}
}

// stepLook is how often is looked which step a run is at, for `systemctl status`.
const stepLook = time.Second

// tellStep tells systemd of a run's next step. Only the goroutine that waits for the run's end calls it.
func (a *Agent) tellStep(h *held) {
	if step := h.dir.Now(h.meta.UID); step != h.step {
		h.step = step
		a.tell()
	}
}

// makeStore makes the folders of another user's records and logs.
func (a *Agent) makeStore(uid int) error {
	if uid == os.Geteuid() {
		return nil
	}
	for _, dir := range []string{a.store(uid).State, a.store(uid).Logs} {
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return err
		}
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if err := os.Lchown(dir, uid, -1); err != nil {
			return err
		}
	}
	return nil
}

// order is what the runner is told when its gate is opened.
func (a *Agent) order(h *held, req api.Request) live.Order {
	at := a.store(h.meta.UID)
	s := a.settings.get()
	req.Env = nil // the runner's own
	return live.Order{Dir: h.dir, ID: h.meta.ID, Request: req, Paths: api.Paths{Settings: a.Paths.Settings, State: at.State, Logs: at.Logs}, Settings: s.text, Notes: s.notes(), Drain: a.Drain}
}
