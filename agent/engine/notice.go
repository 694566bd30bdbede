package engine

import (
	"context"
	"errors"

	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/journal"
)

// Notice is AWS's word that this instance is about to go; zero is none. Its String is the cause for which a run is ended.
type Notice = cloud.Notice

// Nobody says that the error means that there is no metadata service to ask, now or later.
func Nobody(err error) bool {
	var ours *cloud.Error
	return errors.As(err, &ours) && ours.Kind == cloud.NotEC2
}

// EndedBy says whether the notice ends a run of that deployment, begun at that time or before the notice was known. Auto
// Scaling's own deployment, which takes an instance out of traffic since it is to be terminated, is not ended by that: it
// is known by its creator, where that was asked for, and else by having begun after the notice.
func (e *Engine) EndedBy(n Notice, deployment string, beganAfter bool) bool {
	if n.By != cloud.AutoScaling {
		return true
	}
	var at found
	journal.New(e.State).Kept(deployment, placeFile, &at)
	return !beganAfter && at.Creator != "autoscalingTermination"
}

// Notice asks the instance's metadata service, once; see Nobody.
func (e *Engine) Notice(ctx context.Context) (Notice, error) {
	if c, ok := e.aws().(interface {
		Notice(context.Context) (Notice, error)
	}); ok {
		return c.Notice(ctx)
	}
	return Notice{}, nil
}
