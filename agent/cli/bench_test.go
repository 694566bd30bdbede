package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/hooks"
)

// BenchmarkHook runs one trivial script by itself, through `bin/wingman hook`, and through hooks/wingman.sh as the
// CodeDeploy agent calls it, in turns, and reports medians and what the hook costs more. Goal: at most 8 ms (in-process).
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
		c.Env = append(env, fmt.Sprintf("DEPLOYMENT_ID=d-BENCH%d", runs/20)) // no deployment has hundreds of runs
		runs++
		start := time.Now()
		if out, err := c.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		return time.Since(start)
	}
	var bare, hook, whole []time.Duration
	for b.Loop() {
		bare = append(bare, once(script))
		hook = append(hook, once(bin, "hook", "AfterInstall", "--revision", dir))
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
	b.ReportMetric(0, "ns/op")
}
