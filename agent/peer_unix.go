//go:build unix

package agent

import (
	"context"
	"net"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

type peerKey struct{}

// withPeer finds out, once a connection, who is at its other end.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	var p peer
	if c, ok := c.(*counted); ok {
		p = c.peer
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// who finds out who is at a connection's other end.
func who(c *net.UnixConn) (p peer) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { p = peerOfSocket(int(fd)) }) // not known: not allowed
	}
	return p
}

// connectionsEach is how many connections a user other than root may have: each costs the service memory and a file, which
// everybody's events need. A hook has one or two.
const connectionsEach = 32

// limit makes a listener that takes no more of one user.
func limit(l net.Listener, unlimited func(peer) bool) net.Listener {
	return &limited{Listener: l, unlimited: unlimited, open: map[int]int{}}
}

type limited struct {
	net.Listener
	unlimited func(peer) bool
	mu        sync.Mutex
	open      map[int]int // by uid
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if u, ok := c.(*net.UnixConn); ok {
			if p := who(u); l.add(p, 1) {
				return &counted{UnixConn: u, peer: p, closed: func() { l.add(p, -1) }}, nil
			}
		}
		c.Close() // its client takes it for no service, and runs its event itself
	}
}

func (l *limited) add(p peer, n int) bool {
	if l.unlimited(p) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n > 0 && l.open[p.uid] >= connectionsEach {
		return false
	}
	if l.open[p.uid] += n; l.open[p.uid] == 0 {
		delete(l.open, p.uid)
	}
	return true
}

// counted is a connection, and who is at its other end.
type counted struct {
	*net.UnixConn
	peer   peer
	once   sync.Once
	closed func()
}

func (c *counted) Close() error {
	defer c.once.Do(c.closed)
	return c.UnixConn.Close()
}

func peerOf(ctx context.Context) peer {
	p, _ := ctx.Value(peerKey{}).(peer)
	return p
}

// groupID gives the id of a group; -1 where there is none of that name.
func groupID(name string) int {
	g, err := user.LookupGroup(name)
	if err != nil {
		return -1
	}
	id, err := strconv.Atoi(g.Gid)
	if err != nil {
		return -1
	}
	return id
}

// as gives what a process must be started with to be that caller's: nil where it is the service's own user.
func (p peer) as(own int) *syscall.Credential {
	if p.uid == own {
		return nil
	}
	c := &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.gid)}
	for _, g := range p.groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}
