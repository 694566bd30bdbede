package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/codedeploy-wingman/wingman/agent/breakage"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// runScene plays one scene, and prints what happens in it and its diagnosis.
func (a *app) runScene(ctx context.Context, name string) error {
	s, found := breakage.Find(name)
	if !found {
		var names []string
		for _, s := range breakage.All() {
			names = append(names, s.Name)
		}
		hint := ""
		if near := problem.Nearest(name, names); near != "" {
			hint = fmt.Sprintf(": did you mean %s?", near)
		}
		return usage("there is no scene %q%s\n    wingman rehearse --scenes   # plays all, and names them", name, hint)
	}
	p, err := breakage.Play(ctx, s)
	if err != nil {
		return err
	}
	if a.output == "json" {
		if err := a.json(sceneReport(p)); err != nil {
			return err
		}
	} else if err := a.printf("%s: %s.\n\n%s", s.Name, s.Story, text(p.Diagnosis)); err != nil {
		return err
	}
	if wrong := p.Wrong(); wrong != "" {
		return failure{exitFailed, fmt.Errorf("%s: the diagnosis is not the right one: %s", s.Name, wrong)}
	}
	return nil
}

// playedScene is one scene for programs.
type playedScene struct {
	Scene     string               `json:"scene"`
	Story     string               `json:"story"`
	Wrong     string               `json:"wrong,omitempty"`
	Diagnosis deployment.Diagnosis `json:"diagnosis"`
}

func sceneReport(p breakage.Played) playedScene {
	return playedScene{p.Name, p.Story, p.Wrong(), p.Diagnosis}
}

// runScenes plays all scenes, some at a time, and says of each in one line whether its diagnosis is right.
func (a *app) runScenes(ctx context.Context) error {
	all := breakage.All()
	played, errs := make([]breakage.Played, len(all)), make([]error, len(all))
	room := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			if errs[i] = ctx.Err(); errs[i] == nil {
				played[i], errs[i] = breakage.Play(ctx, s)
			}
		})
	}
	wg.Wait()
	reports, bad := []playedScene{}, 0
	for i, s := range all {
		wrong := ""
		if errs[i] != nil {
			wrong = errs[i].Error()
		} else {
			reports = append(reports, sceneReport(played[i]))
			wrong = played[i].Wrong()
		}
		if wrong != "" {
			bad++
		}
		if a.output == "text" {
			if err := a.printf("%s\n", sceneLine(s, played[i], wrong)); err != nil {
				return err
			}
		}
	}
	if a.output == "json" {
		if err := a.json(map[string]any{"version": 1, "scenes": reports}); err != nil {
			return err
		}
	}
	if bad > 0 {
		return failure{exitFailed, fmt.Errorf("%d of %d scenes are not diagnosed as they have to be", bad, len(all))}
	}
	return nil
}

func sceneLine(s breakage.Scene, p breakage.Played, wrong string) string {
	if wrong != "" {
		return fmt.Sprintf("%-48s WRONG: %s", s.Name, wrong)
	}
	cause := p.Diagnosis.First()
	switch {
	case cause != "":
	case p.Diagnosis.Status == "Failed" || p.Diagnosis.Status == "Stopped":
		cause = "(abstains)"
	default:
		cause = "(nothing is wrong)"
	}
	line := fmt.Sprintf("%-48s %-30s live: %s", s.Name, cause, p.Diagnosis.Live.Environment)
	if left := s.Wants.Left; len(left) > 0 {
		line += "; left over: " + strings.Join(left, ", ")
	}
	return line
}
