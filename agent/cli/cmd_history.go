package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

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
		RunE: func(*cobra.Command, []string) error {
			runs, err := a.engine().History()
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
		list[i] = row{[]string{r.Started.Local().Format("2006-01-02 15:04:05 MST"), orDash(r.Deployment.ID), string(r.Event), took, string(r.Verdict), r.ID}, r.Reason}
	}
	return a.rows("STARTED\tDEPLOYMENT\tEVENT\tTOOK\tVERDICT\tRUN", list)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (a *app) logs() *cobra.Command {
	return &cobra.Command{
		Use: "logs RUN", Short: "Print the full log of a run", Args: cobra.ExactArgs(1),
		Long: `Print the full log of a run. RUN is an id from wingman history, or a deployment's id: then its last run's.

EXIT STATUS
  0  printed
  1  the log could not be read
  2  there is no such run`,
		RunE: func(_ *cobra.Command, args []string) error {
			runs, err := a.engine().History()
			for i := len(runs) - 1; i >= 0; i-- {
				if r := runs[i]; r.ID == args[0] || r.Deployment.ID == args[0] {
					return a.printLog(r)
				}
			}
			if err != nil {
				return err
			}
			return usage("no run %q here: wingman history lists them", args[0])
		},
	}
}

func (a *app) printLog(r journal.Run) error {
	if r.Log == "" {
		return fmt.Errorf("run %s has no log: it could not be written", r.ID)
	}
	f, err := os.Open(r.Log)
	if err != nil {
		return fmt.Errorf("cannot read the log: %w", err)
	}
	defer f.Close()
	_, err = io.Copy(a.Out, f)
	return err
}
