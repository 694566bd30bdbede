package run

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/codedeploy-wingman/wingman/agent/regular"
)

// MendLog puts the end behind the head of a log whose run was ended in the middle of it; false where nothing is to be
// done. The log must be one of the folder logs, and nothing in that may lead out of it: the service, as root, mends logs
// in folders that belong to users. What it appends it removes at once, so that only a crash between the two, of the mending
// itself, leaves some lines twice.
func MendLog(logs, path string) (mended bool, err error) {
	name, err := filepath.Rel(logs, path)
	if err != nil || !filepath.IsLocal(name) {
		return false, fmt.Errorf("cannot put the log %s together: it is not in %s", path, logs)
	}
	root, err := os.OpenRoot(logs)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot put the log %s together: %w", path, err)
	}
	defer root.Close()
	turns := ends(root, name)
	if len(turns) == 0 {
		return false, nil
	}
	f, err := regular.OpenIn(root, name, os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return false, fmt.Errorf("cannot put the log %s together: %w", path, err)
	}
	if len(turns) == 2 {
		_, err = io.WriteString(f, "\n[wingman: here some of the log may be left out: it is bounded, and its run was interrupted]\n")
	}
	for _, turn := range turns {
		if err == nil {
			err = appendFile(root, f, turn)
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("cannot put the log %s together: %w", path, err)
	}
	return true, nil
}

// ends gives the files that hold a log's end, the older first.
func ends(root *os.Root, name string) (out []string) {
	var last os.FileInfo
	for i := range 2 {
		turn := name + "." + strconv.Itoa(i) + ".end"
		info, err := root.Lstat(turn)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		out = append(out, turn)
		if last != nil && (info.ModTime().Before(last.ModTime()) || info.ModTime().Equal(last.ModTime()) && info.Size() > last.Size()) {
			out[0], out[1] = out[1], out[0] // a full one gives its turn to the other
		}
		last = info
	}
	return out
}

func appendFile(root *os.Root, to io.Writer, name string) error {
	f, err := regular.OpenIn(root, name, os.O_RDONLY)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Remove(name)
}
