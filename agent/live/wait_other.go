//go:build !linux

package live

import (
	"context"
	"time"
)

// waiter looks every now and then.
type waiter struct{}

func watch(string) (*waiter, error) { return &waiter{}, nil }

func (*waiter) wait(ctx context.Context) error {
	select {
	case <-time.After(20 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (*waiter) close() {}
