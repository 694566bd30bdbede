package journal

import (
	"os"

	"golang.org/x/sys/windows"
)

// lock waits until no other process holds the file's lock. It ends with the process that holds it.
func (s *store) lock(file string) (unlock func(), err error) {
	f, err := s.create(file, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return nil, err
	}
	if err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, new(windows.Overlapped)); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
