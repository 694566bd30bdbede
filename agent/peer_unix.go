//go:build unix

package agent

import (
	"context"
	"net"
	"os/user"
	"strconv"
	"syscall"
)

type peerKey struct{}

// withPeer finds out, once a connection, who is at its other end.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	var p peer
	if u, ok := c.(*net.UnixConn); ok {
		if raw, err := u.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { p = peerOfSocket(int(fd)) }) // not known: not allowed
		}
	}
	return context.WithValue(ctx, peerKey{}, p)
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
