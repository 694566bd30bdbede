//go:build unix

package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/client"
	"github.com/codedeploy-wingman/wingman/agent/engine"
)

// The runner is this very program, as it is in production.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "runner" {
		if err := RunnerMain(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true") // a test that wants AWS starts the simulator
	os.Exit(m.Run())
}

// host is a host with its folders, and a service that can be stopped and started again.
type host struct {
	t      *testing.T
	dir    string
	config Config
	stop   func()
	agent  *Agent
}

func newHost(t *testing.T) *host {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, dir: dir, config: Config{Socket: filepath.Join(dir, "run", "w.sock"), Version: "test", Runner: []string{self, "wingman", "runner"},
		Paths: engine.Paths{Settings: filepath.Join(dir, "host.yml"), State: filepath.Join(dir, "state"), Logs: filepath.Join(dir, "logs")}}}
	h.write("host.yml", "guard: {mode: disabled}")
	h.write("rev/appspec.yml", "version: 0.0\nos: linux\n")
	t.Cleanup(func() { h.end() })
	h.serve()
	return h
}

// serve starts a service and waits until it answers.
func (h *host) serve() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h.agent = New(h.config)
	done := make(chan error, 1)
	go func() { done <- h.agent.Run(ctx) }()
	h.stop = func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	}
	h.until("the service answers", func() bool {
		_, err := h.client().Status(context.Background())
		return err == nil
	})
}

func (h *host) end() {
	if h.stop != nil {
		h.stop()
	}
	h.stop = nil
}

func (h *host) client() *client.Client { return client.New(h.config.Socket, "test") }

func (h *host) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

// script makes ApplicationStart run that shell text.
func (h *host) script(text string) {
	h.write("rev/wingman.yml", "version: 1\nevents:\n  ApplicationStart: [{name: it, script: s.sh}]\non_failure: [{command: [/bin/sh, -c, 'echo RESCUED']}]\n")
	h.write("rev/s.sh", "#!/bin/sh\n"+text)
}

// until waits for a condition that another process brings about.
func (h *host) until(what string, is func() bool) {
	h.t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(end) {
			h.t.Fatalf("not within 20 s: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (h *host) request(deployment string) api.Request {
	return api.Request{Event: "ApplicationStart", Revision: filepath.Join(h.dir, "rev"), Dir: "/", Umask: 0o022,
		Env: []string{"PATH=/usr/bin:/bin", "DEPLOYMENT_ID=" + deployment, "LIFECYCLE_EVENT=ApplicationStart"}}
}

// came is what a client got of a run.
type came struct {
	first api.Line
	text  string
	last  api.Line
}

func (h *host) run(ctx context.Context, req api.Request) (came, error) {
	s, err := h.client().Start(ctx, req)
	if err != nil {
		return came{}, err
	}
	return readAll(s)
}

func readAll(s *client.Stream) (c came, err error) {
	defer s.Close()
	if c.first, err = s.Next(); err != nil {
		return c, err
	}
	for {
		l, err := s.Next()
		if err != nil {
			return c, err
		}
		if l.Type != api.Output {
			c.last = l
			return c, nil
		}
		c.text += l.Text
	}
}

func (h *host) must(req api.Request) came {
	h.t.Helper()
	c, err := h.run(context.Background(), req)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *host) counted(want int) {
	h.t.Helper()
	b, _ := os.ReadFile(filepath.Join(h.dir, "count"))
	if n := strings.Count(string(b), "\n"); n != want {
		h.t.Errorf("the script ran %d times, not %d", n, want)
	}
}
