//go:build unix

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/live"
)

func TestARunIsTheCallersInAllThatItSees(t *testing.T) {
	h := newHost(t)
	h.script(`umask; pwd; echo "$FOO $DEPLOYMENT_ID ${NOTIFY_SOCKET:-none}"; exit 3`)
	req := h.request("d-1")
	req.Env, req.Umask, req.Dir = append(req.Env, "FOO=bar"), 0o027, "/usr"
	c := h.must(req)
	if !strings.HasPrefix(c.text, "0027\n/usr\nbar d-1 none\n") {
		t.Errorf("the script saw %q", c.text)
	}
	if c.last.Result == nil || c.last.Result.Verdict != "failed" || c.last.Result.ExitCode != 1 {
		t.Fatalf("the result is %+v", c.last.Result)
	}
	if !strings.Contains(c.text, "RESCUED") || !strings.HasSuffix(c.text, "verdict: ApplicationStart FAILED: step \"it\": exit code 3\n") {
		t.Errorf("printed %q", c.text)
	}
	var rec journal.Run
	if err := json.Unmarshal(c.last.Result.Run, &rec); err != nil || len(rec.Steps) != 2 {
		t.Errorf("the record is %s, %v", c.last.Result.Run, err)
	}
}

func TestTwoIdenticalRequestsAreOneRun(t *testing.T) {
	h := newHost(t)
	h.script("echo once >> " + h.dir + "/count; read x < " + h.dir + "/go; echo out")
	if err := syscall.Mkfifo(filepath.Join(h.dir, "go"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := make([]came, 2)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i], _ = h.run(context.Background(), h.request("d-1")) })
	}
	h.until("both wait for one run", func() bool {
		s := h.agent.Status()
		return len(s.Running) == 1 && s.Running[0].Waiting == 2
	})
	go func() { os.WriteFile(filepath.Join(h.dir, "go"), []byte("\n"), 0) }()
	wg.Wait()
	for _, c := range got {
		if c.text != "out\n" || c.last.Result == nil || c.last.Result.Verdict != "succeeded" || c.first.Run != got[0].first.Run {
			t.Errorf("%+v", c)
		}
	}
	h.counted(1)
}

func TestARepeatedRequestIsAnsweredFromTheRecord(t *testing.T) {
	h := newHost(t)
	h.script("echo once >> " + h.dir + "/count; echo out; exit 3")
	first := h.must(h.request("d-1"))
	second := h.must(h.request("d-1"))
	if second.first.Joined != "recorded" || second.first.Run != first.first.Run || second.last.Result.ExitCode != 1 {
		t.Errorf("%+v", second)
	}
	if !strings.Contains(second.text, "ran here already") || !strings.Contains(second.text, "wingman hook --again") || !strings.HasSuffix(second.text, first.text) {
		t.Errorf("printed %q", second.text)
	}
	h.counted(1)
	h.end()
	h.serve() // the record outlives the service
	if third := h.must(h.request("d-1")); third.first.Joined != "recorded" || third.last.Result.ExitCode != 1 {
		t.Errorf("%+v", third)
	}
	h.counted(1)
	again := h.request("d-1")
	again.Again = true
	if c := h.must(again); c.first.Joined != "" {
		t.Errorf("%+v", c)
	}
	h.counted(2)
	if c := h.must(h.request("d-2")); c.first.Joined != "" {
		t.Errorf("another deployment's: %+v", c)
	}
	h.counted(3)
	h.must(h.request("")) // by hand nothing is a repetition
	h.must(h.request(""))
	h.counted(5)
}

func TestFiftyDifferentRequestsAtOnce(t *testing.T) {
	h := newHost(t)
	h.script("echo $DEPLOYMENT_ID")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			id := fmt.Sprintf("d-%d", i)
			if c, err := h.run(context.Background(), h.request(id)); err != nil || c.text != id+"\n" || c.last.Result.Verdict != "succeeded" {
				t.Errorf("%s: %+v, %v", id, c, err)
			}
		})
	}
	wg.Wait()
}

func TestARunWhoseClientsAreGoneIsCancelled(t *testing.T) {
	h := newHost(t)
	h.script("touch " + h.dir + "/began; sleep 1000")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		h.until("the script runs", func() bool { _, err := os.Stat(h.dir + "/began"); return err == nil })
		cancel()
	}()
	if _, err := h.run(ctx, h.request("d-1")); err == nil {
		t.Fatal("the client got a result")
	}
	h.until("the run has ended", func() bool { return len(h.agent.Status().Running) == 0 })
	runs, err := (&engine.Engine{Paths: h.config.Paths}).History()
	if err != nil || len(runs) != 1 || runs[0].Verdict != journal.Cancelled || !strings.Contains(runs[0].Reason, "nobody waits for it any more") {
		t.Fatalf("%+v, %v", runs, err)
	}
	if last := runs[0].Steps[len(runs[0].Steps)-1]; last.Phase != "on_failure" || last.Verdict != journal.Succeeded {
		t.Errorf("on_failure: %+v", last)
	}
}

// What must hold when the service is restarted in the middle of a run: the run goes on, a client that only reads the
// run's folder gets all of it, and so does one that comes back to the next service.
func TestARunOutlivesTheService(t *testing.T) {
	h := newHost(t)
	if err := syscall.Mkfifo(filepath.Join(h.dir, "go"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.script("echo one; read x < " + h.dir + "/go; echo two; exit 5")
	s, err := h.client().Start(context.Background(), h.request("d-1"))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := s.Next()
	one, err := s.Next()
	if err != nil || one.Text != "one\n" {
		t.Fatalf("%+v, %v", one, err)
	}
	h.end()
	if l, err := s.Next(); err == nil {
		t.Fatalf("after the service's end came %+v", l)
	}
	h.serve()
	again, err := h.client().Events(context.Background(), first.Run, one.Next, false)
	if err != nil {
		t.Fatal(err)
	}
	f, err := live.Dir(first.Folder).Follow(os.Geteuid(), one.Next, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	os.WriteFile(filepath.Join(h.dir, "go"), []byte("\n"), 0)
	c, err := readAll(again)
	if err != nil || !strings.HasPrefix(c.text, "two\n") || c.last.Result.Verdict != "failed" {
		t.Errorf("%+v, %v", c, err)
	}
	if it, err := f.Next(context.Background()); err != nil || !strings.HasPrefix(string(it.Text), "two\n") {
		t.Errorf("%+v, %v", it, err)
	}
}

func TestAnAdoptedRunThatNobodyWaitsForIsCancelled(t *testing.T) {
	h := newHost(t)
	h.script("echo began; sleep 1000")
	s, err := h.client().Start(context.Background(), h.request("d-1"))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := s.Next()
	s.Next()
	h.end()
	s.Close()
	dir := live.Dir(first.Folder)
	if err := os.WriteFile(filepath.Join(first.Folder, "clients"), []byte("999999 1\n"), 0o644); err != nil { // this test's own process lives on
		t.Fatal(err)
	}
	h.serve()
	h.until("it has ended", func() bool { return dir.State(os.Geteuid()) == live.Ended })
	if res, _ := dir.Result(os.Geteuid()); res.Verdict != "cancelled" {
		t.Errorf("%+v", res)
	}
}

func TestARunWhoseProcessIsKilledIsInterruptedAndSaidSo(t *testing.T) {
	h := newHost(t)
	h.script("echo began; sleep 1000")
	s, err := h.client().Start(context.Background(), h.request("d-1"))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := s.Next()
	s.Next()
	m, err := live.Dir(first.Folder).Meta()
	if err != nil {
		t.Fatal(err)
	}
	syscall.Kill(m.PID, syscall.SIGKILL)
	text := ""
	for {
		l, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if l.Type == api.Done {
			if l.Result.Verdict != "interrupted" || l.Result.ExitCode != 1 {
				t.Errorf("%+v", l.Result)
			}
			break
		}
		text += l.Text
	}
	if !strings.HasSuffix(text, "verdict: ApplicationStart INTERRUPTED: wingman itself was ended in the middle of it\n") {
		t.Errorf("printed %q", text)
	}
	h.until("on_failure has run", func() bool {
		runs, err := (&engine.Engine{Paths: h.config.Paths}).History()
		return err == nil && len(runs) == 2 && runs[0].Verdict == journal.Interrupted && !runs[1].Ended.IsZero() && len(runs[1].Steps) == 1 && runs[1].Steps[0].Phase == "on_failure"
	})
	if c := h.must(h.request("d-1")); c.first.Joined != "recorded" || c.last.Result.Verdict != "interrupted" { // nobody knows how far it came: not twice
		t.Errorf("%+v", c)
	}
}

// The service was killed after it had told the client that the run is accepted, and before it began: see begin.
func TestTheClientOfARunThatNeverBeganCanSeeThatAfterARestart(t *testing.T) {
	h := newHost(t)
	h.end()
	d, err := live.Make(filepath.Join(h.dir, "run", "live"), live.Meta{ID: "r-1", UID: os.Geteuid(), Event: "ApplicationStart", Deployment: "d-1"})
	if err != nil {
		t.Fatal(err)
	}
	lock, err := d.Lock(os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
	h.serve()
	f, err := d.Follow(os.Geteuid(), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if it, err := f.Next(context.Background()); err != nil || it.End != live.NeverStarted {
		t.Errorf("%+v, %v", it, err)
	}
	h.script("true")
	if c := h.must(h.request("d-1")); c.last.Result.Verdict != "succeeded" || c.first.Run == "r-1" {
		t.Errorf("%+v", c)
	}
}

func TestARunThatEndedAndCouldNotSaySoCameOutAsRecorded(t *testing.T) {
	h := newHost(t)
	h.script("rm -r " + filepath.Join(h.dir, "run", "live") + "/*/run/result*; echo through")
	if c := h.must(h.request("d-1")); c.last.Result.Verdict != "succeeded" || c.text != "through\n" {
		t.Errorf("%q, %+v", c.text, c.last.Result)
	}
}

func TestWhatTheServiceDoesNotTakeRunsInTheCallersProcess(t *testing.T) {
	h := newHost(t)
	h.script("true")
	kind := func(req api.Request) string {
		_, err := h.run(context.Background(), req)
		var refused *api.Error
		if !errors.As(err, &refused) {
			return fmt.Sprint(err)
		}
		return refused.Kind
	}
	elsewhere := h.request("d-1")
	elsewhere.Paths.State = "/elsewhere"
	if got := kind(elsewhere); got != api.Inline {
		t.Errorf("another state folder: %s", got)
	}
	gone := h.request("d-1")
	gone.Dir = "/nowhere"
	if got := kind(gone); got != api.Inline {
		t.Errorf("a folder that is not there: %s", got)
	}
	if got := kind(api.Request{}); got != api.BadInput {
		t.Errorf("an empty request: %s", got)
	}
	h.write("host.yml", "executor: inline\nguard: {mode: disabled}")
	if got := kind(h.request("d-1")); got != api.Inline {
		t.Errorf("executor inline: %s", got)
	}
	if runs, _ := (&engine.Engine{Paths: h.config.Paths}).History(); len(runs) != 0 {
		t.Errorf("%d runs were begun", len(runs))
	}
}

func TestSettingsWithAFaultAreRefusedAndTheOldHold(t *testing.T) {
	h := newHost(t)
	h.script("true")
	h.write("host.yml", "guard: {mode: sometimes}")
	_, err := h.client().Reload(context.Background())
	var refused *api.Error
	if !errors.As(err, &refused) || !strings.Contains(refused.Message, "host.yml:1:15") || !strings.Contains(refused.Message, "what held before holds on") {
		t.Errorf("%v", err)
	}
	if c := h.must(h.request("d-1")); !strings.HasPrefix(c.text, "wingman: host.yml has a fault and is refused") || c.last.Result.Verdict != "succeeded" {
		t.Errorf("%+v", c)
	}
	s, err := h.client().Status(context.Background())
	if err != nil || s.Settings.Guard != "disabled" || len(s.Problems) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	h.write("host.yml", "guard: {mode: observe}")
	if s, err := h.client().Reload(context.Background()); err != nil || s.Guard != "observe" {
		t.Errorf("%+v, %v", s, err)
	}
	h.end()
	h.write("host.yml", "guard: {mode: sometimes}")
	h.serve() // with no settings that ever held it still gives back; but events are refused, as without a service
	if _, err := h.run(context.Background(), h.request("d-2")); !errors.As(err, &refused) || refused.Kind != api.BadInput {
		t.Errorf("%v", err)
	}
}

func TestWhoMayAskForWhat(t *testing.T) {
	a := New(Config{Socket: "/nowhere/w.sock", Group: "root"})
	a.group = 50
	a.runs.put(&held{meta: live.Meta{ID: "r1", UID: 1000}})
	peers := map[string]peer{"root": {known: true}, "owner": {uid: 1000, gid: 1000, known: true}, "member": {uid: 1001, gid: 1001, groups: []int{50}, known: true},
		"stranger": {uid: 1002, gid: 1002, known: true}, "nobody": {}}
	may := map[string]string{
		"GET /v1/version": "root owner member stranger nobody", "GET /v1/status": "root member", "GET /metrics": "root member", "POST /v1/runs": "root owner member stranger nobody",
		"GET /v1/runs": "root member", "GET /v1/runs/{id}/events": "root owner member", "GET /v1/runs/{id}/log": "root owner member", "POST /v1/runs/{id}/cancel": "root owner", "POST /v1/reload": "root",
	}
	if os.Geteuid() != 0 {
		peers["root"] = peer{uid: os.Geteuid(), known: true}
	}
	for _, rt := range routes() {
		want, ok := may[rt.method+" "+rt.path]
		if !ok {
			t.Errorf("%s %s is not in this test's table", rt.method, rt.path)
		}
		for name, p := range peers {
			r, _ := http.NewRequest(rt.method, "/", nil)
			r.SetPathValue("id", "r1")
			if got := rt.who.may(a, p, r); got != strings.Contains(" "+want+" ", " "+name+" ") {
				t.Errorf("%s %s for %s: %v", rt.method, rt.path, name, got)
			}
		}
	}
}

func TestASocketThatIsInUseOrNoSocketIsNotTaken(t *testing.T) {
	h := newHost(t)
	if _, err := listen(h.config.Socket); err == nil || !strings.Contains(err.Error(), "another service answers") {
		t.Errorf("in use: %v", err)
	}
	h.write("file", "precious")
	if _, err := listen(filepath.Join(h.dir, "file")); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file: %v", err)
	}
	if _, err := listen(filepath.Join(h.dir, strings.Repeat("x", 100))); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a long path: %v", err)
	}
	left := filepath.Join(h.dir, "left")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Bind(fd, &syscall.SockaddrUnix{Name: left})
	syscall.Close(fd)
	l, err := listen(left)
	if err != nil {
		t.Fatalf("a left-over socket: %v", err)
	}
	l.Close()
}

func TestTheLogOfARunIsReadAndNothingElse(t *testing.T) {
	h := newHost(t)
	h.script("echo to the log")
	c := h.must(h.request("d-1"))
	f, err := h.client().Log(context.Background(), c.first.Run)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(f)
	if string(b) != "to the log\n" {
		t.Errorf("%q", b)
	}
	h.write("secret", "secret")
	os.MkdirAll(h.config.Paths.Logs, 0o755)
	os.Symlink(filepath.Join(h.dir, "secret"), filepath.Join(h.config.Paths.Logs, "link.log"))
	for _, path := range []string{filepath.Join(h.dir, "secret"), filepath.Join(h.config.Paths.Logs, "link.log"), filepath.Join(h.config.Paths.Logs, "..", "secret")} {
		if f, err := openLog(path, h.config.Paths.Logs); err == nil {
			f.Close()
			t.Errorf("%s was opened", path)
		}
	}
}
