// Command wingman stands beside the AWS CodeDeploy agent and runs what a lifecycle event does on this instance.
package main

import (
	"os"

	"github.com/codedeploy-wingman/wingman/agent/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], cli.Std())) }
