//go:build unix

package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/client"
)

// service starts the i-th instance's service, and waits until it answers.
func (s *scene) service(i int) *exec.Cmd {
	s.Helper()
	c := s.served(i, "service", "run")
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	s.must(c.Start())
	s.Cleanup(func() {
		_ = c.Process.Kill() // it may have been killed
		_ = c.Wait()
		if s.Failed() {
			s.Logf("the service of instance %d said:\n%s", i, said.String())
		}
	})
	s.until("the service answers", 20*time.Second, func() bool {
		_, err := client.New(s.socket(i), "").Status(context.Background())
		return err == nil
	})
	return c
}

func (s *scene) socket(i int) string { return filepath.Join(s.dir, fmt.Sprint("run", i), "w.sock") }

// served is the program on the i-th instance, where a service is or is to be.
func (s *scene) served(i int, args ...string) *exec.Cmd {
	c := s.command(i, args...)
	c.Env = append(c.Env, "WINGMAN_SOCKET="+s.socket(i))
	return c
}

// until waits for what other processes bring about.
func (s *scene) until(what string, limit time.Duration, is func() bool) {
	s.Helper()
	for end := time.Now().Add(limit); !is(); {
		if time.Now().After(end) {
			got, guards := s.suspended()
			s.Fatalf("not within %s: %s (suspended: %s; %d guards)", limit, what, got, guards)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// hooked runs the event by the i-th instance's service.
func (s *scene) hooked(i int) {
	s.Helper()
	out, err := s.served(i, "hook", "--revision", s.dir).CombinedOutput()
	if err != nil || strings.Contains(string(out), "NOT SET") || strings.Contains(string(out), "in this process") {
		s.Errorf("instance %d: %v: %s", i, err, out)
	}
}

// Once the deployment is over the services give back within 90 s, whatever became of the hooks' processes and of the
// services meanwhile, and although nobody calls anything.
func TestServicesGiveBack(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a minute, as the services do")
	}
	t.Parallel()
	for name, between := range map[string]func(s *scene, services []*exec.Cmd){
		"all live":           func(*scene, []*exec.Cmd) {},
		"all but one killed": func(s *scene, all []*exec.Cmd) { s.must(all[0].Process.Kill()) },
		"killed and started": func(s *scene, all []*exec.Cmd) {
			for _, c := range all {
				s.must(c.Process.Kill())
			}
			s.service(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 2, "HealthCheck")
			services := []*exec.Cmd{s.service(0), s.service(1)}
			var wg sync.WaitGroup
			for i := range services {
				wg.Go(func() { s.hooked(i) })
			}
			wg.Wait()
			if got, guards := s.suspended(); got != "AZRebalance AlarmNotification HealthCheck InstanceRefresh ReplaceUnhealthy ScheduledActions Terminate" || guards != 1 {
				t.Fatalf("suspended %s, %d guards", got, guards)
			}
			between(s, services)
			s.ends()
			began := time.Now()
			s.until("what was ours is given back", 90*time.Second, func() bool {
				got, guards := s.suspended()
				return got == "HealthCheck" && guards == 0
			})
			t.Logf("given back after %s", time.Since(began).Round(time.Second))
		})
	}
}

// What a hook held by itself is given back, too: executor: inline is an equal path.
func TestServiceGivesBackWhatAHookHeldByItself(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a minute, as the services do")
	}
	t.Parallel()
	s := newScene(t, 1)
	s.must(os.WriteFile(filepath.Join(s.dir, "host.yml"), []byte("executor: inline\n"), 0o600))
	s.service(0)
	out, err := s.served(0, "hook", "--revision", s.dir).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "runs in this process: executor is inline") {
		t.Fatalf("%v: %s", err, out)
	}
	if _, guards := s.suspended(); guards != 1 {
		t.Fatalf("%d guards", guards)
	}
	if out, err := s.served(0, "hook", "AfterBlockTraffic", "--revision", s.dir).CombinedOutput(); err != nil || !strings.Contains(string(out), "the service gives back then") {
		t.Errorf("%v: %s", err, out)
	}
	s.ends()
	began := time.Now()
	s.until("it is given back", 90*time.Second, func() bool {
		got, guards := s.suspended()
		return got == "" && guards == 0
	})
	t.Logf("given back after %s", time.Since(began).Round(time.Second))
}

// A Spot notice fails a running event within 30 s: CodeDeploy would wait for an hour.
func TestNoticeEndsARunningEvent(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	s.must(os.WriteFile(filepath.Join(s.dir, "wingman.yml"), []byte("version: 1\nevents:\n  BeforeBlockTraffic: [{name: long, command: [sleep, '1000']}]\n"), 0o600))
	s.service(0)
	hook := s.served(0, "hook", "--revision", s.dir)
	var out bytes.Buffer
	hook.Stdout, hook.Stderr = &out, &out
	s.must(hook.Start())
	s.until("the step runs", 20*time.Second, func() bool {
		st, err := client.New(s.socket(0), "").Status(context.Background())
		return err == nil && len(st.Running) == 1 && st.Running[0].Step == "long"
	})
	s.must(s.sim.Spot(s.instances[0]))
	began := time.Now()
	busy, done := make(chan struct{}), make(chan struct{})
	go func() { // other events that come and go meanwhile keep the notice from nobody
		defer close(done)
		for {
			_, _ = s.served(0, "hook", "ApplicationStop", "--again", "--revision", s.dir).CombinedOutput()
			select {
			case <-busy:
				return
			case <-time.After(500 * time.Millisecond):
			}
		}
	}()
	defer func() { close(busy); <-done }()
	timer := time.AfterFunc(time.Minute, func() { hook.Process.Signal(syscall.SIGKILL) })
	defer timer.Stop()
	err := hook.Wait()
	if took := time.Since(began); took > 30*time.Second || hook.ProcessState.ExitCode() != exitInterrupted || !strings.Contains(out.String(), "this instance is about to be terminated (spot notice, ") {
		t.Errorf("after %s: %v: %s", took, err, out.String())
	}
}
