package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// scene is a simulated AWS with a deployment in progress, for the real program.
type scene struct {
	testing.TB
	amazon
	dir string
	bin string // the program: this test's own binary under its name, which TestMain makes it be
}

func newScene(t testing.TB, n int, operator ...string) *scene {
	t.Helper()
	s := &scene{TB: t, dir: t.TempDir()}
	s.bin = filepath.Join(s.dir, "wingman")
	self, err := os.Executable()
	s.must(err)
	s.must(os.Symlink(self, s.bin))
	earlier := map[string]time.Time{} // than the seconds around our own suspending, in which an act is taken for ours
	for _, p := range operator {
		earlier[p] = time.Now().Add(-time.Minute)
	}
	a, err := newAmazon(n, earlier)
	s.must(err)
	t.Cleanup(func() { s.must(a.close()) })
	s.amazon = *a
	s.must(os.WriteFile(filepath.Join(s.dir, "appspec.yml"), []byte("version: 0.0\nos: linux\n"), 0o600))
	return s
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// command is the program as it runs on the i-th instance.
func (s *scene) command(i int, args ...string) *exec.Cmd {
	s.Helper()
	meta, err := s.sim.IMDS(s.instances[i])
	s.must(err)
	home := filepath.Join(s.dir, fmt.Sprint("instance", i))
	c := exec.Command(s.bin, args...)
	c.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + home, "AWS_ENDPOINT_URL=" + s.sim.URL(), "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + meta, "WINGMAN_STATE_DIR=" + home + "/state", "WINGMAN_LOG_DIR=" + home + "/log",
		"WINGMAN_CONFIG=" + s.dir + "/host.yml", "LIFECYCLE_EVENT=BeforeBlockTraffic", "DEPLOYMENT_ID=" + s.deployment, "APPLICATION_NAME=shop", "DEPLOYMENT_GROUP_NAME=web", "DEPLOYMENT_GROUP_ID=dg-1"}
	return c
}

func (s *scene) hook(i int) *exec.Cmd { return s.command(i, "hook", "--revision", s.dir) }

// ends stops the deployment, and waits until it is over.
func (s *scene) ends() {
	s.Helper()
	s.must(s.end())
}

// suspended gives what is suspended on the group, and the number of its guards.
func (s *scene) suspended() (string, int) {
	g, _ := s.sim.Group("web")
	var names []string
	for p := range g.Suspended {
		names = append(names, p)
	}
	sort.Strings(names)
	guards := 0
	for k := range g.Tags {
		if strings.HasPrefix(k, guard.KeyPrefix) {
			guards++
		}
	}
	return strings.Join(names, " "), guards
}

const original = "AZRebalance AlarmNotification InstanceRefresh ReplaceUnhealthy ScheduledActions Terminate"

// Whatever call to AWS a hook dies at, before it is carried out or after, what wingman suspended is given back once the
// deployment is over, by the instance itself or by another that knows nothing of it; what the operator had suspended
// stays so.
func TestKilledAtEveryStep(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the program against simulated AWS for a minute")
	}
	t.Parallel()
	calls := hookCalls(t)
	if len(calls) < 7 {
		t.Fatalf("a hook makes only %d calls: %v", len(calls), calls)
	}
	for k, call := range calls {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%02d %s after=%t", k, call, after), func(t *testing.T) {
				t.Parallel()
				killed(t, k, after)
			})
		}
	}
}

// hookCalls are the calls that an undisturbed hook makes.
func hookCalls(t *testing.T) (out []string) {
	t.Run("undisturbed", func(t *testing.T) {
		s := newScene(t, 1)
		before := len(s.sim.Requests())
		if text, err := s.hook(0).CombinedOutput(); err != nil || !strings.Contains(string(text), "guard: suspended Terminate") {
			t.Fatalf("%v: %s", err, text)
		}
		if got, guards := s.suspended(); got != original || guards != 1 {
			t.Errorf("suspended %s, %d guards", got, guards)
		}
		for _, r := range s.sim.Requests()[before:] {
			out = append(out, r.Operation)
		}
	})
	return out
}

func killed(t *testing.T, k int, after bool) {
	s := newScene(t, 1, "HealthCheck", "AZRebalance")
	hook := s.hook(0)
	var once sync.Once
	started := make(chan struct{}) // its first call may come before Start returns
	kill := func(awssim.Request) { once.Do(func() { <-started; _ = hook.Process.Kill() }) }
	f := awssim.Fault{Caller: "", Skip: k, Times: 1, Before: kill}
	if after {
		f.Before, f.After = nil, kill
	}
	defer s.sim.Inject(f)()
	var out bytes.Buffer
	hook.Stdout, hook.Stderr = &out, &out
	s.must(hook.Start())
	close(started)
	if err := hook.Wait(); err == nil {
		t.Fatalf("it was not killed: %s", out.String())
	}
	s.ends()
	reaper := s.command(0, "guard", "reap", "--group", "web")
	if k%2 == 1 { // another instance, with no record of its own
		reaper.Env = append(reaper.Env, "WINGMAN_STATE_DIR="+s.dir+"/another")
	}
	if out, err := reaper.CombinedOutput(); err != nil {
		t.Errorf("reap: %v: %s", err, out)
	}
	if got, guards := s.suspended(); got != "AZRebalance HealthCheck" || guards != 0 {
		t.Errorf("suspended in the end: %s; %d guards", got, guards)
	}
}

// Several instances at once share one guard; one that ends first does not resume under the others.
func TestInstancesAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the program against simulated AWS for a minute")
	}
	t.Parallel()
	for _, n := range []int{2, 8} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, n, "HealthCheck")
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					if out, err := s.hook(i).CombinedOutput(); err != nil || !strings.Contains(string(out), "guard: ") || strings.Contains(string(out), "NOT SET") {
						t.Errorf("instance %d: %v: %s", i, err, out)
					}
				})
			}
			wg.Wait()
			want := "AZRebalance AlarmNotification HealthCheck InstanceRefresh ReplaceUnhealthy ScheduledActions Terminate"
			if got, guards := s.suspended(); got != want || guards != 1 {
				t.Fatalf("suspended %s, %d guards", got, guards)
			}
			if out, err := s.command(0, "guard", "reap").CombinedOutput(); err != nil {
				t.Errorf("reap while the deployment goes on: %v: %s", err, out)
			}
			if got, guards := s.suspended(); got != want || guards != 1 {
				t.Errorf("the first gave back under the others: suspended %s, %d guards", got, guards)
			}
			s.ends()
			for i := range n {
				wg.Go(func() {
					if out, err := s.command(i, "guard", "reap").CombinedOutput(); err != nil {
						t.Errorf("reap %d: %v: %s", i, err, out)
					}
				})
			}
			wg.Wait()
			if got, guards := s.suspended(); got != "HealthCheck" || guards != 0 {
				t.Errorf("suspended in the end: %s; %d guards", got, guards)
			}
		})
	}
}
