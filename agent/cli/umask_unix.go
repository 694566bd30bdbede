//go:build unix

package cli

import "syscall"

// currentUmask gives this process's umask, which can only be asked for by setting another.
func currentUmask() int {
	mask := syscall.Umask(0o077)
	syscall.Umask(mask)
	return mask
}
