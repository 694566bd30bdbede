package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/journald"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/live"
)

// How often a run that another service started is looked at, and how long its clients have to come back before it counts
// that their processes are gone.
const (
	adoptedLook = time.Second
	comeBack    = 5 * time.Second
)

// adopt takes over the runs that an earlier service started: those that go on, those that ended meanwhile, and those
// whose runner was killed.
func (a *Agent) adopt(ctx context.Context) {
	dirs, err := live.All(a.live())
	others, failed := live.All(a.liveOf(-1))
	if err := errors.Join(err, failed); err != nil {
		a.Log.Error(err.Error())
	}
	dirs = append(dirs, others...)
	for _, d := range dirs {
		m, err := d.Meta()
		if err != nil { // made, and not even started
			if !d.Lives() {
				_ = d.Remove()
			}
			continue
		}
		h := hold(m, d)
		if !m.Unattended { // what is owed after a deployment is nobody's event
			h.key = key{m.UID, m.Deployment, m.Event}
		}
		close(h.ready)
		if d.State(m.UID) == live.NeverStarted { // kept: a client that was told of it has to see that nothing was done
			time.AfterFunc(keepEnded, func() { _ = d.Remove() })
			continue
		}
		a.runs.put(h)
		if d.State(m.UID) == live.Ended { // and the service that started it has said so
			h.over = true
			close(h.end)
			a.forget(h)
			continue
		}
		a.notices.wake()
		a.wg.Go(func() { a.attend(ctx, h) })
	}
}

// attend waits for the end of a run that is no child of this service. One that nobody waits for is cancelled.
func (a *Agent) attend(ctx context.Context, h *held) {
	began := time.Now()
	for h.dir.State(h.meta.UID) == "" {
		if time.Since(began) > comeBack && !h.awaited() {
			a.abandon(h, "nobody waits for it any more: whoever called wingman ended while the service was being restarted")
		}
		a.tellStep(h)
		select {
		case <-time.After(adoptedLook):
		case <-ctx.Done():
			return
		}
	}
	a.finish(ctx, h)
}

// awaited says whether a client waits for the run, connected or not.
func (h *held) awaited() bool {
	h.mu.Lock()
	waiting := h.waiting
	h.mu.Unlock()
	if waiting > 0 {
		return true
	}
	for pid, start := range h.dir.Clients() {
		if start != "" && live.ProcessStart(pid) == start {
			return true
		}
	}
	return false
}

// stopLimit bounds how long somebody waits for the end of what a killed runner left: what ignores TERM gets KILL from
// systemd after stopWait, whoever waits.
const stopLimit = 3 * time.Second

// stopScope ends what a killed runner left running.
func (a *Agent) stopScope(h *held) {
	if a.Scopes == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit) // the service may be about to end; the rest must not live on unseen
	defer cancel()
	if err := a.Scopes.Stop(ctx, h.scope()); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		a.Log.Error("cannot end what an interrupted run left", append(runAttrs(h.meta), journald.Err, err)...)
	}
}

// closeRecord gives the record of a run that was interrupted, with its end: its own, where it came so far.
func (a *Agent) closeRecord(h *held, why string) journal.Run {
	// A process that is being ended lets go of its lock a moment before it is gone.
	for end := time.Now().Add(2 * time.Second); live.ProcessStart(h.meta.PID) == h.meta.PIDStart && time.Now().Before(end); {
		time.Sleep(2 * time.Millisecond)
	}
	a.mend(context.Background(), engine.Paths{State: h.meta.Store, Logs: a.store(h.meta.UID).Logs, Settings: a.Paths.Settings})
	rec, err := journal.New(h.meta.Store).Run(h.meta.Deployment, h.meta.ID)
	if err != nil { // it could not be kept
		rec = journal.Run{ID: h.meta.ID, Deployment: lifecycle.Deployment{ID: h.meta.Deployment}, Event: lifecycle.Event(h.meta.Event), Started: h.meta.Started, Reason: why, Verdict: journal.Interrupted}
	}
	if rec.Ended.IsZero() { // else it came to its end, and only that could not be told
		rec.Verdict, rec.Reason, rec.Ended = journal.Interrupted, why, time.Now()
	}
	return rec
}

// openLog opens a run's log for somebody who may not read it himself: nothing outside of the folder that its record
// belongs to, which is another user's, perhaps.
func openLog(path, logs string) (*os.File, error) {
	rel, err := filepath.Rel(logs, path)
	if err != nil {
		return nil, fmt.Errorf("%s is no log of this service's", path)
	}
	root, err := os.OpenRoot(logs)
	if err != nil {
		return nil, fmt.Errorf("cannot read the log: %w", err)
	}
	defer root.Close()
	f, err := root.OpenFile(rel, os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read the log: %w", err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s is no file", path)
	}
	return f, nil
}

// tail gives the end of a file, for a log line.
func tail(f *os.File) string {
	const most = 2 << 10
	if info, err := f.Stat(); err == nil && info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd)
	}
	b, _ := io.ReadAll(io.LimitReader(f, most))
	return strings.TrimSpace(strings.ToValidUTF8(string(b), "\uFFFD"))
}

// stderr is what a runner said that could not say it in its output: a panic.
func (h *held) stderr() string {
	f, err := os.Open(filepath.Join(string(h.dir), "stderr"))
	if err != nil {
		return ""
	}
	defer f.Close()
	return tail(f)
}
