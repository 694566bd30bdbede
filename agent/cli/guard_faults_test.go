package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
)

// limit is what a hook may take beside AWS's troubles: ten seconds, and what starting the program costs here.
const limit = 13 * time.Second

// ran is what came of one run of the program.
type ran struct {
	code int
	out  string
	took time.Duration
}

func (s *scene) run(c *exec.Cmd) ran {
	s.Helper()
	began := time.Now()
	out, err := c.CombinedOutput()
	if err != nil && c.ProcessState == nil {
		s.Fatal(err)
	}
	return ran{c.ProcessState.ExitCode(), string(out), time.Since(began)}
}

// says fails the test unless the program ended with that code and said all of it.
func (s *scene) says(r ran, code int, words ...string) {
	s.Helper()
	if r.code != code {
		s.Errorf("exit code %d, want %d: %s", r.code, code, r.out)
	}
	for _, w := range words {
		if !strings.Contains(r.out, w) {
			s.Errorf("it does not say %q: %s", w, r.out)
		}
	}
}

func (s *scene) write(file, text string) {
	s.Helper()
	s.must(os.MkdirAll(filepath.Dir(filepath.Join(s.dir, file)), 0o700))
	s.must(os.WriteFile(filepath.Join(s.dir, file), []byte(text), 0o600))
}

// Whatever AWS does, the hook passes, in time. What is not needed for the guard does not stop it.
func TestHookWhenAWSFails(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the program against simulated AWS for a minute")
	}
	t.Parallel()
	deny := func(service, op string) awssim.Fault {
		return awssim.Fault{Service: service, Operation: op, Deny: true}
	}
	hang := func(service, op string) awssim.Fault {
		return awssim.Fault{Service: service, Operation: op, Hang: true}
	}
	const set, lost = "guard: suspended", "GUARD NOT SET"
	for _, tt := range []struct {
		name  string
		fault awssim.Fault
		says  []string
	}{
		{"all hangs", hang("", ""), []string{lost}},
		{"IMDS hangs", hang("imds", ""), []string{lost, "metadata service does not answer"}},
		{"Auto Scaling hangs", hang("autoscaling", ""), []string{lost}},
		{"CodeDeploy hangs", hang("codedeploy", ""), []string{set}},
		{"policies hang", hang("autoscaling", "DescribePolicies"), []string{set, "headroom"}},
		{"all is throttled", awssim.Fault{Throttle: true, Service: "autoscaling"}, []string{lost, "throttles"}},
		{"may not describe", deny("autoscaling", "DescribeAutoScalingGroups"), []string{lost, "may not call autoscaling:DescribeAutoScalingGroups"}},
		{"may not tag", deny("autoscaling", "CreateOrUpdateTags"), []string{lost, "may not call autoscaling:CreateOrUpdateTags"}},
		{"may not suspend", deny("autoscaling", "SuspendProcesses"), []string{lost, "may not call autoscaling:SuspendProcesses"}},
		{"may not ask CodeDeploy", deny("codedeploy", ""), []string{set}},
		{"may not see policies", deny("autoscaling", "DescribePolicies"), []string{set, "may not call autoscaling:DescribePolicies"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 1)
			defer s.sim.Inject(tt.fault)()
			r := s.run(s.hook(0))
			s.says(r, 0, tt.says...)
			if r.took > limit {
				t.Errorf("the hook took %s: %s", r.took, r.out)
			}
			t.Logf("%s: %s", r.took, r.out)
		})
	}
}

// What AWS did not answer at one event is not waited for again at the next.
func TestSilenceIsWaitedForOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for what does not answer")
	}
	t.Parallel()
	s := newScene(t, 1)
	defer s.sim.Inject(awssim.Fault{Hang: true, Service: "autoscaling"})()
	defer s.sim.Inject(awssim.Fault{Hang: true, Service: "codedeploy"})()
	for i, event := range []string{"BeforeInstall", "AfterInstall", "ApplicationStart", "BeforeAllowTraffic"} {
		c := s.hook(0)
		c.Env = append(c.Env, "LIFECYCLE_EVENT="+event)
		if r := s.run(c); r.code != 0 || i > 0 && r.took > 3*time.Second {
			t.Errorf("%s: exit code %d after %s: %s", event, r.code, r.took, r.out)
		}
	}
}

// A guard that is to fail the event does: exit code 1, and a summary that says so.
func TestGuardThatMustHold(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	s.write("host.yml", "guard: {continue_on_error: false}\n")
	defer s.sim.Inject(awssim.Fault{Service: "autoscaling", Operation: "SuspendProcesses", Deny: true})()
	s.says(s.run(s.hook(0)), 1, "GUARD NOT SET on web", "may not call autoscaling:SuspendProcesses", "FAILED")
}

// A state folder that cannot be written or read costs the record, never the guard.
func TestHookWithoutAJournal(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the protocol's seconds")
	}
	t.Parallel()
	for name, spoil := range map[string]func(s *scene){
		"state is a file":       func(s *scene) { s.write("instance0/state", "x") },
		"guards is a file":      func(s *scene) { s.write("instance0/state/guards", "x") },
		"corrupt place, guards": func(s *scene) { s.write("instance0/state/guards/0000000000000000.json", "{") },
		"a newer guard":         func(s *scene) { s.write("instance0/state/guards/0000000000000000.json", `{"v": 99}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 1)
			spoil(s)
			s.says(s.run(s.hook(0)), 0, "guard: suspended Terminate")
			s.ends()
			r := s.run(s.command(0, "guard", "reap", "--group", "web"))
			if got, guards := s.suspended(); got != "" || guards != 0 {
				t.Errorf("suspended in the end: %s; %d guards; exit code %d: %s", got, guards, r.code, r.out)
			}
			t.Logf("exit code %d: %s", r.code, r.out)
		})
	}
}

// writes gives what was written to AWS so far, apart from the simulator's own.
func (s *scene) writes() (out []string) {
	for _, r := range s.sim.Requests() {
		if r.Write && r.Service != "imds" {
			out = append(out, r.Operation)
		}
	}
	return out
}

// Mode observe writes nothing, whoever asks; what was asked for and not done is no success.
func TestObserveWritesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	s.write("host.yml", "guard: {mode: observe}\n")
	before := len(s.writes())
	s.says(s.run(s.hook(0)), 0, "mode observe: would suspend Terminate", "nothing was written")
	s.says(s.run(s.command(0, "guard", "reap")), 0)
	s.says(s.run(s.command(0, "guard", "suspend", "--for", "30m")), 3, "nothing was written")
	s.says(s.run(s.command(0, "guard", "suspend", "--deployment", s.deployment)), 3, "nothing was written")
	s.ends()
	s.says(s.run(s.command(0, "guard", "reap")), 0)
	if w := s.writes()[before:]; len(w) > 0 {
		t.Errorf("written: %v", w)
	}
}

// Mode disabled asks nothing in hooks, and begins nothing again.
func TestDisabledAfterABegin(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	remove := s.sim.Inject(awssim.Fault{Operation: "CreateOrUpdateTags", Deny: true})
	s.says(s.run(s.hook(0)), 0, "GUARD NOT SET")
	remove()
	s.write("host.yml", "guard: {mode: disabled}\n")
	before := len(s.sim.Requests())
	s.says(s.run(s.hook(0)), 0)
	if n := len(s.sim.Requests()) - before; n > 0 {
		t.Errorf("%d calls though disabled", n)
	}
	s.says(s.run(s.command(0, "guard", "reap")), 0)
	if got, guards := s.suspended(); got != "" || guards != 0 {
		t.Errorf("begun again though disabled: %s, %d guards", got, guards)
	}
}

// Ids are opaque; without one there is nothing to hold for.
func TestStrangeDeployments(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{"": "no steps", "a b/c \u00e4 $(id)": "guard: suspended", "d-NOWHERE00": "guard: suspended", strings.Repeat("x", 300): "guard: suspended"} {
		t.Run(fmt.Sprintf("%.20q", id), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 1)
			c := s.hook(0)
			c.Env = append(c.Env, "DEPLOYMENT_ID="+id)
			r := s.run(c)
			if r.code != 0 || want != "no steps" && !strings.Contains(r.out, want) {
				t.Errorf("exit code %d: %s", r.code, r.out)
			}
			s.says(s.run(s.command(0, "guard", "resume")), 0)
			if got, guards := s.suspended(); got != "" {
				t.Errorf("left: %s, %d guards", got, guards)
			}
		})
	}
}

// That no place could be asked for is said in later events' summaries too.
func TestLaterSummariesSayWhatFailed(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	remove := s.sim.Inject(awssim.Fault{Service: "imds", Hang: true})
	s.says(s.run(s.hook(0)), 0, "GUARD NOT SET")
	remove()
	s.write("wingman.yml", "version: 1\nevents: {AfterBlockTraffic: [{command: [\"false\"]}]}\n")
	c := s.hook(0)
	c.Env = append(c.Env, "LIFECYCLE_EVENT=AfterBlockTraffic")
	s.says(s.run(c), 1, "GUARD NOT SET in an earlier event")
}

// The step resume_processes lets go at once, but not under another instance, nor where that may not be asked.
func TestResumeStep(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the protocol's seconds")
	}
	t.Parallel()
	for _, tt := range []struct {
		name      string
		instances int
		fault     awssim.Fault
		says      string
		guards    int
	}{
		{"alone", 1, awssim.Fault{Operation: "nothing"}, "given back: resumed Terminate", 0},
		{"another is in it", 2, awssim.Fault{Operation: "nothing"}, "another instance was in the middle of it", 1},
		{"may not ask", 1, awssim.Fault{Operation: "ListDeploymentTargets", Deny: true}, "may not call codedeploy:ListDeploymentTargets", 1},
		{"may not resume", 1, awssim.Fault{Operation: "ResumeProcesses", Deny: true}, "may not call autoscaling:ResumeProcesses", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, tt.instances)
			s.write("wingman.yml", "version: 1\nevents: {AfterBlockTraffic: [{resume_processes: {}}]}\n")
			s.write("appspec.yml", fmt.Sprintf("version: 0.0\nos: linux\nhooks:\n  AfterBlockTraffic:\n    - {location: wingman.sh, timeout: %d}\n", 80-50*(tt.instances-1)))
			s.says(s.run(s.hook(0)), 0, "guard: suspended")
			defer s.sim.Inject(tt.fault)()
			c := s.hook(0)
			c.Env = append(c.Env, "LIFECYCLE_EVENT=AfterBlockTraffic")
			s.says(s.run(c), 0, tt.says)
			if _, guards := s.suspended(); guards != tt.guards {
				t.Errorf("%d guards, want %d", guards, tt.guards)
			}
		})
	}
}

// Hooks of several deployments at once on one instance share its state folder.
func TestHooksAtOnceOnOneInstance(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			c := s.hook(0)
			c.Env = append(c.Env, fmt.Sprint("DEPLOYMENT_ID=other-", i), fmt.Sprint("DEPLOYMENT_GROUP_ID=g", i))
			s.says(s.run(c), 0, "guard: ")
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(filepath.Join(s.dir, "instance0/state/guards"))
	s.must(err)
	kept := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".json") {
			kept++
		}
	}
	if got, guards := s.suspended(); got != original || guards < 1 || kept != 6 {
		t.Errorf("suspended %s, %d guards, %d records", got, guards, kept)
	}
	s.says(s.run(s.command(0, "guard", "resume")), 0)
	if got, _ := s.suspended(); got != "" {
		t.Errorf("left: %s", got)
	}
}
