package live

import (
	"errors"
	"os"
)

var errUnix = errors.New("on Windows an event always runs in its caller's own process")

// Lock is of no use on Windows: see errUnix.
func (d Dir) Lock(int) (*os.File, error) { return nil, errUnix }

// Lives says that nothing does.
func (d Dir) Lives() bool { return false }

func attended(string) bool                   { return false }
func locked(string) bool                     { return false }
func lockShared(*os.File) error              { return errUnix }
func openSafe(string, int) (*os.File, error) { return nil, errUnix }

// End does nothing.
func (d Dir) End(Meta, string) error { return errUnix }

// ProcessStart is not known.
func ProcessStart(int) string { return "" }
