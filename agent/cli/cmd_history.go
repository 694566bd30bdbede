package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/client"
	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/journal"
)

func (a *app) history() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "history", Short: "Show the runs of this instance, newest last", Args: cobra.NoArgs,
		Long: `Show the runs of this instance, newest last.

EXIT STATUS
  0  printed
  1  some record could not be read; the others were printed`,
		RunE: func(c *cobra.Command, _ []string) error {
			runs, err := a.recordedRuns(c.Context())
			if limit > 0 && len(runs) > limit {
				runs = runs[len(runs)-limit:]
			}
			if e := a.printHistory(runs); e != nil {
				return e
			}
			return err
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "how many; 0 is all")
	return c
}

func (a *app) printHistory(runs []journal.Run) error {
	if a.output == "json" {
		if runs == nil {
			runs = []journal.Run{}
		}
		return a.json(map[string]any{"version": 1, "runs": runs})
	}
	if len(runs) == 0 {
		return a.printf("no event has run here yet\n")
	}
	list := make([]row, len(runs))
	for i, r := range runs {
		took := "-"
		if !r.Ended.IsZero() {
			took = r.Ended.Sub(r.Started).Round(time.Millisecond).String()
		}
		list[i] = row{[]string{r.Started.Local().Format("2006-01-02 15:04:05 MST"), orDash(r.Deployment.ID), eventOf(r), took, string(r.Verdict), r.ID}, r.Reason}
	}
	return a.rows("STARTED\tDEPLOYMENT\tEVENT\tTOOK\tVERDICT\tRUN", list)
}

// eventOf names a run's event; what the service ran after the deployment is no event's.
func eventOf(r journal.Run) string {
	if engine.IsAfter(r) {
		return "after:" + string(r.Event)
	}
	return string(r.Event)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// recordedRuns gives the runs of this instance: from the records, or where this user may not read them from the service.
func (a *app) recordedRuns(ctx context.Context) ([]journal.Run, error) {
	runs, err := a.engine().History()
	if !errors.Is(err, os.ErrPermission) {
		return runs, err
	}
	h, asked := a.client().History(ctx)
	var gone client.Unreachable
	switch {
	case errors.As(asked, &gone):
		return runs, err
	case asked != nil:
		return runs, askFailure(asked)
	}
	runs = nil
	for _, raw := range h.Runs {
		var r journal.Run
		if err := json.Unmarshal(raw, &r); err != nil {
			return runs, fmt.Errorf("cannot read the service's answer: %w", err)
		}
		runs = append(runs, r)
	}
	if len(h.Problems) > 0 {
		return runs, errors.New(strings.Join(h.Problems, "\n"))
	}
	return runs, nil
}
