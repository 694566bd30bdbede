//go:build unix

package journal

import (
	"os"
	"syscall"
)

// lock waits until no other process holds the file's lock. It ends with the process that holds it.
func (s *store) lock(file string) (unlock func(), err error) {
	f, err := s.create(file, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
