package cli

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/lint"
	"github.com/codedeploy-wingman/wingman/agent/problem"
)

func (a *app) lint() *cobra.Command {
	return &cobra.Command{
		Use: "lint [DIR]", Short: "Check a revision: appspec.yml, wingman.yml, its scripts", Args: cobra.MaximumNArgs(1),
		Long: `Check a revision as a deployment would find it: appspec.yml as the CodeDeploy agent takes it, wingman.yml, and
whether the scripts and files they name are there and can run.

EXIT STATUS
  0  nothing is wrong, or only warnings
  1  something is wrong
  2  the command line is wrong`,
		Example: "  wingman lint\n  wingman lint --output json build/revision",
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if _, err := a.revision(dir); err != nil {
				return err
			}
			return a.printProblems(lint.Revision(filepath.Clean(dir)))
		},
	}
}

func (a *app) printProblems(found problem.List) error {
	errs := len(found.Errors())
	if a.output == "json" {
		if found == nil {
			found = problem.List{}
		}
		if err := a.json(map[string]any{"version": 1, "errors": errs, "problems": found}); err != nil {
			return err
		}
	} else {
		for _, p := range found {
			if err := a.printf("%s\n", p.Error()); err != nil {
				return err
			}
		}
		if err := a.printf("%d errors, %d warnings\n", errs, len(found)-errs); err != nil {
			return err
		}
	}
	if errs > 0 {
		return failure{exitFailed, errSilent}
	}
	return nil
}
