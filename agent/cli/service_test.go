package cli

import (
	"errors"
	"fmt"
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
