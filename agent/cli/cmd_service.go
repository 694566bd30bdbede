package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent"
)

func (a *app) service() *cobra.Command {
	c := &cobra.Command{
		Use: "service", Short: "Wingman's own service: run, install, uninstall, start, stop, restart, status", Args: cobra.NoArgs,
		Long: `Wingman's own service, which runs what hooks ask for, gives guards back and watches the CodeDeploy agent.
The package brings a unit and starts it; install is for a binary without a package. All but run and status need root.

EXIT STATUS
  0  done; status: it runs
  1  it could not be done; status: it does not run
  2  the command line is wrong, or only root may do this
  3  refused: the unit is the package's own`,
		Example: "  sudo wingman service install && sudo wingman service start\n  wingman service status",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.serviceRun(), a.serviceStatus(), a.serviceReload())
	var s agent.SystemService
	for _, act := range []struct {
		name, short, long, done string
		do                      func() error
	}{
		{"install", "Make the service known to the service manager", "Make the service known to the service manager, for this binary where it lies now, and have it start at boot.\nWhere wingman's package brought a unit this is refused: that one is to be used.", "installed; start it: sudo wingman service start", s.Install},
		{"uninstall", "Stop the service and make the service manager forget it", "Stop the service and make the service manager forget it. Runs that are under way go on to their end; settings, state\nand logs stay.", "uninstalled", s.Uninstall},
		{"start", "Start the service", "Start the service now.", "started", s.Start},
		{"stop", "Stop the service", "Stop the service. Runs that are under way go on to their end. Until it runs again no guard is given back by this\ninstance, and hooks run their steps themselves.", "stopped", s.Stop},
		{"restart", "Restart the service", "Restart the service. Runs that are under way go on, and the new one finds them.", "restarted", s.Restart},
	} {
		c.AddCommand(&cobra.Command{Use: act.name, Short: act.short, Args: cobra.NoArgs, Example: "  sudo wingman service " + act.name,
			Long: act.long + `

EXIT STATUS
  0  done
  1  it could not be done
  2  the command line is wrong, or only root may do this
  3  refused: the unit is the package's own`,
			RunE: func(*cobra.Command, []string) error {
				if err := onlyRoot(os.Geteuid(), act.name); err != nil {
					return err
				}
				if err := act.do(); err != nil {
					return serviceFailure(err)
				}
				return a.printf("%s\n", act.done)
			}})
	}
	return c
}

// onlyRoot refuses a user who is not root. Windows has no such number (-1) and says itself what is missing.
func onlyRoot(uid int, act string) error {
	if uid <= 0 {
		return nil
	}
	return usage("cannot %s the service: only root may\n    sudo wingman service %s", act, act)
}

func serviceFailure(err error) error {
	if errors.Is(err, agent.ErrPackaged) {
		return failure{exitRefused, err}
	}
	return err
}

func (a *app) serviceRun() *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "Be the service (what the unit calls)", Args: cobra.NoArgs,
		Long: `Be the service, until SIGTERM or SIGINT. The unit calls this; by hand it is for trying things out, as root.
SIGHUP does not end it.

EXIT STATUS
  0  it was ended
  1  it could not go on
  2  the command line or the settings are wrong`,
		Example: "  sudo wingman service run",
		RunE: func(*cobra.Command, []string) error {
			return agent.Serve(a.serve)
		},
	}
}

func (a *app) serviceStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say whether the service runs", Args: cobra.NoArgs,
		Long: `Say how the service manager has the service: running, starting (or ending again and again), stopped, failed or not
installed.

EXIT STATUS
  0  it runs
  1  it does not, or cannot be asked for
  2  the command line is wrong`,
		Example: "  wingman service status\n  wingman service status --output json",
		RunE: func(*cobra.Command, []string) error {
			state, err := agent.SystemService{}.Status()
			if errors.Is(err, agent.ErrNoService) {
				state = "not installed"
			} else if err != nil {
				return err
			}
			if a.output == "json" {
				err = a.json(map[string]any{"version": 1, "service": state})
			} else {
				err = a.printf("%s\n", state)
			}
			if err == nil && state != agent.Running {
				err = failure{exitFailed, errSilent}
			}
			return err
		},
	}
}
