package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/client"
	"github.com/codedeploy-wingman/wingman/agent/journal"
)

func (a *app) logs() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "logs RUN", Short: "Print the full log of a run, and with -f what it prints from now on", Args: cobra.ExactArgs(1),
		Long: `Print the full log of a run, and with -f what it prints from now on, to its end. RUN is an id from wingman history, or a
deployment's id: then its last run's.

EXIT STATUS
  0  printed
  1  the log could not be read
  2  there is no such run
  4  the log may only be read by the service, and no service answers`,
		RunE: func(c *cobra.Command, args []string) error {
			runs, err := a.recordedRuns(c.Context())
			for i := len(runs) - 1; i >= 0; i-- {
				if r := runs[i]; r.ID == args[0] || r.Deployment.ID == args[0] {
					return a.printLog(c.Context(), r, follow)
				}
			}
			if err != nil {
				return err
			}
			return usage("no run %q here: wingman history lists them", args[0])
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run ends")
	return c
}

func (a *app) printLog(ctx context.Context, r journal.Run, follow bool) error {
	if follow && r.Verdict == journal.Running {
		done, err := a.watch(ctx, r)
		if done || err != nil {
			return err
		}
	}
	if r.Log == "" {
		return fmt.Errorf("run %s has no log: it could not be written", r.ID)
	}
	f, err := os.Open(r.Log)
	if errors.Is(err, os.ErrPermission) {
		return a.logOfService(ctx, r)
	}
	if err != nil {
		return fmt.Errorf("cannot read the log: %w", err)
	}
	defer f.Close()
	if !follow {
		_, err = io.Copy(a.Out, f)
		return err
	}
	return a.grow(ctx, f, r)
}

// watch prints what a run of the service's prints, from its beginning; false where the service does not have it.
func (a *app) watch(ctx context.Context, r journal.Run) (bool, error) {
	s, err := a.client().Events(ctx, r.ID, 0, true)
	if err != nil {
		return false, nil // the log itself is the next best
	}
	defer s.Close()
	for {
		line, err := s.Next()
		switch {
		case ctx.Err() != nil:
			return true, ctx.Err()
		case err != nil:
			return true, failure{exitCloud, errors.New("the service is gone; the run goes on: wingman logs -f " + r.ID)}
		case line.Type == api.Output:
			if err := a.printf("%s", line.Text); err != nil {
				return true, err
			}
		case line.Type == api.Done, line.Type == api.NeverStarted:
			return true, nil
		}
	}
}

// grow prints a log that its run is still writing, in whatever process, until the run's record has an end.
func (a *app) grow(ctx context.Context, f *os.File, r journal.Run) error {
	for ended := false; ; {
		if _, err := io.Copy(a.Out, f); err != nil {
			return err
		}
		if ended {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		now, err := journal.New(a.engine().State).Run(r.Deployment.ID, r.ID)
		ended = err != nil || now.Verdict != journal.Running
	}
}

func (a *app) logOfService(ctx context.Context, r journal.Run) error {
	log, err := a.client().Log(ctx, r.ID)
	var gone client.Unreachable
	if errors.As(err, &gone) {
		return failure{exitCloud, fmt.Errorf("cannot read the log %s: this user may not, and %w", r.Log, gone)}
	}
	if err != nil {
		return askFailure(err)
	}
	defer log.Close()
	_, err = io.Copy(a.Out, log)
	return err
}
