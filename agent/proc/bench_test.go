//go:build linux

package proc

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func BenchmarkRunTrue(b *testing.B) {
	path := filepath.Join(b.TempDir(), "s.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n:\n"), 0o755); err != nil {
		b.Fatal(err)
	}
	var bare time.Duration
	for b.Loop() {
		if e := Run(context.Background(), Spec{Argv: []string{path}, Script: true, Env: os.Environ()}); !e.OK() {
			b.Fatal(e)
		}
		b.StopTimer()
		start := time.Now()
		if err := exec.Command(path).Run(); err != nil {
			b.Fatal(err)
		}
		bare += time.Since(start)
		b.StartTimer()
	}
	b.ReportMetric(float64(bare.Nanoseconds())/float64(b.N), "bare-ns/op")
}

func BenchmarkOutput(b *testing.B) {
	size := "1000000000"
	if testing.Short() {
		size = "100000000"
	}
	for b.Loop() {
		var c counter
		Run(context.Background(), Spec{Argv: []string{"head", "-c", size, "/dev/zero"}, Env: os.Environ(), Output: &c})
		b.SetBytes(c.n)
	}
}
