// Package appspec reads appspec.yml and takes and refuses exactly what the CodeDeploy agent does.
package appspec

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// Spec is one appspec.yml as the CodeDeploy agent understands it.
type Spec struct {
	OS                 string
	Hooks              map[string][]Hook // by the event's name as written; names are not checked here
	Files              []File
	Permissions        []Permission
	FileExistsBehavior string       // DISALLOW, OVERWRITE, RETAIN, or "" where appspec.yml does not say
	Warnings           problem.List // what the CodeDeploy agent takes and the author hardly meant
}

// Hook is one script that appspec.yml names for an event.
type Hook struct {
	problem.Position
	Location string        // relative to the revision; a leading / changes nothing
	RunAs    *string       // nil: the CodeDeploy agent's own user; "" runs as root
	Sudo     bool          // also true for the string "false"
	Timeout  time.Duration // 3,600 s where appspec.yml does not say
}

// File is one entry of files: what to copy where.
type File struct {
	problem.Position
	Source, Destination string
}
