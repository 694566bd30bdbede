package awssim

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// pipes is a listener whose connections are in memory.
type pipes struct {
	address string
	calls   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// Dial connects to a Sim that is InMemory, as a net.Dialer does to others.
func (s *Sim) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	s.mu.Lock()
	l := s.pipes[address]
	s.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("cannot reach %s: nobody simulates it in memory", address)
	}
	ours, theirs := net.Pipe()
	select {
	case l.calls <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, fmt.Errorf("cannot reach %s: %w", address, net.ErrClosed)
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot reach %s: %w", address, ctx.Err())
	}
}

// Accept is net.Listener's, as are Close and Addr.
func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.calls:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is where Dial finds it.
func (l *pipes) Addr() net.Addr { return memory(l.address) }

type memory string

func (memory) Network() string  { return "memory" }
func (m memory) String() string { return string(m) }
