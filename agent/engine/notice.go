package engine

import (
	"context"

	"github.com/codedeploy-wingman/wingman/agent/cloud"
)

// Notice is AWS's word that this instance is about to go; zero is none. Its String is the cause for which a run is ended.
type Notice = cloud.Notice

// Notice asks the instance's metadata service, once. An error of kind cloud.NotEC2 means that there is nobody to ask, ever.
func (e *Engine) Notice(ctx context.Context) (Notice, error) {
	if c, ok := e.aws().(interface {
		Notice(context.Context) (Notice, error)
	}); ok {
		return c.Notice(ctx)
	}
	return Notice{}, nil
}
