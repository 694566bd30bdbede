//go:build unix

package proc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// command is a Spec made ready for the kernel.
type command struct {
	path   string // what is executed
	file   string // the same, as seen from this process's own folder
	argv   []string
	dir    string
	env    []string
	script bool
	who    *account // nil: the caller
	cred   *syscall.Credential
}

func prepare(s Spec) (*command, error) {
	if len(s.Argv) == 0 || s.Argv[0] == "" {
		return nil, errors.New("cannot start: no command given")
	}
	c := &command{path: s.Argv[0], argv: s.Argv, dir: s.Dir, env: setEnv(s.Env), script: s.Script}
	if s.User != "" {
		var err error
		if c.who, err = lookup(s.User); err != nil {
			return nil, err
		}
		if c.cred, err = c.who.credential(); err != nil {
			return nil, err
		}
		c.env = setEnv(c.env, c.who.env()...)
	}
	if c.dir != "" {
		if info, err := os.Stat(c.dir); err != nil {
			return nil, fmt.Errorf("cannot start: working folder: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("cannot start: working folder %s is not a directory", c.dir)
		}
	}
	if c.script {
		c.file = c.seen(c.path)
		return c, c.checkScript()
	}
	return c, c.find()
}

// seen gives a path, which is relative to the working folder, as this process has to say it.
func (c *command) seen(path string) string {
	if filepath.IsAbs(path) || c.dir == "" {
		return path
	}
	return filepath.Join(c.dir, path)
}

// find looks a bare name up in the PATH that the process itself will have.
func (c *command) find() error {
	c.file = c.seen(c.path)
	if strings.Contains(c.path, "/") {
		return nil
	}
	list, ok := getEnv(c.env, "PATH")
	if !ok {
		list = "/bin:/usr/bin" // as execvp does
	}
	for _, dir := range filepath.SplitList(list) {
		if dir == "" {
			dir = "."
		}
		path := dir + "/" + c.path
		if info, err := os.Stat(c.seen(path)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			c.path, c.file = path, c.seen(path)
			return nil
		}
	}
	return fmt.Errorf("command not found: %s is in no folder of PATH=%s", c.path, list)
}

func (c *command) checkScript() error {
	info, err := os.Stat(c.file)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("script does not exist: %s", c.path)
	case err != nil:
		return fmt.Errorf("cannot start: %w", err)
	case info.IsDir():
		return fmt.Errorf("cannot start: %s is a directory", c.path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("cannot start: %s is not a regular file", c.path)
	}
	if caller().may(info) {
		return nil
	}
	if err := os.Chmod(c.file, info.Mode()|0o111); err != nil { // as the CodeDeploy agent does
		return fmt.Errorf("cannot start: cannot make the script executable: %w", err)
	}
	return nil
}

// start starts it, with w as its stdout and stderr, in group where the kernel lets it; the cgroup that it gives back is
// the one that the process is in.
func (c *command) start(ctx context.Context, w *os.File, group cgroup) (*os.Process, cgroup, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, cgroup{}, fmt.Errorf("cannot start: %w", err)
	}
	defer null.Close()
	attr := &os.ProcAttr{Dir: c.dir, Env: c.env, Files: []*os.File{null, w, w},
		Sys: &syscall.SysProcAttr{Setpgid: true, Credential: c.cred}}
	if f := group.take(attr.Sys); f != nil {
		p, err := c.exec(ctx, attr)
		f.Close()
		if err == nil {
			return p, group, nil
		}
		// Whether the kernel refused the program or the cgroup, no error tells: once more without.
		attr.Sys = &syscall.SysProcAttr{Setpgid: true, Credential: c.cred}
	}
	group.remove()
	p, err := c.exec(ctx, attr)
	if err != nil {
		return nil, cgroup{}, c.explain(err)
	}
	return p, cgroup{}, nil
}

func (c *command) exec(ctx context.Context, attr *os.ProcAttr) (*os.Process, error) {
	p, err := startWhenFree(ctx, c.path, c.argv, attr)
	if c.script && errors.Is(err, syscall.ENOEXEC) && foreign(c.head()) == "" {
		p, err = startWhenFree(ctx, "/bin/sh", append([]string{"/bin/sh", c.path}, c.argv[1:]...), attr)
	}
	return p, err
}

// startWhenFree waits a moment for a file that is still open for writing (ETXTBSY): a process forked meanwhile, here or in
// the agent, may have the file open until its exec.
func startWhenFree(ctx context.Context, path string, argv []string, attr *os.ProcAttr) (*os.Process, error) {
	for pause := time.Millisecond; ; pause *= 2 {
		p, err := os.StartProcess(path, argv, attr)
		if !errors.Is(err, syscall.ETXTBSY) || pause > 256*time.Millisecond {
			return p, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}
