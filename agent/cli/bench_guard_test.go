package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
)

// BenchmarkGuard suspends and gives back on one instance: wingman's hooks, and, in the same run on the same simulated
// AWS at 5 ms a call, Debian's AWS CLI making the same Auto Scaling calls one after the other, as a script would. Goals:
// at most 10 Auto Scaling calls in all; 200 times less wall time and CPU than AWS's sample scripts, which take 7.9 s and
// 6.9 s of CPU for theirs. The release, which waits as its protocol does and is in no hook, is reported apart.
func BenchmarkGuard(b *testing.B) {
	const cli = "/usr/bin/aws"
	if _, err := os.Stat(cli); err != nil {
		b.Skip("the AWS CLI is not installed: apt-get install awscli")
	}
	bin, err := filepath.Abs(filepath.Join("..", "..", "bin", "wingman"))
	if err != nil {
		b.Fatal(err)
	}
	var wall, cpu, cliWall, cliCPU, release []time.Duration
	var hookCalls, releaseCalls int
	for b.Loop() {
		s := newScene(b, 1)
		s.bin = bin
		defer s.sim.Inject(awssim.Fault{Latency: 5 * time.Millisecond})()
		before := s.scalingCalls()
		var w, c time.Duration
		for _, event := range []string{"BeforeBlockTraffic", "AfterBlockTraffic"} {
			w1, c1 := s.timed(s.command(0, "hook", event, "--revision", s.dir))
			w, c = w+w1, c+c1
		}
		wall, cpu, hookCalls = append(wall, w), append(cpu, c), s.scalingCalls()-before
		s.ends()
		before = s.scalingCalls()
		r, _ := s.timed(s.command(0, "guard", "reap", "--group", "web"))
		release, releaseCalls = append(release, r), s.scalingCalls()-before
		if got, guards := s.suspended(); got != "" || guards != 0 {
			b.Fatalf("suspended in the end: %s, %d guards", got, guards)
		}
		w, c = 0, 0
		for _, call := range []string{
			"describe-auto-scaling-instances --instance-ids " + s.instances[0],
			"describe-auto-scaling-groups --auto-scaling-group-names web",
			"suspend-processes --auto-scaling-group-name web --scaling-processes " + original,
			"describe-auto-scaling-groups --auto-scaling-group-names web",
			"resume-processes --auto-scaling-group-name web --scaling-processes " + original,
		} {
			cmd := exec.Command(cli, append([]string{"--endpoint-url", s.sim.URL(), "--region", "eu-west-1", "autoscaling"}, strings.Fields(call)...)...)
			cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + s.dir, "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y"}
			w1, c1 := s.timed(cmd)
			w, c = w+w1, c+c1
		}
		cliWall, cliCPU = append(cliWall, w), append(cliCPU, c)
	}
	ms := func(all []time.Duration) float64 {
		slices.Sort(all)
		return all[len(all)/2].Seconds() * 1000
	}
	b.ReportMetric(ms(wall), "ms/hooks")
	b.ReportMetric(ms(cpu), "ms-cpu/hooks")
	b.ReportMetric(ms(cliWall), "ms/aws-cli")
	b.ReportMetric(ms(cliCPU), "ms-cpu/aws-cli")
	b.ReportMetric(float64(hookCalls), "calls/hooks")
	b.ReportMetric(float64(hookCalls+releaseCalls), "calls/all(goal≤10)")
	b.ReportMetric(ms(release), "ms/release")
	b.ReportMetric(0, "ns/op")
}

// scalingCalls counts the calls to Auto Scaling so far.
func (s *scene) scalingCalls() (n int) {
	for _, r := range s.sim.Requests() {
		if r.Service == "autoscaling" {
			n++
		}
	}
	return n
}

// timed runs a command and gives its wall time and its CPU time.
func (s *scene) timed(c *exec.Cmd) (wall, cpu time.Duration) {
	s.Helper()
	start := time.Now()
	if out, err := c.CombinedOutput(); err != nil {
		s.Fatalf("%v: %v: %s", c.Args, err, out)
	}
	return time.Since(start), c.ProcessState.UserTime() + c.ProcessState.SystemTime()
}
