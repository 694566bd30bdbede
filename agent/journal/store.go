package journal

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/regular"
)

// store is the state folder, held open. The service, as root, keeps records in folders that belong to the users whose
// events it ran: so nothing in the folder may lead out of it (a symbolic link to a system's file), and what root makes in
// it is its owner's, who must be able to read and replace it.
type store struct {
	*os.Root
	name     string
	uid, gid int // of who owns the folder; -1: the caller does
}

// open opens the state folder. One that is not there is made for who writes, else it is os.ErrNotExist.
func (j *Journal) open(write bool) (*store, error) {
	dir := filepath.Dir(j.dir)
	if write {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	s := &store{Root: root, name: dir, uid: -1, gid: -1}
	if info, err := root.Stat("."); err == nil {
		s.uid, s.gid = another(info)
	}
	return s, nil
}

// mkdir makes a folder and those above it.
func (s *store) mkdir(dir string) error {
	for i, c := range dir + "/" {
		if c != '/' {
			continue
		}
		err := s.Mkdir(dir[:i], 0o750)
		if err == nil && s.uid >= 0 {
			err = s.Lchown(dir[:i], s.uid, s.gid)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// create opens a file for writing, which is made with flag os.O_CREATE.
func (s *store) create(file string, flag int) (*os.File, error) {
	f, err := s.OpenFile(file, flag, 0o640)
	if err == nil && s.uid >= 0 {
		err = f.Chown(s.uid, s.gid)
	}
	return f, err
}

// entries lists a folder; one that is not there is empty.
func (s *store) entries(dir string) (list []os.DirEntry, err error) {
	d, err := s.OpenFile(dir, os.O_RDONLY|regular.NoWait(), 0)
	if err == nil {
		list, err = d.ReadDir(-1)
		d.Close()
	}
	slices.SortFunc(list, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the records: %w", err)
	}
	return list, nil
}

// replace writes a file whole or not at all, durably.
func (s *store) replace(file string, data []byte) error {
	dir := path.Dir(file)
	temporary := dir + "/" + newPrefix + random()
	f, err := s.create(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = s.Rename(temporary, file)
	}
	if err != nil {
		return errors.Join(err, s.Remove(temporary))
	}
	return s.sync(dir)
}

// newPrefix begins the names of files that are being written.
const newPrefix = ".new-"

func random() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// sync makes durable that a file is in the folder.
func (s *store) sync(dir string) error {
	d, err := s.OpenFile(dir, os.O_RDONLY|regular.NoWait(), 0)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("cannot write the record: %w", err)
	}
	return nil
}
