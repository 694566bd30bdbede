//go:build unix

package cli

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/engine"
)

// The CodeDeploy agent waits without limit for a hook that it has told to end: one that waits for a service that stands
// still must end all the same.
func TestAHookThatWaitsForASilentServiceEndsWhenItIsTold(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "w.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			asked <- c // and nothing more
		}
	}()
	var said bytes.Buffer
	a := &app{Streams: Streams{Out: &said, Err: &said, Getwd: func() (string, error) { return "/", nil }, Getenv: func(name string) string {
		return map[string]string{"WINGMAN_SOCKET": socket}[name]
	}}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- a.byService(ctx, engine.Request{Event: "ApplicationStart", Revision: "/nowhere"}, false)
	}()
	c := <-asked
	defer c.Close()
	cancel()
	select {
	case err := <-done:
		if code := a.code(context.Background(), err); code != 130 {
			t.Errorf("exit code %d, %v, said %q", code, err, said.String())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it is still there after 10 s")
	}
}
