//go:build unix

package proc

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// explain makes of an error of the kernel's what a person has to know in order to mend it.
func (c *command) explain(err error) error {
	var no syscall.Errno
	errors.As(err, &no)
	why := ""
	switch no {
	case syscall.ENOENT:
		why = c.missing()
	case syscall.ENOEXEC:
		if why = foreign(c.head()); why == "" {
			why = "is no program, and has no #! line"
		}
	case syscall.EACCES, syscall.EPERM:
		why = c.denied()
	}
	if why == "" {
		return fmt.Errorf("cannot start %s: %w", c.path, err)
	}
	return fmt.Errorf("cannot start: %s %s", c.path, why)
}

// head is the beginning of the file; "" where it cannot be read.
func (c *command) head() string {
	f, err := os.Open(c.file)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 256) // all that the kernel reads of a #! line
	n, _ := io.ReadFull(f, b)
	return string(b[:n])
}

// interpreter gives the program that the #! line names, and whether the line ends in CRLF.
func interpreter(head string) (path string, crlf bool) {
	rest, ok := strings.CutPrefix(head, "#!")
	if !ok {
		return "", false
	}
	line, _, _ := strings.Cut(rest, "\n")
	line, crlf = strings.CutSuffix(line, "\r")
	if f := strings.Fields(line); len(f) > 0 {
		path = f[0]
	}
	return path, crlf
}

const mendCRLF = "mend it by `sed -i 's/\\r$//' %s`, and for good by `*.sh text eol=lf` in .gitattributes"

// missing says what is missing where the kernel says "no such file".
func (c *command) missing() string {
	if _, err := os.Stat(c.file); err != nil {
		return "does not exist"
	}
	head := c.head()
	path, crlf := interpreter(head)
	switch {
	case crlf:
		return fmt.Sprintf("has Windows line endings (CRLF), so that its #! line asks for %q: "+mendCRLF, path+"\r", c.path)
	case path != "":
		return fmt.Sprintf("asks in its #! line for the interpreter %s, which does not exist", path)
	case strings.HasPrefix(head, elf.ELFMAG):
		return "asks for a loader (ld.so) that does not exist: it is built for another libc"
	}
	return ""
}

// crlfHint is for a script that did start, by `#!/usr/bin/env bash` with CRLF, and whose command was not found.
func (c *command) crlfHint() string {
	if _, crlf := interpreter(c.head()); crlf {
		return fmt.Sprintf(": its #! line ends in CRLF; "+mendCRLF, c.path)
	}
	return ""
}

// foreign says of an ELF file what it is built for; "" of anything else.
func foreign(head string) string {
	b := []byte(head)
	if !bytes.HasPrefix(b, []byte(elf.ELFMAG)) || len(b) < 20 {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(b[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	return fmt.Sprintf("is built for another architecture (%s; this host is %s)", elf.Machine(order.Uint16(b[18:])), runtime.GOARCH)
}

// denied says what stands in the way of the user.
func (c *command) denied() string {
	who := c.who
	if who == nil {
		who = caller()
	}
	if dir := closed(c.file, who); dir != "" {
		return fmt.Sprintf("cannot be reached by %s: no x permission on the folder %s", who.name, dir)
	}
	if c.dir != "" {
		if dir := closed(filepath.Join(c.dir, "x"), who); dir != "" {
			return fmt.Sprintf("cannot be run in %s by %s: no x permission on the folder %s", c.dir, who.name, dir)
		}
	}
	info, err := os.Stat(c.file)
	switch {
	case err != nil:
		return ""
	case info.IsDir():
		return "is a directory"
	case mountedNoexec(c.file):
		return "is on a file system that is mounted noexec"
	case !who.may(info):
		return fmt.Sprintf("may not be executed by %s: its mode is %04o", who.name, info.Mode().Perm())
	}
	if path, _ := interpreter(c.head()); path != "" {
		return fmt.Sprintf("asks in its #! line for the interpreter %s, which may not be executed", path)
	}
	return ""
}

// closed gives the topmost folder on the way to path that who cannot pass.
func closed(path string, who *account) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		abs = filepath.Join(real, filepath.Base(abs))
	}
	found := ""
	for dir := filepath.Dir(abs); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && !who.may(info) {
			found = dir
		}
		if dir == filepath.Dir(dir) {
			return found
		}
	}
}
