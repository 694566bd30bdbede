package rehearsal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// endAll ends each process that a hook of this rehearsal left: it carries its instance's root in its environment,
// however often it was forked and whoever its parent is now. TERM, two seconds, KILL.
func endAll(scratch string) error {
	late, last := time.After(2*time.Second), time.After(10*time.Second)
	signal := syscall.SIGTERM
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		left := marked(scratch)
		if len(left) == 0 {
			return nil
		}
		for _, pid := range left {
			if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("cannot end process %d, which a hook left: %w", pid, err)
			}
		}
		select {
		case <-tick.C:
		case <-late:
			signal = syscall.SIGKILL
		case <-last:
			return fmt.Errorf("cannot end process %d, which a hook left: it does not end after KILL", left[0])
		}
	}
}

// lives says whether anything that a hook started still runs.
func lives(scratch string) bool { return len(marked(scratch)) > 0 }

// marked gives the processes with an instance's root in their environment. A process that has ended and is not yet waited for has no environment.
func marked(scratch string) []int {
	mark := []byte(rootVariable + "=" + scratch + "/")
	var out []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil {
			continue
		}
		for _, kv := range bytes.Split(env, []byte{0}) {
			if bytes.HasPrefix(kv, mark) {
				out = append(out, pid)
			}
		}
	}
	return out
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
