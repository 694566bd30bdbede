package engine

import (
	"context"
	"errors"

	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// Repaired is what Repair put right.
type Repaired struct {
	journal.Repaired
	Logs []string // whose end was still apart from them
}

// Repair puts right what an earlier failure left: interrupted runs get their end on record, their logs are put together,
// files that were being written are removed. lives says which runs go on although the process that began them is gone.
// The error tells what could not be put right, or not be read: that is left as it is, and the rest is done all the same.
func (e *Engine) Repair(ctx context.Context, lives func(runID string) bool) (Repaired, error) {
	return e.repair(ctx, "", lives)
}

// repairOwn is what a run does that has no service: its own deployment's runs only. What it cannot do is no matter of the
// run's, and tried again by the next.
func (e *Engine) repairOwn(ctx context.Context, d lifecycle.Deployment) {
	_, _ = e.repair(ctx, journal.Folder(d.ID), func(string) bool { return false })
}

func (e *Engine) repair(ctx context.Context, folder string, lives func(string) bool) (out Repaired, err error) {
	out.Repaired, err = journal.New(e.State).Repair(folder, func(id string) bool { return ctx.Err() != nil || lives(id) }, func(r journal.Run) error {
		if r.Log == "" {
			return nil
		}
		mended, err := run.MendLog(e.Logs, r.Log)
		if mended {
			out.Logs = append(out.Logs, r.Log)
		}
		return err
	})
	return out, errors.Join(err, ctx.Err())
}
