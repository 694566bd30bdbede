package live

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reserve takes room for a file's first bytes, so that they can be written when all else is full. A file system that knows
// no such thing (ENOTSUP) gives none.
func reserve(f *os.File, size int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if err == nil || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return os.NewSyscallError("fallocate", err)
}
