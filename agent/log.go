package agent

import (
	"io"
	"log/slog"
)

// The attributes of what the service logs.
const (
	attrRun        = "run"
	attrEvent      = "event"
	attrDeployment = "deployment"
)

// Logger is replaced by the merge.
func Logger(w io.Writer, getenv func(string) string) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, nil))
}
