package awssim

import (
	"context"
	"time"
)

// Kind is what has happened.
type Kind string

// What a Change can be.
const (
	Created         Kind = "group created"
	Deleted         Kind = "group deleted"
	Suspended       Kind = "suspended"
	Resumed         Kind = "resumed"
	Tagged          Kind = "tagged"
	Untagged        Kind = "untagged"
	DesiredChanged  Kind = "desired capacity"
	Launching       Kind = "launching"
	EnteredService  Kind = "in service"
	Terminating     Kind = "terminating"
	Terminated      Kind = "terminated"
	Held            Kind = "waits for a lifecycle action"
	MovedOut        Kind = "moved out"
	MarkedUnhealthy Kind = "unhealthy"
	SpotNotice      Kind = "spot notice"
	AlarmChanged    Kind = "alarm"
	ScheduleChanged Kind = "schedule"
)

// Change is something that has happened in this AWS.
type Change struct {
	At       time.Time
	Kind     Kind
	Group    string // the Auto Scaling group
	Instance string
	Process  string // Suspended, Resumed
	Text     string // the rest, in AWS's words where it has some
	By       string // whose call did it, as in Request.Caller; "" is AWS itself, or one of Sim's own methods
}

// watcher is one who is told of every change, in order and however late he listens.
type watcher struct {
	queue []Change
	more  chan struct{}
}

// emit tells of a change. The caller holds mu.
func (s *Sim) emit(c Change) {
	c.At, c.By = s.now(), s.actor
	for _, w := range s.watchers {
		w.queue = append(w.queue, c)
		select {
		case w.more <- struct{}{}:
		default:
		}
	}
}

// Watch gives every change from now on, in order, none left out; the channel is closed after cancel, or Close.
func (s *Sim) Watch() (changes <-chan Change, cancel func()) {
	w, out := &watcher{more: make(chan struct{}, 1)}, make(chan Change)
	ctx, end := context.WithCancel(s.ctx)
	s.mu.Lock()
	s.watchers = append(s.watchers, w)
	s.mu.Unlock()
	s.done.Go(func() {
		defer close(out)
		defer s.unwatch(w)
		for {
			s.mu.Lock()
			batch := w.queue
			w.queue = nil
			s.mu.Unlock()
			for _, c := range batch {
				select {
				case out <- c:
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-w.more:
			case <-ctx.Done():
				return
			}
		}
	})
	return out, end
}

func (s *Sim) unwatch(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, have := range s.watchers {
		if have == w {
			s.watchers = append(s.watchers[:i:i], s.watchers[i+1:]...)
			return
		}
	}
}

// Until waits until cond holds. It asks at once, after every change and after every call; cond may call all of Sim's methods.
func (s *Sim) Until(ctx context.Context, cond func() bool) error {
	for {
		s.mu.Lock()
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		if cond() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}
