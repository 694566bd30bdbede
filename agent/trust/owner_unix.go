//go:build unix

package trust

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

const judged = true

// foreignGroup says whether a folder's group is neither root's nor its owner's own, where root asks.
func foreignGroup(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || st.Gid == 0 {
		return false
	}
	owner, err := user.LookupId(strconv.FormatUint(uint64(st.Uid), 10))
	return err == nil && owner.Gid != strconv.FormatUint(uint64(st.Gid), 10)
}
