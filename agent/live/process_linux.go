package live

import (
	"bytes"
	"os"
	"strconv"
)

// ProcessStart tells a process from a later one of the same id: when it started, in ticks since boot (proc(5), stat,
// field 22). "" where there is no such process.
func ProcessStart(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // the name may hold anything
	if len(f) < 20 || f[0][0] == 'Z' || f[0][0] == 'X' {
		return ""
	}
	return string(f[19])
}
