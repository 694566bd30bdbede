package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/client"
	"github.com/codedeploy-wingman/wingman/hooks"
)

// BenchmarkHook runs one trivial script by itself, through `bin/wingman hook` in its own process and by a service, and
// through hooks/wingman.sh as the CodeDeploy agent calls it, in turns, and reports medians and what the hook costs more.
// Goals: at most 8 ms in its own process, at most 5 by the service. There is no systemd here, so that the time for the
// scope is not in it; packaging/test measures that. Beside it, what the service takes at rest: goal at most 16 MB.
func BenchmarkHook(b *testing.B) {
	bin, err := filepath.Abs(filepath.Join("..", "..", "bin", "wingman"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		b.Fatalf("%v: make build first", err)
	}
	dir := b.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			b.Fatal(err)
		}
		return path
	}
	script := write("true.sh", "#!/bin/sh\nexit 0\n")
	write("appspec.yml", "version: 0.0\nos: linux\n")
	write("wingman.yml", "version: 1\nevents:\n  AfterInstall:\n    - script: true.sh\n")
	shell := write("wingman.sh", hooks.Shell)
	env := append(os.Environ(), "WINGMAN_BIN="+bin, "LIFECYCLE_EVENT=AfterInstall", "WINGMAN_STATE_DIR="+dir+"/state", "WINGMAN_LOG_DIR="+dir+"/logs", "WINGMAN_CONFIG="+dir+"/host.yml")
	write("host.yml", "log: {keep: 1}\nguard: {mode: disabled}\n") // what the guard costs is BenchmarkGuard's
	runs := 0
	once := func(args ...string) time.Duration {
		c := exec.Command(args[0], args[1:]...)
		c.Env = append(slices.Clone(env), fmt.Sprintf("DEPLOYMENT_ID=d-BENCH%d", runs/20)) // no deployment has hundreds of runs
		runs++
		start := time.Now()
		if out, err := c.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		return time.Since(start)
	}
	socket, resident := served(b, bin, env)
	var bare, hook, served, whole []time.Duration
	for b.Loop() {
		bare = append(bare, once(script))
		hook = append(hook, once(bin, "hook", "AfterInstall", "--again", "--revision", dir))
		env = append(env, "WINGMAN_SOCKET="+socket)
		served = append(served, once(bin, "hook", "AfterInstall", "--again", "--revision", dir))
		env = env[:len(env)-1]
		whole = append(whole, once(shell))
	}
	ms := func(all []time.Duration) float64 { // the median: what else the machine does in between is no cost of a hook
		slices.Sort(all)
		return all[len(all)/2].Seconds() * 1000
	}
	b.ReportMetric(ms(bare), "ms/script")
	b.ReportMetric(ms(hook), "ms/hook")
	b.ReportMetric(ms(whole), "ms/wingman.sh")
	b.ReportMetric(ms(hook)-ms(bare), "ms/more(goal≤8)")
	b.ReportMetric(ms(served)-ms(bare), "ms/more-by-the-service(goal≤5)")
	b.ReportMetric(resident, "MB/service-at-rest(goal≤16)")
	b.ReportMetric(0, "ns/op")
}

// served starts a service, whose runs are kept in memory as under systemd, and gives its socket and what it takes.
func served(b *testing.B, bin string, env []string) (socket string, resident float64) {
	dir, err := os.MkdirTemp("/dev/shm", "wingman-bench-")
	if err != nil {
		dir = b.TempDir()
	}
	socket = filepath.Join(dir, "w.sock")
	c := exec.Command(bin, "service", "run")
	c.Env = append(slices.Clone(env), "WINGMAN_SOCKET="+socket, "AWS_EC2_METADATA_DISABLED=true")
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
		os.RemoveAll(dir)
	})
	for end := time.Now().Add(10 * time.Second); ; {
		if _, err := client.New(socket, "").Status(b.Context()); err == nil {
			break
		} else if time.Now().After(end) {
			b.Fatal(err)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	if err == nil { // Linux
		_, rest, _ := strings.Cut(string(status), "VmRSS:")
		fmt.Sscan(rest, &resident)
	}
	return socket, resident / 1024
}
