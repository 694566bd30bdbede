package journal

import (
	"os"
	"strconv"
	"strings"
)

// started tells a process from every other that has, had or will have its id: by the boot's id and by when, in ticks
// since then, it began (proc(5): field 22 of stat). "" where /proc does not say. gone is a process that has ended and that
// its parent has not asked for yet.
func started(pid int) (id string, gone bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false
	}
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ") // the name before may hold anything
	fields := strings.Fields(rest)                                                            // from field 3, the state, on
	if len(fields) < 20 {
		return "", false
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", false
	}
	return strings.TrimSpace(string(boot)) + "/" + fields[19], fields[0] == "Z" || fields[0] == "X"
}
