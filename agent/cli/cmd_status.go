package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/client"
	"github.com/codedeploy-wingman/wingman/agent/journal"
)

func (a *app) status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show what the service does now, what it holds, and what is wrong", Args: cobra.NoArgs,
		Long: `Show what the service does now, what it holds and follows, how the CodeDeploy agent does, and what is wrong. Where no
service answers, what the records tell is shown: runs under way, and guards that are still held.

EXIT STATUS
  0  nothing is wrong
  1  something is, and it is said what
  4  no service answers, or this user may not ask it`,
		Example: "  wingman status\n  wingman status --output json | jq .running",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.client().Status(c.Context())
			var gone client.Unreachable
			if errors.As(err, &gone) {
				return a.withoutService(gone)
			}
			if err != nil {
				return askFailure(err)
			}
			if a.output == "json" {
				err = a.json(s)
			} else {
				err = a.printStatus(s)
			}
			if err == nil && len(s.Problems) > 0 {
				err = failure{exitFailed, errSilent}
			}
			return err
		},
	}
}

// askFailure is the failure of a command that asks the service.
func askFailure(err error) error {
	var refused *api.Error
	if errors.As(err, &refused) && refused.Kind == api.Denied {
		return failure{exitCloud, fmt.Errorf("%w\n    run it with sudo; to look only: sudo usermod -aG wingman $USER", refused)}
	}
	if errors.As(err, &refused) {
		return failure{exitUsage, refused}
	}
	return failure{exitCloud, err}
}

// withoutService shows what the records tell.
func (a *app) withoutService(gone client.Unreachable) error {
	s := api.Status{V: api.Version, Doing: gone.Error(), Running: []api.Running{}, Guards: []api.Guard{}, Deployments: []api.Deployment{}, News: []api.News{},
		Problems: []string{gone.Error() + ": systemctl start wingman"}}
	e := a.engine()
	runs, err := e.History()
	if err != nil {
		s.Problems = append(s.Problems, err.Error())
	}
	for _, r := range runs {
		if r.Verdict == journal.Running {
			s.Running = append(s.Running, api.Running{Run: r.ID, Event: string(r.Event), Deployment: r.Deployment.ID, Started: r.Started})
		}
	}
	guards, err := journal.New(e.State).Guards()
	if err != nil {
		s.Problems = append(s.Problems, err.Error())
	}
	for _, g := range guards {
		if g.Closed.IsZero() {
			s.Guards = append(s.Guards, api.Guard{Group: g.ScalingGroup, Deployment: g.Deployment.ID, State: g.State, Reason: g.Reason, Until: g.Until})
		}
	}
	if len(s.Guards) > 0 {
		s.Problems = append(s.Problems, "guards are held and nobody gives them back: wingman guard reap does")
	}
	if a.output == "json" {
		err = a.json(s)
	} else {
		err = a.printStatus(s)
	}
	if err != nil {
		return err
	}
	return failure{exitCloud, errSilent}
}

func (a *app) printStatus(s api.Status) error {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", label, fmt.Sprintf(format, args...))
	}
	if s.PID != 0 {
		line("service", "wingman %s, since %s (pid %d): %s", s.Wingman, moment(s.Since), s.PID, s.Doing)
		line("settings", "%s, read %s: executor %s, guard %s", s.Settings.File, moment(s.Settings.Read), orDash(s.Settings.Executor), orDash(s.Settings.Guard))
		line("CodeDeploy", "%s", codedeployLine(s.CodeDeploy))
	}
	for _, r := range s.Running {
		line("running", "%s of %s as %s for %s: %s (run %s, %d waiting)", r.Event, orDash(r.Deployment), orDash(r.User), time.Since(r.Started).Round(time.Second), orDash(r.Step), r.Run, r.Waiting)
	}
	for _, g := range s.Guards {
		text := g.State
		if !g.Until.IsZero() {
			text += ", at the latest until " + moment(g.Until)
		}
		if g.Reason != "" {
			text += ": " + g.Reason
		}
		line("guard", "of %s for %s: %s", g.Group, g.Deployment, text)
	}
	for _, d := range s.Deployments {
		text := strings.Join(d.Owed, ", ")
		if !d.Next.IsZero() {
			text += "; looked at again " + moment(d.Next)
		}
		line("follows", "%s: %s", d.ID, text)
	}
	for _, n := range s.News {
		line("lately", "%s %s", moment(n.At), n.Text)
	}
	for _, p := range s.Problems {
		line("WRONG", "%s", strings.ReplaceAll(p, "\n", "\n             "))
	}
	return a.printf("%s", b.String())
}

func codedeployLine(c api.CodeDeploy) string {
	switch {
	case !c.Installed:
		return "its agent is not installed here"
	case !c.Running:
		return "its agent does not run"
	case !c.Polling:
		return "its agent runs and does not poll"
	}
	return strings.TrimSpace("its agent "+c.Version) + " runs and polls"
}

// moment gives a time as a person at this host needs it: without the date where it is today's.
func moment(t time.Time) string {
	t = t.Local()
	if t.Format(time.DateOnly) == time.Now().Format(time.DateOnly) {
		return t.Format("15:04:05 MST")
	}
	return t.Format("2006-01-02 15:04:05 MST")
}
