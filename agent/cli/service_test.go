package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent"
)

// Only root changes the service; others are told what to type.
func TestOnlyRoot(t *testing.T) {
	err := onlyRoot(1000, "install")
	if codeOf(err) != exitUsage || err.Error() != "cannot install the service: only root may\n    sudo wingman service install" {
		t.Errorf("%v", err)
	}
	if onlyRoot(0, "install") != nil || onlyRoot(-1, "install") != nil {
		t.Error("root is refused")
	}
}

func TestServiceFailures(t *testing.T) {
	if got := codeOf(serviceFailure(fmt.Errorf("cannot: %w", agent.ErrPackaged))); got != exitRefused {
		t.Errorf("the package's unit: %d", got)
	}
	if got := codeOf(serviceFailure(errors.New("x"))); got != exitFailed {
		t.Errorf("else: %d", got)
	}
}

// What the service ends with is what the command ends with, and it is not ended by what ends a command.
func TestServiceRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as Main's is after a SIGHUP
	for _, want := range []error{nil, failure{exitUsage, errors.New("host.yml is wrong")}} {
		a := &app{Streams: Streams{Out: io.Discard, Err: io.Discard}, serve: func(ctx context.Context) error {
			if ctx.Err() != nil {
				t.Error("ended from the beginning")
			}
			return want
		}}
		c := a.root()
		c.SetArgs([]string{"service", "run"})
		if err := c.ExecuteContext(ctx); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
