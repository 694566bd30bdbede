package cli

import (
	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/plan"
)

func (a *app) schema() *cobra.Command {
	return &cobra.Command{
		Use: "schema revision|host", Short: "Print the JSON Schema of wingman.yml (revision) or host.yml (host)",
		Args: cobra.ExactArgs(1), ValidArgs: []string{"revision", "host"},
		Long: `Print the JSON Schema of wingman.yml (revision) or /etc/wingman/host.yml (host), for editors and pipelines.

EXIT STATUS
  0  printed
  2  the command line is wrong`,
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := plan.Schema(args[0])
			if err != nil {
				return failure{exitUsage, err}
			}
			return a.printf("%s\n", s)
		},
	}
}
