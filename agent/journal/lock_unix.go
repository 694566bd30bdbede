//go:build unix

package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockMost is how long a lock is waited for. Who holds one needs milliseconds for what it does; a process that stands still,
// or a user who holds the lock of his own records for fun, must not stop the service, which gives back what others hold.
const lockMost = 5 * time.Second

// lock waits until no other process holds the file's lock, but not for ever. It ends with the process that holds it.
func (s *store) lock(file string) (unlock func(), err error) {
	f, err := s.create(file, os.O_CREATE|os.O_RDWR|syscall.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockMost); ; {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if err != syscall.EINTR && (err != syscall.EWOULDBLOCK || time.Now().After(end)) {
			f.Close()
			return nil, fmt.Errorf("cannot lock %s: %w", filepath.Join(s.name, file), err)
		}
		time.Sleep(5 * time.Millisecond) // flock has no deadline
	}
}
