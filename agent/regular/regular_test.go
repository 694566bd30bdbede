//go:build unix

package regular

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestNothingIsReadThatIsNoFileOrDoesNotEnd(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(at("file"), []byte("text"), 0o600), syscall.Mkfifo(at("pipe"), 0o600), os.Symlink("/dev/zero", at("endless")), os.Symlink("file", at("link"))); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"file", "link"} {
		if b, err := Read(at(name), 4); string(b) != "text" || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		if b, err := ReadIn(root, name, 4); string(b) != "text" || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for _, name := range []string{"pipe", "endless", "."} {
		if _, err := Read(at(name), 4); !errors.Is(err, ErrNot) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenIn(root, "pipe", os.O_RDONLY); !errors.Is(err, ErrNot) {
		t.Errorf("%v", err)
	}
	if _, err := Read(at("file"), 3); err == nil {
		t.Error("more than the limit was read")
	}
	if _, err := Read(at("nothing"), 3); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
