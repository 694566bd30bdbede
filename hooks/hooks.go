// Package hooks holds the scripts that appspec.yml names, for what writes them into a revision.
package hooks

import _ "embed"

// Shell is wingman.sh, PowerShell wingman.ps1: the whole of what a revision needs of wingman.
var (
	//go:embed wingman.sh
	Shell string
	//go:embed wingman.ps1
	PowerShell string
)
