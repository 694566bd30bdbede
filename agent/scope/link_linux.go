package scope

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

const (
	tries       = 24                     // of a call that meets nobody, over about 5 s; a restart of dbus or a daemon-reexec takes well under one
	firstPause  = 10 * time.Millisecond  // before the second try of a call that met nobody
	longPause   = 250 * time.Millisecond // between later tries
	dialTimeout = 2 * time.Second        // for one way to systemd; it answers in about 1 ms
)

// link is a connection to systemd.
type link struct {
	*systemd.Conn
	cancel context.CancelFunc // ends the connection: go-systemd binds it to the context that dialled it
}

func (l *link) close() {
	l.Close()
	l.cancel()
}

// do makes calls on a connection, again on another where nobody answers. fn must be fit to be
// repeated: a call whose answer was lost may have been obeyed.
func (m *Manager) do(ctx context.Context, fn func(*link) error) error {
	if !Booted() {
		return ErrNoSystemd
	}
	for try, pause := 1, firstPause; ; try, pause = try+1, min(2*pause, longPause) {
		l, err := m.connect(ctx)
		if err == nil {
			err = fn(l)
			if err == nil || ctx.Err() == nil && l.Connected() && !unanswered(err) {
				return err
			}
			if ctx.Err() == nil {
				m.drop(l)
			}
		}
		if try < tries && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(pause):
				continue
			}
		}
		return fmt.Errorf("systemd has not answered (%w); see what it says: systemctl is-system-running", err)
	}
}

// connect gives the connection, after dialling where there is none that lives.
func (m *Manager) connect(ctx context.Context) (*link, error) {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if m.link != nil && m.link.Connected() {
		return m.link, nil
	}
	m.forget()
	ways := []func(context.Context) (*systemd.Conn, error){systemd.NewSystemConnectionContext, systemd.NewSystemdConnectionContext}
	if m.private {
		ways[0], ways[1] = ways[1], ways[0]
	}
	var errs [2]error
	for i, way := range ways {
		l, err := dial(ctx, way)
		if err == nil {
			if i == 1 {
				m.private = !m.private
			}
			m.link = l
			return l, nil
		}
		errs[i] = err
	}
	return nil, errors.Join(errs[:]...)
}

// drop gives a connection up on which nobody answered. The next one goes the other way: the system bus does not survive
// a restart of dbus, the private socket no daemon-reexec.
func (m *Manager) drop(l *link) {
	m.turn <- struct{}{}
	defer func() { <-m.turn }()
	if m.link == l { // else somebody else has met the same
		m.forget()
		m.private = !m.private
	}
}

// forget closes the connection; the caller has the turn.
func (m *Manager) forget() {
	if m.link != nil {
		m.link.close()
		m.link = nil
	}
}

// dial bounds the dialling by ctx, but not the connection, which serves later calls too.
func dial(ctx context.Context, way func(context.Context) (*systemd.Conn, error)) (*link, error) {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	limit, done := context.WithTimeout(ctx, dialTimeout)
	defer done()
	stop := context.AfterFunc(limit, cancel)
	conn, err := way(life)
	if err == nil && !stop() { // it ended in between
		conn.Close()
		err = limit.Err()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return &link{Conn: conn, cancel: cancel}, nil
}

// unanswered says whether the call was not refused by systemd, but met nobody, or its answer was lost.
func unanswered(err error) bool {
	var e dbus.Error
	if !errors.As(err, &e) {
		var no refusal
		return !errors.As(err, &no)
	}
	name, ok := strings.CutPrefix(e.Name, "org.freedesktop.DBus.Error.")
	if !ok {
		return false
	}
	switch name {
	case "NoReply", "ServiceUnknown", "NameHasNoOwner", "Disconnected", "NoServer", "Timeout", "TimedOut":
		return true
	}
	return strings.HasPrefix(name, "Spawn.") // the bus tried to start systemd, which is re-executing
}

// named says whether err is that refusal of systemd's.
func named(err error, name string) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == name
}

// Booted says whether systemd is PID 1 here, as sd_booted(3) does.
func Booted() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}
