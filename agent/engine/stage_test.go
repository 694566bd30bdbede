//go:build unix

package engine

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// stage is a simulated AWS in memory, in which a deployment in place stands in BeforeBlockTraffic on each of a group's
// instances, until it is ended. All of it, the SDK's clients and HTTP among it, is in a bubble: time costs nothing.
type stage struct {
	*testing.T
	*awssim.Sim
	id        string
	instances []string
	open      context.CancelFunc // the event ends
	revision  string
	members   []*member
	wg        sync.WaitGroup
}

// member is one instance's engine and follower, with what they told.
type member struct {
	*Engine
	follower *Follower
	mu       sync.Mutex
	news     []News
	due      []Due
	wake     chan struct{}
}

func newStage(t *testing.T, n int) *stage {
	t.Helper()
	gate, open := context.WithCancel(context.Background())
	sim, err := awssim.New(awssim.Config{InMemory: true, Agent: func(c awssim.Command, done func(awssim.Outcome)) {
		if c.Event == "BeforeBlockTraffic" {
			<-gate.Done()
		}
		done(awssim.Outcome{Succeeded: true, ErrorCode: "Success"})
	}})
	s := &stage{T: t, Sim: sim, open: open, revision: t.TempDir()}
	s.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); open(); s.wg.Wait(); s.must(sim.Close()) })
	arn, err := sim.AddTargetGroup("web", 80)
	s.must(err)
	s.must(sim.CreateGroup(awssim.GroupSpec{Name: "web", Min: 1, Max: n + 2, Desired: n, TargetGroups: []string{arn}}))
	s.until("launched", func() bool { g, _ := sim.Group("web"); s.instances = g.InService(); return len(s.instances) == n })
	s.must(sim.AddApplication("shop"))
	s.must(sim.AddDeploymentGroup(awssim.DeploymentGroupSpec{Application: "shop", Name: "web", ScalingGroups: []string{"web"}, TargetGroups: []string{"web"}, Config: "CodeDeployDefault.AllAtOnce"}))
	s.id, err = sim.Deploy(awssim.DeploymentSpec{Application: "shop", Group: "web", Revision: "r"})
	s.must(err)
	s.until("under way", func() bool {
		d, _ := sim.Deployment(s.id)
		in := 0
		for _, target := range d.Targets {
			for _, e := range target.Events {
				if e.Name == "BeforeBlockTraffic" && e.Status == "InProgress" {
					in++
				}
			}
		}
		return in == n
	})
	for _, id := range s.instances {
		s.members = append(s.members, s.member(ctx, id))
	}
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) until(what string, cond func() bool) time.Duration {
	s.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Hour)
	defer cancel()
	if err := s.Until(ctx, cond); err != nil {
		s.Fatalf("not %s: %v", what, err)
	}
	return time.Since(began)
}

// member makes an instance's engine and the service's loop around its follower.
func (s *stage) member(ctx context.Context, instance string) *member {
	s.Helper()
	meta, err := s.IMDS(instance)
	s.must(err)
	dir := s.TempDir()
	m := &member{wake: make(chan struct{}, 1)}
	m.Engine = &Engine{Paths: Paths{Settings: filepath.Join(dir, "host.yml"), State: filepath.Join(dir, "state"), Logs: filepath.Join(dir, "logs")},
		Cloud: cloud.New(cloud.Options{Endpoint: s.URL(), Metadata: meta, Region: "eu-west-1", Dial: s.Dial})}
	m.follower = NewFollower(m.Engine, func(d Due) { m.mu.Lock(); defer m.mu.Unlock(); m.due = append(m.due, d) })
	s.wg.Go(func() { m.serve(ctx) })
	return m
}

func (m *member) serve(ctx context.Context) {
	for {
		next, news := m.follower.Step(ctx)
		m.mu.Lock()
		m.news = append(m.news, news...)
		m.mu.Unlock()
		var due <-chan time.Time
		if !next.IsZero() {
			due = time.After(time.Until(next))
		}
		select {
		case <-due:
		case <-m.wake:
		case <-ctx.Done():
			return
		}
	}
}

// hook runs the event on every instance at once, as the CodeDeploy agents do, and tells their services.
func (s *stage) hook(event lifecycle.Event) {
	s.Helper()
	var wg sync.WaitGroup
	for _, m := range s.members {
		wg.Go(func() {
			res, err := m.Run(context.Background(), Request{Event: event, Revision: s.revision, Env: []string{"DEPLOYMENT_ID=" + s.id, "APPLICATION_NAME=shop", "DEPLOYMENT_GROUP_NAME=web", "DEPLOYMENT_GROUP_ID=dg"}}, io.Discard)
			if err != nil || res.Verdict != journal.Succeeded {
				s.Errorf("the hook: %+v %v", res, err)
			}
			m.wake <- struct{}{}
		})
	}
	wg.Wait()
}

// ends stops the deployment.
func (s *stage) ends() {
	s.Helper()
	s.must(s.Stop(s.id, false))
	s.open()
	s.until("over", func() bool { d, _ := s.Deployment(s.id); return d.Over() })
}

// held says whether a guard stands on the group, or anything is suspended there.
func (s *stage) held() bool {
	g, _ := s.Group("web")
	return len(g.Suspended) > 0 || slices.ContainsFunc(guard.Keys(), func(k string) bool { _, is := g.Tags[k]; return is })
}

// told gives the news of a kind that all members have told.
func (s *stage) told(kind Kind) (out []News) {
	for _, m := range s.members {
		m.mu.Lock()
		for _, n := range m.news {
			if n.Kind == kind {
				out = append(out, n)
			}
		}
		m.mu.Unlock()
	}
	return out
}

// told gives what a member was told to be due.
func (m *member) told() []Due {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.due)
}
