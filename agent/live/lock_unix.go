//go:build unix

package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Lock makes the files that the runner, a process of that user's, needs, and takes the lock that says that it lives: it
// is held for as long as any process has the file open that is returned, which is to be given to the runner.
func (d Dir) Lock(uid int) (*os.File, error) {
	own := func(name string) (*os.File, error) {
		f, err := os.OpenFile(filepath.Join(d.Runs(), name), os.O_CREATE|os.O_EXCL|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
		if err == nil && uid != os.Geteuid() {
			err = f.Chown(uid, -1)
		}
		return f, err
	}
	readers, err := own("readers")
	if err == nil {
		readers.Close()
		var f *os.File
		if f, err = own("lock"); err == nil {
			if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
				return f, nil
			}
			f.Close()
		}
	}
	return nil, fmt.Errorf("cannot make a place for the run: %w", err)
}

// Lives says whether the run's process is there.
func (d Dir) Lives() bool { return locked(filepath.Join(d.Runs(), "lock")) }

// attended says whether somebody waits for the run.
func attended(dir string) bool { return locked(filepath.Join(dir, "readers")) }

// locked says whether somebody has a lock on the file.
func locked(file string) bool {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// lockShared has the file's owner wait. Whoever asks whether somebody has it locks it himself, for a moment.
func lockShared(f *os.File) (err error) {
	for range 20 {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return err
}

// openSafe opens a file that another user may have made: no link, nothing but a regular file of that user's.
func openSafe(file string, uid int) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", file)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); err == nil && ok && int(st.Uid) != uid {
		err = fmt.Errorf("%s is not of user %d", file, uid)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
