//go:build unix

package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/live"
)

// held makes ApplicationStart wait; what is returned lets it go on.
func (h *host) held() (goOn func()) {
	h.t.Helper()
	pipe := filepath.Join(h.dir, "go")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.script("echo once >> " + h.dir + "/count; echo one; read x < " + pipe + "; echo two")
	return func() { os.WriteFile(pipe, []byte("\n"), 0) }
}

// A run that has its end on record, and only could not say so in its folder, ended so.
func TestARunThatCannotSayHowItEndedEndedAsItsRecordSays(t *testing.T) {
	h := newHost(t)
	goOn := h.held()
	s, err := h.client().Start(context.Background(), h.request("d-1"))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := s.Next()
	if one, err := s.Next(); err != nil || one.Text != "one\n" {
		t.Fatalf("%+v, %v", one, err)
	}
	if err := os.Mkdir(filepath.Join(live.Dir(first.Folder).Runs(), "result.json"), 0o755); err != nil { // as a full tmpfs does
		t.Fatal(err)
	}
	goOn()
	text := ""
	for {
		l, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if l.Type == api.Done {
			if l.Result.Verdict != "succeeded" || l.Result.ExitCode != 0 {
				t.Errorf("%+v", l.Result)
			}
			break
		}
		text += l.Text
	}
	if text != "two\n" {
		t.Errorf("printed %q", text)
	}
}

// What the service runs by itself after a deployment is no answer to a hook.
func TestNobodyJoinsWhatIsOwedAfterADeployment(t *testing.T) {
	h := newHost(t)
	h.script("echo out")
	h.end()
	d, err := live.Make(filepath.Join(h.dir, "run", "live"), live.Meta{ID: "after-1", UID: os.Geteuid(), Event: "ApplicationStart", Deployment: "d-1", Store: h.config.Paths.State, Unattended: true})
	if err != nil {
		t.Fatal(err)
	}
	lock, err := d.Lock(os.Geteuid()) // it goes on
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := live.Begin(d); err != nil {
		t.Fatal(err)
	}
	h.serve()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if c, err := h.run(ctx, h.request("d-1")); err != nil || c.first.Joined != "" || c.text != "out\n" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestARunIsNotAcceptedWhenItsCallerRunsItByNow(t *testing.T) {
	h := newHost(t)
	h.script("echo once >> " + h.dir + "/count")
	req := h.request("d-1")
	req.Until = time.Now().Add(-time.Second)
	s, err := h.client().Start(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := s.Next(); err != nil || l.Type != api.NeverStarted {
		t.Errorf("%+v, %v", l, err)
	}
	h.counted(0)
	if c := h.must(h.request("d-1")); c.last.Result.Verdict != "succeeded" {
		t.Errorf("%+v", c)
	}
}

// Nothing is answered any more once Run has returned, and what was accepted by then begins.
func TestRunReturnsAfterAllThatItAnswers(t *testing.T) {
	h := newHost(t)
	h.script("echo $DEPLOYMENT_ID >> " + h.dir + "/count")
	var wg sync.WaitGroup
	accepted := make(chan live.Dir, 200)
	for round := range 10 {
		for i := range 10 {
			wg.Go(func() {
				s, err := h.client().Start(context.Background(), h.request(fmt.Sprintf("d-%d-%d", round, i)))
				if err != nil {
					return
				}
				if l, err := s.Next(); err == nil && l.Type == api.Accepted {
					accepted <- live.Dir(l.Folder)
				}
			})
		}
		h.until("some have begun", func() bool { return len(accepted) > round*3 })
		h.end()
		buf := make([]byte, 1<<20)
		if all := string(buf[:runtime.Stack(buf, true)]); strings.Contains(all, "agent.(*Agent).start(") || strings.Contains(all, "agent.(*Agent).begin(") {
			t.Fatalf("something is still being answered:\n%s", all)
		}
		wg.Wait()
		h.serve()
	}
	close(accepted)
	for d := range accepted {
		h.until("it has ended", func() bool { return d.State(os.Geteuid()) != "" })
		if d.State(os.Geteuid()) == live.NeverStarted {
			t.Errorf("%s was accepted and never began", d)
		}
	}
}

// A request that never ends, or that is larger than any is, must not cost the service more than a while and some memory.
func TestAUserHasSoManyConnectionsAndNoMore(t *testing.T) {
	h := newHost(t)
	l, err := listen(filepath.Join(h.dir, "l"))
	if err != nil {
		t.Fatal(err)
	}
	few := limit(l, func(peer) bool { return false })
	defer few.Close()
	taken := make(chan error, 1)
	var conns []interface{ Close() error }
	go func() {
		for {
			c, err := few.Accept()
			if err != nil {
				taken <- err
				return
			}
			conns = append(conns, c)
			taken <- nil
		}
	}()
	dial := func() *os.File {
		t.Helper()
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err == nil {
			err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: filepath.Join(h.dir, "l")})
		}
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "client")
		t.Cleanup(func() { f.Close() })
		return f
	}
	for range connectionsEach {
		dial()
		if err := <-taken; err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dial().Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "EOF") && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("one too many: %v", err)
	}
	conns[0].Close()
	dial()
	if err := <-taken; err != nil {
		t.Error(err)
	}
}

// Who reads the output in the run's folder is told how the run ended, and what became of one whose process was killed.
func TestWhoReadsTheOutputHimselfIsToldTheEnd(t *testing.T) {
	h := newHost(t)
	goOn := h.held()
	for deployment, want := range map[string]string{"d-1": "succeeded", "d-2": "interrupted"} {
		req := h.request(deployment)
		req.Reads = true
		s, err := h.client().Start(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		first, _ := s.Next()
		f, err := live.Dir(first.Folder).Follow(os.Geteuid(), 0, true)
		if err != nil {
			t.Fatal(err)
		}
		if it, err := f.Next(context.Background()); err != nil || string(it.Text) != "one\n" {
			t.Errorf("%q, %v", it.Text, err)
		}
		f.Close()
		if want == "succeeded" {
			goOn()
		} else if m, err := live.Dir(first.Folder).Meta(); err != nil || syscall.Kill(m.PID, syscall.SIGKILL) != nil {
			t.Fatal(err)
		}
		l, err := s.Next()
		if want == "interrupted" {
			if !strings.Contains(l.Text, "INTERRUPTED") {
				t.Errorf("%+v", l)
			}
			l, err = s.Next()
		}
		if err != nil || l.Type != api.Done || l.Result.Verdict != want {
			t.Errorf("%+v, %v", l, err)
		}
		s.Close()
	}
}

// Whoever may write into /run without end can bring the host down.
func TestOtherUsersRunsAreNotInMemoryAndAreFoundAgain(t *testing.T) {
	h := newHost(t)
	folder := h.agent.liveOf(os.Geteuid() + 1)
	if folder != filepath.Join(h.config.Paths.State, "live") {
		t.Errorf("they are in %s", folder)
	}
	d := live.Dir(filepath.Join(folder, "made"))
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		t.Fatal(err)
	}
	h.end()
	h.serve()
	if _, err := os.Stat(string(d)); err == nil {
		t.Error("what a service left there is not looked at by the next")
	}
}

// What a user puts into a request or into what is his must not reach anything of anybody else's.
func TestNoRequestLeadsOutOfTheFolderOfRuns(t *testing.T) {
	h := newHost(t)
	req := h.request("d-1")
	req.Event = "/../../outside/x"
	var refused *api.Error
	if _, err := h.run(context.Background(), req); !errors.As(err, &refused) || refused.Kind != api.BadInput {
		t.Errorf("%v", err)
	}
	if _, err := live.Make(filepath.Join(h.dir, "run", "live"), live.Meta{ID: "x/../../outside"}); err == nil {
		t.Error("a folder was made elsewhere")
	}
	if _, err := os.Stat(filepath.Join(h.dir, "outside")); err == nil {
		t.Error("it is there")
	}
}

func TestWhatAUserPutsIntoHisRecordsHoldsUpNobody(t *testing.T) {
	h := newHost(t)
	h.script("echo out")
	h.end()
	user := filepath.Join(h.config.Paths.State, "users", "4242")
	h.write("state/users/4242/runs/d-1/r.jsonl", fmt.Sprintf(`{"v":1,"type":"begin","run":{"id":"r","deployment":"d-1","event":"ApplicationStart","revision":%q,"started":%q}}`+"\n",
		filepath.Join(h.dir, "pipes"), time.Now().Format(time.RFC3339)))
	if err := errors.Join(os.Mkdir(filepath.Join(h.dir, "pipes"), 0o755), syscall.Mkfifo(filepath.Join(h.dir, "pipes", "wingman.yml"), 0o600),
		syscall.Mkfifo(filepath.Join(user, "runs", "d-1", "pipe.jsonl"), 0o600), syscall.Mkfifo(filepath.Join(user, "runs", "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(user, ".repair.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	h.serve()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	h.until("all are followed", func() bool {
		h.agent.following.mu.Lock()
		defer h.agent.following.mu.Unlock()
		return len(h.agent.following.parts) == 2
	})
	h.until("the user's follower has stepped", func() bool {
		h.agent.following.mu.Lock()
		defer h.agent.following.mu.Unlock()
		for _, p := range h.agent.following.parts {
			p.mu.Lock()
			steps := len(p.steps)
			p.mu.Unlock()
			if steps > 0 {
				return false
			}
		}
		return true
	})
	if c, err := h.run(ctx, h.request("d-1")); err != nil || c.text != "out\n" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := h.client().Status(ctx); err != nil {
		t.Error(err)
	}
	if _, err := h.client().History(ctx); err != nil {
		t.Error(err)
	}
}

// A hook that runs an event by itself tells nobody; what it holds must be given back all the same.
func TestWhatAHookDidByItselfIsFollowed(t *testing.T) {
	h := newHost(t)
	h.until("the service is at rest", func() bool {
		h.agent.following.mu.Lock()
		defer h.agent.following.mu.Unlock()
		return len(h.agent.following.parts) == 1
	})
	if err := journal.New(h.config.Paths.State).Intend(journal.Guard{Deployment: lifecycle.Deployment{ID: "d-1"}, ScalingGroup: "web", Begun: time.Now()}); err != nil {
		t.Fatal(err)
	}
	h.agent.followNew(context.Background())
	h.until("it is followed", func() bool { s := h.agent.Status(); return len(s.Deployments) == 1 && s.Deployments[0].ID == "d-1" })
}
