package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// soakEnv is how many times the soak upsets things; it runs only where that is set.
const soakEnv, seedEnv = "WINGMAN_SOAK", "WINGMAN_SOAK_SEED"

// TestSoak upsets the service, systemd and clients at random moments while hooks run, on a machine of its own: see
// TestSoakHere. WINGMAN_SOAK=1000 go test -run 'TestSoak$' -v -timeout 2h ./packaging/test
func TestSoak(t *testing.T) {
	if os.Getenv(soakEnv) == "" {
		t.Skipf("skipped: takes about half a second each time that things are upset; %s says how often", soakEnv)
	}
	seed := os.Getenv(seedEnv)
	if seed == "" {
		seed = fmt.Sprint(time.Now().UnixNano())
	}
	m := machine{tests: []string{"./packaging/test"}, env: []string{soakEnv + "=" + os.Getenv(soakEnv), seedEnv + "=" + seed}, limit: 2 * time.Hour}
	t.Log(m.ok(t, `. /t/lib.sh
systemctl stop wingman; install /t/wingman; up
sed -i 's/keep:.*/keep: 10000}/' /etc/wingman/host.yml
/t/test.test -test.run '^TestSoakHere$' -test.v -test.timeout 2h
systemctl restart wingman
nothing_left`))
}

// The script of all hooks of the soak: what it does is in its environment.
const soakScript = `#!/bin/sh
echo began >>/srv/soak/began/$DEPLOYMENT_ID
i=0; while [ $i -lt $LINES ]; do i=$((i + 1)); echo "line $i"; sleep 0.0$((i * 7 % 10)); done
exit $CODE
`

// soak is one, under way.
type soak struct {
	*testing.T
	mu    sync.Mutex
	rand  *rand.Rand
	hooks map[*soaked]bool // under way
	all   []*soaked
	count map[string]int
	over  bool
}

// soaked is one hook of it, and how it came out.
type soaked struct {
	id          string
	lines, code int
	cmd         *exec.Cmd
	out         bytes.Buffer
	killed      syscall.Signal // the client; 0: it lived
	exit        int
}

func (s *soak) random(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.IntN(n)
}

func (s *soak) add(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[what]++
}

// TestSoakHere is the soak, on the machine. Of each run it holds that it was executed once, that its client, where it
// lived, got each line once, in order, and the right exit code, and that there is one record with the right verdict.
func TestSoakHere(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv(soakEnv))
	seed, _ := strconv.ParseUint(os.Getenv(seedEnv), 10, 64)
	if n == 0 || os.Getenv(machineEnv) == "" {
		t.Skip("skipped: TestSoak runs it, on a machine")
	}
	s := &soak{T: t, rand: rand.New(rand.NewPCG(seed, 0)), hooks: map[*soaked]bool{}, count: map[string]int{}}
	s.write("appspec.yml", "version: 0.0\nos: linux\n")
	s.write("wingman.yml", "version: 1\nevents: {ApplicationStart: [{name: go, script: run.sh}]}\n")
	s.write("run.sh", soakScript)
	s.write("began/.keep", "")
	var wg sync.WaitGroup
	for w := range 5 {
		wg.Go(func() {
			for i := 0; !s.ended(); i++ {
				s.hook(fmt.Sprintf("d-%d-%d", w, i))
			}
		})
	}
	began := time.Now()
	for range n {
		time.Sleep(time.Duration(s.random(700)) * time.Millisecond) // random moments are the point
		s.upset()
	}
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	wg.Wait()
	s.check()
	t.Logf("seed %d, %d upsets in %s, %d runs", seed, n, time.Since(began).Round(time.Second), len(s.all))
	var names []string
	for k := range s.count {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		t.Logf("%6d %s", s.count[k], k)
	}
}

func (s *soak) write(name, text string) {
	file := filepath.Join("/srv/soak", name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o755)); err != nil {
		s.Fatal(err)
	}
}

func (s *soak) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// hook runs one hook to its client's end.
func (s *soak) hook(id string) {
	h := &soaked{id: id, lines: s.random(60), code: 5 * s.random(2)}
	h.cmd = exec.Command("wingman", "hook", "--revision", "/srv/soak")
	h.cmd.Dir = "/"
	h.cmd.Env = append(os.Environ(), "LIFECYCLE_EVENT=ApplicationStart", "DEPLOYMENT_ID="+id, fmt.Sprint("LINES=", h.lines), fmt.Sprint("CODE=", h.code))
	h.cmd.Stdout, h.cmd.Stderr = &h.out, &h.out
	h.cmd.WaitDelay = time.Second // a hook that was killed while it ran its steps itself leaves them its output
	s.mu.Lock()
	err := h.cmd.Start()
	s.hooks[h] = true
	s.all = append(s.all, h)
	s.mu.Unlock()
	if err != nil {
		s.Error(err)
		return
	}
	var exit *exec.ExitError
	if err = h.cmd.Wait(); errors.As(err, &exit) {
		h.exit = exit.ExitCode() // -1: of a signal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hooks, h)
}

// upset does something that must not matter, and waits for it to be done but not for what comes of it.
func (s *soak) upset() {
	acts := []struct {
		what string
		do   func() error
	}{
		{"service killed", func() error {
			out, err := exec.Command("systemctl", "show", "wingman", "-P", "MainPID").Output()
			pid, _ := strconv.Atoi(strings.TrimSpace(string(out)))
			if err == nil && pid > 1 {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may just have been
			}
			return err
		}},
		{"service restarted", func() error { return s.shell("systemctl restart wingman") }},
		{"service upgraded", func() error {
			return s.shell("cp /t/" + []string{"wingman", "next"}[s.random(2)] + " /usr/bin/wingman.new; mv /usr/bin/wingman.new /usr/bin/wingman; systemctl restart wingman")
		}},
		{"dbus restarted", func() error {
			return s.shell("systemctl reset-failed dbus.service dbus.socket; systemctl restart dbus")
		}},
		{"systemd re-executed", func() error { return s.shell("systemctl daemon-reexec") }},
		{"client killed", func() error { s.kill(syscall.SIGKILL); return nil }},
		{"client told to end", func() error { s.kill(syscall.SIGTERM); return nil }},
	}
	a := acts[s.random(len(acts))]
	s.add(a.what)
	if err := a.do(); err != nil {
		s.Errorf("%s: %v", a.what, err)
	}
}

// shell runs a command that meets systemd or its bus while those come up again.
func (s *soak) shell(script string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		out, err := exec.CommandContext(ctx, "sh", "-ec", script).CombinedOutput()
		if err == nil || ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		s.Logf("%s: again, after %s", script, bytes.TrimSpace(out))
	}
}

// kill ends a client that has not been told yet.
func (s *soak) kill(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h := range s.hooks {
		if h.killed == 0 && h.cmd.Process != nil {
			h.killed = sig
			_ = h.cmd.Process.Signal(sig) // it may have ended just now
			return
		}
	}
}

// check waits for the last run's end and looks at all of them.
func (s *soak) check() {
	records := map[string][]string{}
	for end := time.Now().Add(time.Minute); ; {
		clear(records)
		running := s.history(records)
		if running == 0 || time.Now().After(end) {
			break
		}
		time.Sleep(100 * time.Millisecond) // until those have ended whose client was killed
	}
	for _, h := range s.all {
		b, _ := os.ReadFile(filepath.Join("/srv/soak/began", h.id)) // not there: it did not begin
		if wrong := h.wrong(strings.Count(string(b), "began"), records[h.id]); wrong != "" {
			out := h.out.String()
			s.Errorf("%s (client: %v, exit code %d; %d lines, code %d; records %v): %s\n%s", h.id, h.killed, h.exit, h.lines, h.code, records[h.id], wrong, out[max(0, len(out)-1500):])
			s.add("WRONG")
		}
		for _, v := range records[h.id] {
			s.count["runs "+v]++
		}
		if strings.Contains(h.out.String(), "runs in this process") {
			s.count["runs of which in the client's own process"]++
		}
	}
}

// history gives the verdicts of each deployment's runs, and how many are under way.
func (s *soak) history(into map[string][]string) (running int) {
	out, err := exec.Command("wingman", "history", "--limit", "0", "--output", "json").Output()
	var h struct {
		Runs []struct{ Deployment, Verdict string }
	}
	if err = errors.Join(err, json.Unmarshal(out, &h)); err != nil {
		s.Fatal(err)
	}
	for _, r := range h.Runs {
		into[r.Deployment] = append(into[r.Deployment], r.Verdict)
		if r.Verdict == "running" {
			running++
		}
	}
	return running
}

// wrong says what does not hold of a hook.
func (h *soaked) wrong(began int, records []string) string {
	verdict, exit := "succeeded", 0
	if h.code != 0 {
		verdict, exit = "failed", 1
	}
	inline := strings.Contains(h.out.String(), "runs in this process")
	got := 0
	for line := range strings.Lines(h.out.String()) {
		if n, ok := strings.CutPrefix(line, "line "); ok {
			if got++; strings.TrimSpace(n) != strconv.Itoa(got) && !(h.killed != 0 && !strings.HasSuffix(line, "\n")) {
				return fmt.Sprintf("line %d reads %q", got, n)
			}
		}
	}
	switch {
	case began > 1 || len(records) > 1:
		return fmt.Sprintf("executed %d times, %d records", began, len(records))
	case began > len(records):
		return "executed and not recorded"
	case h.killed != 0 && len(records) == 1 && records[0] != "cancelled" && records[0] != verdict && !(inline && records[0] == "interrupted"):
		return "verdict of a run whose client was ended"
	case h.killed == syscall.SIGTERM && h.exit != 130 && h.exit != exit && h.exit != -1: // -1: before it listened to signals
		return "exit code of a client that was told to end"
	case h.killed != 0:
		return ""
	case began != 1 || len(records) != 1:
		return fmt.Sprintf("executed %d times, %d records", began, len(records))
	case got != h.lines:
		return fmt.Sprintf("%d lines of %d", got, h.lines)
	case records[0] != verdict || h.exit != exit:
		return "verdict or exit code"
	}
	return ""
}
