package scope

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

const (
	look     = 20 * time.Millisecond  // between looks at the thing itself, since a lost signal tells nothing; a scope takes 3 to 16 ms
	stopLook = 250 * time.Millisecond // the same for a stop, which may take its whole TimeoutStopUSec, and where a look is a call
	settle   = time.Second            // for a request whose answer was lost to take effect

	unitExists     = "org.freedesktop.systemd1.UnitExists"
	noSuchUnit     = "org.freedesktop.systemd1.NoSuchUnit"
	noSuchProcess  = "org.freedesktop.DBus.Error.UnixProcessIdUnknown"
	noSuchProperty = "org.freedesktop.DBus.Error.PropertyReadOnly" // what systemd says of a property that it does not know
)

// refusal is an answer that stays the same however often one asks.
type refusal string

func (r refusal) Error() string { return string(r) }

// Manager speaks to systemd. It may be used by many at once.
type Manager struct {
	turn    chan struct{} // held while the fields below are used; a channel, so that waiting for it ends with ctx
	link    *link         // nil: dial first
	private bool          // the private socket comes before the system bus
}

// New gives a Manager. It dials when it is first needed.
func New() *Manager { return &Manager{turn: make(chan struct{}, 1)} }

// Close ends the connection. A later call would dial again.
func (m *Manager) Close() {
	m.turn <- struct{}{}
	defer func() { <-m.turn }()
	m.forget()
}

// Start puts a process into a scope of that name, and returns when it is there. The scope's stop sends TERM to all that is
// in it, and KILL after stop. The process, and its user, may make sub-groups in the scope's cgroup.
//
// After an error the process was not in the scope when Start returned. If the error is ctx's own, systemd may still get
// to it: end the process.
func (m *Manager) Start(ctx context.Context, name, description string, pid int, stop time.Duration) error {
	fixed := []systemd.Property{systemd.PropPids(uint32(pid)), systemd.PropDescription(description),
		property("TimeoutStopUSec", uint64(stop/time.Microsecond))}
	// Both are of systemd 236. Delegation names no controllers: with them, systemd would turn them on for all of the
	// scope's neighbours, the application among them.
	optional := []systemd.Property{property("CollectMode", "inactive-or-failed"), property("DelegateControllers", []string{})}
	err := checkName(name)
	if err == nil && pid <= 0 { // systemd would take 0 for whoever asks: the service
		err = refusal("that is no process")
	}
	if err == nil {
		err = m.start(ctx, name, pid, fixed, optional)
	}
	if err != nil {
		return fmt.Errorf("cannot put process %d into scope %s: %w", pid, name, err)
	}
	return nil
}

func property(name string, value any) systemd.Property {
	return systemd.Property{Name: name, Value: dbus.MakeVariant(value)}
}

func (m *Manager) start(ctx context.Context, name string, pid int, fixed, optional []systemd.Property) error {
	asked := false // an earlier request may have been obeyed
	err := m.do(ctx, func(l *link) error {
		err := l.start(ctx, name, fixed, optional, func() bool { return inScope(pid, name) })
		switch {
		case named(err, unitExists) && asked:
			err = arrive(ctx, pid, name)
		case named(err, unitExists):
			err = refusal("there is a unit of that name already; see: systemctl status " + name)
		case named(err, noSuchProcess):
			err = refusal("there is no such process")
		}
		asked = asked || err != nil && (unanswered(err) || !l.Connected())
		return err
	})
	// The kernel has the last word: what an answer said, or whether one came, does not matter.
	if inScope(pid, name) {
		giveTo(pid, name)
		return nil
	}
	if err == nil { // a zombie: systemd made a scope for it, which, never populated, would never empty
		_ = m.Stop(ctx, name)
		err = refusal("it has ended")
	}
	return err
}

func (l *link) start(ctx context.Context, name string, fixed, optional []systemd.Property, done func() bool) error {
	job := make(chan string, 1) // 1: go-systemd's dispatcher must never wait for us
	_, err := l.StartTransientUnitContext(ctx, name, "fail", slices.Concat(fixed, optional), job)
	if named(err, noSuchProperty) {
		_, err = l.StartTransientUnitContext(ctx, name, "fail", fixed, job)
	}
	if err != nil {
		return err
	}
	return l.await(ctx, job, look, done)
}

// await waits for the end of a job, or until done says that what it is for has come about.
func (l *link) await(ctx context.Context, job <-chan string, pause time.Duration, done func() bool) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case result := <-job:
			if result != "done" {
				return refusal("systemd's job for it ended as " + strconv.Quote(result))
			}
			return nil
		case <-tick.C:
			if done() {
				return nil
			}
			if !l.Connected() {
				return dbus.ErrClosed
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// arrive waits for a process to be in the scope that an unanswered request has made.
func arrive(ctx context.Context, pid int, name string) error {
	limit := time.NewTimer(settle)
	defer limit.Stop()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for !inScope(pid, name) {
		select {
		case <-tick.C:
		case <-limit.C:
			return refusal("there is a unit of that name, and the process is not in it; see: systemctl status " + name)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// List gives the scopes of ours that systemd knows.
func (m *Manager) List(ctx context.Context) ([]Unit, error) {
	var all []systemd.UnitStatus
	err := m.do(ctx, func(l *link) (err error) {
		all, err = l.ListUnitsContext(ctx) // and not ListUnitsByPatterns, which systemd has since 230
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list the scopes of runs: %w", err)
	}
	in := processes()
	var units []Unit
	for _, u := range all {
		if checkName(u.Name) == nil && u.LoadState != "not-found" {
			units = append(units, Unit{Name: u.Name, Active: u.ActiveState == "active", Populated: len(in[u.Name]) > 0, PIDs: in[u.Name]})
		}
	}
	return units, nil
}

// Stop ends all that is in a scope, with TERM and, after the time that was given to Start, KILL, and waits for that. A
// scope that is gone is stopped.
func (m *Manager) Stop(ctx context.Context, name string) error {
	err := checkName(name)
	if err == nil {
		err = m.do(ctx, func(l *link) error { return l.stop(ctx, name) })
	}
	if err != nil {
		return fmt.Errorf("cannot stop scope %s: %w", name, err)
	}
	return nil
}

func (l *link) stop(ctx context.Context, name string) error {
	job := make(chan string, 1)
	_, err := l.StopUnitContext(ctx, name, "replace", job)
	if err == nil {
		err = l.await(ctx, job, stopLook, func() bool { return l.ended(ctx, name) })
	}
	if err == nil {
		// One that needed KILL is failed, and would keep its name where systemd knows no CollectMode.
		err = l.ResetFailedUnitContext(ctx, name)
	}
	if named(err, noSuchUnit) {
		return nil
	}
	return err
}

// ended says whether systemd has done with a scope.
func (l *link) ended(ctx context.Context, name string) bool {
	p, err := l.GetUnitPropertyContext(ctx, name, "ActiveState")
	if err != nil {
		return false
	}
	state, _ := p.Value.Value().(string)
	return state == "inactive" || state == "failed" // a name that is unknown is inactive, too
}
