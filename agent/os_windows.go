package agent

import (
	"context"
	"net"
	"syscall"
)

// On Windows an event always runs in its caller's own process: the service takes no requests, since the system does not
// say who is at a socket's other end. It follows deployments and gives back.

func withPeer(ctx context.Context, _ net.Conn) context.Context { return ctx }
func limit(l net.Listener, _ func(peer) bool) net.Listener     { return l }
func peerOf(context.Context) peer                              { return peer{} }
func groupID(string) int                                       { return -1 }
func (p peer) session() *syscall.SysProcAttr                   { return nil }
func closeOnExec(...int)                                       {}
func umask(int)                                                {}

const nonBlock = 0
