//go:build !linux

package scope

import (
	"context"
	"time"
)

// Booted says whether systemd is PID 1 here; it is not.
func Booted() bool { return false }

// Manager would speak to systemd.
type Manager struct{}

// New gives a Manager whose calls say that there is no systemd.
func New() *Manager { return &Manager{} }

// Start fails with ErrNoSystemd.
func (*Manager) Start(context.Context, string, string, int, time.Duration) error { return ErrNoSystemd }

// List fails with ErrNoSystemd.
func (*Manager) List(context.Context) ([]Unit, error) { return nil, ErrNoSystemd }

// Stop fails with ErrNoSystemd.
func (*Manager) Stop(context.Context, string) error { return ErrNoSystemd }

// Close does nothing.
func (*Manager) Close() {}
