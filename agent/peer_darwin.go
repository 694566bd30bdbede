package agent

import "golang.org/x/sys/unix"

// peerOfSocket asks the kernel who connected: LOCAL_PEERCRED has no process.
func peerOfSocket(fd int) peer {
	c, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil || c.Ngroups < 1 {
		return peer{}
	}
	p := peer{uid: int(c.Uid), gid: int(c.Groups[0]), known: true}
	for _, g := range c.Groups[:c.Ngroups] {
		p.groups = append(p.groups, int(g))
	}
	return p
}
