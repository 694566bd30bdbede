// Package regular opens files that other users may have put there: nothing but regular ones, so that none keeps its reader
// waiting (a named pipe) or never ends (/dev/zero). The service, as root, reads users' revisions and records.
package regular

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
)

// ErrNot is why a file is not opened.
var ErrNot = errors.New("it is no regular file")

// Read gives what is in a file of at most limit bytes. A symbolic link is followed.
func Read(file string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|NoWait(), 0)
	if err != nil {
		return nil, err
	}
	return all(f, file, limit)
}

// ReadIn is Read of a file in a folder, out of which nothing leads.
func ReadIn(root *os.Root, file string, limit int64) ([]byte, error) {
	f, err := OpenIn(root, file, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return all(f, file, limit)
}

// OpenIn opens a file in a folder that is there.
func OpenIn(root *os.Root, file string, flag int) (*os.File, error) {
	f, err := root.OpenFile(file, flag|NoWait(), 0)
	if err != nil {
		return nil, err
	}
	if err := is(f, file); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// NoWait is the flag that keeps the opening of a named pipe from waiting for who is at its other end.
func NoWait() int {
	if runtime.GOOS == "windows" {
		return 0
	}
	return syscall.O_NONBLOCK
}

func is(f *os.File, file string) error {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: file, Err: ErrNot}
	}
	return err
}

func all(f *os.File, file string, limit int64) ([]byte, error) {
	defer f.Close()
	if err := is(f, file); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is larger than %d MiB", file, limit>>20)
	}
	return b, err
}
