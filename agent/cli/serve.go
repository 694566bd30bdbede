package cli

import (
	"context"
	"log/slog"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent"
	"github.com/codedeploy-wingman/wingman/agent/journald"
	"github.com/codedeploy-wingman/wingman/agent/scope"
)

// serve is the service.
func (a *app) serve(ctx context.Context) error {
	e := a.engine()
	var scopes agent.Scopes
	if scope.Booted() {
		m := scope.New()
		defer m.Close()
		scopes = m
	}
	drain := e.Drain
	if runtime.GOOS == "linux" { // the program on disk may be gone when it is needed: the package was removed in mid-event
		drain = []string{"/proc/self/exe", drainCommand}
	}
	return agent.New(agent.Config{Socket: a.socket(), Paths: e.Paths, Version: wingmanVersion(), Drain: drain, Scopes: scopes,
		// The service's own program, should another have taken its place on disk meanwhile: both speak the same version.
		Runner: []string{"/proc/self/exe", "wingman", runnerCommand}, Log: slog.New(journald.New(journald.Options{}))}).Run(ctx)
}

func (a *app) serviceReload() *cobra.Command {
	return &cobra.Command{
		Use: "reload", Short: "Have the service read host.yml again", Args: cobra.NoArgs,
		Long: `Have the service read host.yml again, as systemctl reload wingman does. A file with a fault is refused and said so, and
what held before holds on. The service also reads a changed file before each event.

EXIT STATUS
  0  done
  2  host.yml has a fault; what held before holds on
  4  no service answers, or this user may not`,
		Example: "  sudo wingman service reload",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.client().Reload(c.Context())
			if err != nil {
				return askFailure(err)
			}
			if a.output == "json" {
				return a.json(map[string]any{"version": 1, "settings": s})
			}
			return a.printf("read %s: executor %s, guard %s\n", s.File, s.Executor, s.Guard)
		},
	}
}
