package rehearsal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/appspec"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// installBundle copies what files says and sets what permissions says, as the CodeDeploy agent does in Install
// (installer.rb): first all that the last Install made is taken away.
func (a *agent) installBundle(d deployment) error {
	spec, err := appspec.Load(a.archive(d, d.ID))
	if err != nil {
		return err
	}
	for name := range spec.Hooks {
		if !lifecycle.Event(name).TakesHooks() {
			return fmt.Errorf("appspec.yml file contains unknown lifecycle events: [%q]", name)
		}
	}
	if err := a.cleanUp(d); err != nil {
		return err
	}
	i := &installer{agent: a, spec: spec, archive: a.archive(d, d.ID), sources: map[string]string{}}
	err = i.files()
	if err == nil {
		err = i.permissions()
	}
	if e := a.remember(d, i.made); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return a.point(lastSuccessful, d)
}

// cleanUp takes away what the last Install made, newest first; folders only where they are empty.
func (a *agent) cleanUp(d deployment) error {
	file := a.instruction(d, "-cleanup")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	made := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	for i := len(made) - 1; i >= 0; i-- {
		// A folder that is not empty stays: what the application wrote is not the CodeDeploy agent's.
		_ = os.Remove(made[i])
	}
	return os.Remove(file)
}

func (a *agent) remember(d deployment, made []string) error {
	if len(made) == 0 {
		return nil
	}
	return os.WriteFile(a.instruction(d, "-cleanup"), []byte(strings.Join(made, "\n")+"\n"), 0o600)
}

// installer is one Install under way.
type installer struct {
	*agent
	spec    appspec.Spec
	archive string
	sources map[string]string // destination to source: two for one are an error
	made    []string
}

func (i *installer) files() error {
	for _, f := range i.spec.Files {
		from := filepath.Join(i.archive, filepath.FromSlash(f.Source))
		to := filepath.Join(i.install, filepath.FromSlash(f.Destination))
		info, err := os.Stat(from)
		if err != nil {
			return fmt.Errorf("%s: files: %w", f.Position, err)
		}
		if err := i.folders(to); err != nil {
			return err
		}
		if info.IsDir() {
			err = i.tree(from, to)
		} else {
			err = i.file(from, filepath.Join(to, filepath.Base(from)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// folders makes a folder and what is missing above it.
func (i *installer) folders(dir string) error {
	info, err := os.Stat(dir)
	if err == nil {
		if !info.IsDir() {
			return fmt.Errorf("the destination %s is a file", i.shown(dir))
		}
		return nil
	}
	if err := i.folders(filepath.Dir(dir)); err != nil {
		return err
	}
	i.made = append(i.made, dir)
	return os.Mkdir(dir, 0o755)
}

// tree merges a folder's content into another; links are copied as links.
func (i *installer) tree(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if info, err := os.Stat(src); err == nil && info.IsDir() {
			if err := i.folders(dst); err != nil {
				return err
			}
			if err := i.tree(src, dst); err != nil {
				return err
			}
			continue
		}
		if err := i.file(src, dst); err != nil {
			return err
		}
	}
	return nil
}

func (i *installer) file(from, to string) error {
	if other, twice := i.sources[to]; twice {
		return fmt.Errorf("files: %s is the destination of both %s and %s", i.shown(to), i.inBundle(other), i.inBundle(from))
	}
	i.sources[to] = from
	info, err := os.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("files: %s is a folder, and %s a file", i.shown(to), i.inBundle(from))
	case i.spec.FileExistsBehavior == "RETAIN":
		return nil
	case i.spec.FileExistsBehavior == "OVERWRITE":
		if err := os.Remove(to); err != nil {
			return err
		}
	default:
		return says("The deployment failed because a specified file already exists at this location: %s", i.shown(to))
	}
	i.made = append(i.made, to)
	return copyOne(from, to, false)
}

func (i *installer) shown(path string) string { return strings.TrimPrefix(path, i.install) }

func (i *installer) inBundle(path string) string {
	return strings.TrimPrefix(path, i.archive+string(filepath.Separator))
}

// permissions sets owners and modes. ACLs and SELinux contexts are told, not set: this machine is not the instance.
func (i *installer) permissions() error {
	for _, p := range i.spec.Permissions {
		object := filepath.Join(i.install, filepath.FromSlash(p.Object))
		info, err := os.Stat(object)
		if err != nil {
			i.note("permissions: %s is not set: what is not installed cannot be found under the scratch root", p.Object)
			continue
		}
		if len(p.ACLs) > 0 || p.Context != nil {
			i.note("permissions: acls and context of %s are not set", p.Object)
		}
		if !info.IsDir() {
			if err := i.permit(object, p); err != nil {
				return err
			}
			continue
		}
		if err := i.within(object, p); err != nil {
			return err
		}
	}
	return nil
}

// within applies a permission to the installed files and folders in one.
func (i *installer) within(object string, p appspec.Permission) error {
	if has(p.Types, "directory") && p.Pattern == "**" && has(i.made, object) {
		if err := i.permit(object, p); err != nil {
			return err
		}
	}
	for _, path := range i.made {
		rel, err := filepath.Rel(object, path)
		if err != nil || rel == "." || strings.HasPrefix(rel, "..") || !covers(p, rel) {
			continue
		}
		info, err := os.Lstat(path)
		if err != nil || info.IsDir() != has(p.Types, "directory") && info.IsDir() || !info.IsDir() && !has(p.Types, "file") {
			continue
		}
		if err := i.permit(path, p); err != nil {
			return err
		}
	}
	return nil
}

// covers says whether pattern and except let rel pass: ** is everything below, * in a name any characters, and only
// children of the object match a pattern other than **.
func covers(p appspec.Permission, rel string) bool {
	base := filepath.Base(rel)
	for _, e := range p.Except {
		if ok, _ := filepath.Match(e, base); ok {
			return false
		}
	}
	if p.Pattern == "**" {
		return true
	}
	ok, _ := filepath.Match(p.Pattern, base)
	return ok && !strings.ContainsRune(rel, filepath.Separator)
}

func (i *installer) permit(path string, p appspec.Permission) error {
	if p.Mode != "" {
		mode, err := strconv.ParseUint(p.Mode, 8, 32)
		if err != nil {
			return err
		}
		if err := os.Chmod(path, fileMode(mode)); err != nil {
			return err
		}
	}
	if p.Owner == "" && p.Group == "" {
		return nil
	}
	if os.Geteuid() != 0 {
		i.note("permissions: owner and group are not set: only root may")
		return nil
	}
	uid, gid := -1, -1
	if p.Owner != "" {
		u, err := user.Lookup(p.Owner)
		if err != nil {
			return fmt.Errorf("permissions: the owner %s does not exist on this machine", p.Owner)
		}
		uid, _ = strconv.Atoi(u.Uid)
	}
	if p.Group != "" {
		g, err := user.LookupGroup(p.Group)
		if err != nil {
			return fmt.Errorf("permissions: the group %s does not exist on this machine", p.Group)
		}
		gid, _ = strconv.Atoi(g.Gid)
	}
	return os.Lchown(path, uid, gid)
}

// fileMode turns four octal digits into Go's bits.
func fileMode(m uint64) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	for bit, flag := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

func has(all []string, one string) bool {
	for _, a := range all {
		if a == one {
			return true
		}
	}
	return false
}

// copyOne copies a folder (itself, not what is in it), a link as a link, or a file with its mode and time.
func copyOne(from, to string, dir bool) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	switch {
	case dir:
		return os.MkdirAll(to, info.Mode().Perm()|0o700)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case !info.Mode().IsRegular():
		return nil // a bundle carries no sockets, pipes and devices
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm()|0o200)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(to, info.Mode().Perm())
	}
	if err == nil {
		err = os.Chtimes(to, info.ModTime(), info.ModTime())
	}
	return err
}

// copyTree copies a revision's folder as a bundle carries it: without version control.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" && rel != "." {
			return filepath.SkipDir
		}
		return copyOne(path, filepath.Join(to, rel), d.IsDir())
	})
}
