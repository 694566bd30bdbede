//go:build unix

package journald

import (
	"fmt"
	"io/fs"
	"syscall"
)

// stream is what JOURNAL_STREAM holds where a file is the journal's (systemd.exec(5)): its device and inode.
func stream(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", uint64(st.Dev), uint64(st.Ino))
}
