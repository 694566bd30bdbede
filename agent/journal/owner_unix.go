//go:build unix

package journal

import (
	"io/fs"
	"os"
	"syscall"
)

// another gives who owns a folder, if the caller is root and that is another user; else -1.
func another(info fs.FileInfo) (uid, gid int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && s.Uid != 0 {
		return int(s.Uid), int(s.Gid)
	}
	return -1, -1
}
