package cli

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent"
	"github.com/codedeploy-wingman/wingman/agent/engine"
)

func (a *app) service() *cobra.Command {
	c := &cobra.Command{Use: "service run"}
	c.AddCommand(&cobra.Command{Use: "run", RunE: func(c *cobra.Command, _ []string) error {
		ctx, stop := signal.NotifyContext(context.WithoutCancel(c.Context()), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return a.serve(ctx)
	}})
	return c
}

// serve is the service.
func (a *app) serve(ctx context.Context) error {
	e := a.engine()
	return agent.New(agent.Config{Socket: a.socket(), Paths: e.Paths, Version: wingmanVersion(), Drain: e.Drain,
		Runner: []string{"/proc/self/exe", "wingman", runnerCommand}, Log: slog.New(slog.NewTextHandler(a.Err, nil))}).Run(ctx)
}

var _ = engine.Paths{}
