package agent

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peerOfSocket asks the kernel who connected: user, group and process (SO_PEERCRED), and further groups (SO_PEERGROUPS,
// since Linux 4.13).
func peerOfSocket(fd int) peer {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return peer{}
	}
	return peer{uid: int(c.Uid), gid: int(c.Gid), pid: int(c.Pid), groups: peerGroups(fd), known: true}
}

func peerGroups(fd int) (out []int) {
	buf := make([]uint32, 64)
	for {
		size := uint32(len(buf) * 4)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS, uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0)
		if errors.Is(errno, unix.ERANGE) && len(buf) < 1<<16 { // NGROUPS_MAX
			buf = make([]uint32, size/4+1)
			continue
		}
		if errno != 0 {
			return nil
		}
		for _, g := range buf[:size/4] {
			out = append(out, int(g))
		}
		return out
	}
}
