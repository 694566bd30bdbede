//go:build unix

package proc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// account is one user, as the kernel and the environment want to know it.
type account struct {
	name, home, shell string
	uid, gid          uint32
	groups            []uint32
}

// lookup finds a user by name or number: in /etc/passwd; else by getent, since a static binary does not see LDAP or
// SSSD; else by os/user, which is the way on macOS.
func lookup(name string) (*account, error) {
	if file, err := os.ReadFile("/etc/passwd"); err == nil {
		if a := parsePasswd(string(file), name); a != nil {
			u := user.User{Username: a.name, Uid: fmt.Sprint(a.uid), Gid: fmt.Sprint(a.gid)}
			ids, _ := u.GroupIds()
			a.addGroups(ids)
			return a, nil
		}
	}
	if a := parsePasswd(ask("getent", "passwd", name), name); a != nil {
		a.addGroups(strings.Fields(ask("id", "-G", a.name)))
		return a, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return nil, fmt.Errorf("user %s does not exist on this host", name)
		}
	}
	a := parsePasswd(strings.Join([]string{u.Username, "x", u.Uid, u.Gid, "", u.HomeDir, ""}, ":"), u.Username)
	if a == nil {
		return nil, fmt.Errorf("user %s has no usable uid", name)
	}
	ids, _ := u.GroupIds()
	a.addGroups(ids)
	return a, nil
}

// ask runs a lookup command, which may have to go over the network, and gives what it says.
func ask(argv ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

// parsePasswd finds name in lines of passwd(5); a name of that spelling comes before a number.
func parsePasswd(lines, name string) *account {
	var byNumber *account
	for line := range strings.Lines(lines) {
		f := strings.Split(strings.TrimRight(line, "\r\n"), ":")
		if len(f) < 7 || f[0] != name && f[2] != name {
			continue
		}
		uid, err1 := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		a := &account{name: f[0], uid: uint32(uid), gid: uint32(gid), home: f[5], shell: f[6]}
		if a.home == "" {
			a.home = "/"
		}
		if a.shell == "" {
			a.shell = "/bin/sh"
		}
		if a.name == name {
			return a
		}
		if byNumber == nil {
			byNumber = a
		}
	}
	return byNumber
}

func (a *account) addGroups(ids []string) {
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			a.groups = append(a.groups, uint32(n))
		}
	}
	if len(a.groups) == 0 {
		a.groups = []uint32{a.gid}
	}
}

// env is what su of util-linux sets without -l.
func (a *account) env() []string {
	env := []string{"HOME=" + a.home, "SHELL=" + a.shell}
	if a.uid != 0 {
		env = append(env, "USER="+a.name, "LOGNAME="+a.name)
	}
	return env
}

func (a *account) credential() (*syscall.Credential, error) {
	if int(a.uid) == os.Geteuid() {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("only root may run a step as another user (" + a.name + ")")
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups}, nil
}

// caller is the account of this process.
func caller() *account {
	a := &account{name: "uid " + strconv.Itoa(os.Geteuid()), uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	gids, _ := os.Getgroups()
	for _, g := range gids {
		a.groups = append(a.groups, uint32(g))
	}
	return a
}

// may says whether the file's mode lets a execute it (or, a folder, pass it). ACLs are not looked at.
func (a *account) may(info fs.FileInfo) bool {
	mode := info.Mode().Perm()
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case a.uid == 0:
		return info.IsDir() || mode&0o111 != 0
	case !ok:
		return true
	case st.Uid == a.uid:
		return mode&0o100 != 0
	case st.Gid == a.gid:
		return mode&0o010 != 0
	}
	for _, g := range a.groups {
		if st.Gid == g {
			return mode&0o010 != 0
		}
	}
	return mode&0o001 != 0
}

// IsRoot says whether the user of that name or number is root, by whatever name.
func IsRoot(name string) bool {
	a, err := lookup(name)
	return err == nil && a.uid == 0
}
