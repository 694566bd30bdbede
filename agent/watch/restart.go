package watch

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// ErrInDeployment is the refusal of a restart that would end a lifecycle event.
var ErrInDeployment = errors.New("the CodeDeploy agent is in a deployment")

// Restart restarts the CodeDeploy agent. Whether a run of ours is in flight the caller knows; what this adds: it refuses
// while one of its processes lives and a tracking file says that it is in a lifecycle event, since systemd ends its processes
// even where its own stop refuses. Where none lives a tracking file stops nobody: the event was lost with the process, and
// only a CodeDeploy agent that starts reports it as failed. Stopping may take the CodeDeploy agent up to two hours
// (kill_agent_max_wait_time_seconds): ctx bounds the waiting, and systemd goes on.
func (a CodeDeployAgent) Restart(ctx context.Context) error {
	st := a.Look()
	if !st.Installed {
		return errors.New("cannot restart the CodeDeploy agent: " + st.Problem)
	}
	set := a.settings()
	busy, err := set.tracked(time.Now())
	if err != nil {
		return fmt.Errorf("cannot restart the CodeDeploy agent: %w", err)
	}
	if len(busy) > 0 && a.processes(set).any {
		return fmt.Errorf("cannot restart the CodeDeploy agent: %w: %s; wait for its end: sudo ls %s", ErrInDeployment, strings.Join(busy, ", "), set.root+"/"+set.tracking)
	}
	argv := a.Command
	if len(argv) == 0 {
		argv = []string{"systemctl", "restart", "codedeploy-agent"}
		if _, err := exec.LookPath("systemctl"); err != nil {
			argv = []string{"service", "codedeploy-agent", "restart"}
		}
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = time.Second // the CodeDeploy agent that an init script starts may hold the output
	out, err := cmd.CombinedOutput()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return fmt.Errorf("cannot restart the CodeDeploy agent: %s: %w: %s\n    systemctl status codedeploy-agent", strings.Join(argv, " "), err, short(strings.TrimSpace(string(out))))
	}
	return nil
}
