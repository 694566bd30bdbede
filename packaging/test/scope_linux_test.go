package test

import (
	"strings"
	"testing"
)

// The tests of other packages that need a systemd of their own: TestSystemd… of agent/scope, and agent/proc's of cgroups,
// here with cgroup2 alone.
func TestInAMachine(t *testing.T) {
	for pkg, tests := range map[string]string{"./agent/scope": "^TestSystemd", "./agent/proc": "Cgroup"} {
		t.Run(pkg, func(t *testing.T) {
			t.Parallel()
			binary := "/t/" + strings.TrimPrefix(pkg, "./agent/") + ".test"
			out := machine{tests: []string{pkg}}.ok(t, binary+" -test.list '"+tests+"'; "+binary+" -test.v -test.timeout 100s -test.run '"+tests+"' 2>&1")
			listed, ran, _ := strings.Cut(out, "=== RUN")
			for _, name := range strings.Fields(listed) {
				if !strings.Contains(ran, "\n--- PASS: "+name+" (") {
					t.Errorf("%s did not run and pass:\n%s", name, out)
				}
			}
			if listed == "" || strings.Contains(ran, "--- SKIP") {
				t.Errorf("skipped, or none at all:\n%s", out)
			}
		})
	}
}

// A scope outlives the unit whose process made it, however that ends.
func TestScopeOutlivesItsMaker(t *testing.T) {
	t.Parallel()
	out := machine{tests: []string{"./agent/scope"}}.ok(t, `
systemd-run --quiet --unit=ended --wait /t/scope.test leave wingman-ended.scope
systemd-run --quiet --unit=killed --property=Type=oneshot --property=RemainAfterExit=yes /t/scope.test leave wingman-killed.scope
systemctl kill -s KILL killed.service || : # no process is left in it
systemctl stop killed.service
systemctl is-active ended.service killed.service || :
systemctl is-active wingman-ended.scope wingman-killed.scope
for s in ended killed; do ps -o comm= -p "$(cat /sys/fs/cgroup/system.slice/wingman-$s.scope/cgroup.procs)"; done`)
	if want := "inactive\ninactive\nactive\nactive\nsleep\nsleep\n"; out != want {
		t.Errorf("got\n%s", out)
	}
}
