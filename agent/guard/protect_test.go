package guard_test

// Which suspended processes protect a deployment from what: measured, not reasoned. Each cell of the table is a whole
// blue/green deployment in simulated AWS, on its virtual clock, in the middle of which something makes Auto Scaling
// want to terminate or launch.

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/guard"
)

const (
	held     = 20 * time.Minute // how long each hook takes, BeforeBlockTraffic among them
	watched  = 15 * time.Minute // after a cause, and after the guard's end
	original = "web"
)

// candidate is a set of processes that somebody might suspend.
type candidate struct {
	name string
	set  []guard.Process
}

func candidates() []candidate {
	d := guard.Defaults()
	return []candidate{
		{"nothing", nil},
		{"AWS in place", []guard.Process{guard.Terminate, guard.AZRebalance, guard.InstanceRefresh, guard.ScheduledActions}},
		{"AWS samples", []guard.Process{guard.AZRebalance, guard.AlarmNotification, guard.ScheduledActions, guard.ReplaceUnhealthy}},
		{"**wingman original**", d.Original.Processes},
		{"**wingman replacement**", d.Replacement.Processes},
		{"Terminate", []guard.Process{guard.Terminate}},
		{"Terminate, AZRebalance", []guard.Process{guard.Terminate, guard.AZRebalance}},
		{"Launch, Terminate", []guard.Process{guard.Launch, guard.Terminate}},
		{"all nine", guard.Processes()},
	}
}

// cause is something that makes Auto Scaling terminate or launch.
type cause struct {
	name string
	do   func(*field)
}

func terminations() []cause {
	return []cause{
		{"an alarm scales in", func(f *field) { f.alarm("AlarmLow") }},
		{"a scheduled action scales in", func(f *field) { f.scheduled(1) }},
		{"desired capacity is lowered by hand", func(f *field) { f.must(f.SetDesired(f.group, 1)) }},
		{"an instance fails EC2's check for a while", func(f *field) { f.ill(f.Break, 10*time.Second) }},
		{"an instance fails the load balancer's check for a while", func(f *field) { f.ill(f.Sicken, 2*time.Minute) }},
		{"a zone is added: AZ rebalance", func(f *field) {
			f.api("UpdateAutoScalingGroup", "AvailabilityZones.member.1", "eu-west-1a", "AvailabilityZones.member.2", "eu-west-1b")
		}},
		{"maximum instance lifetime is reached", func(f *field) {
			f.api("UpdateAutoScalingGroup", "MaxInstanceLifetime", fmt.Sprint(int(f.Now().Sub(f.born).Seconds())))
		}},
		{"an instance refresh is started", func(f *field) { f.api("StartInstanceRefresh") }},
		{"Spot interrupts an instance", func(f *field) { f.must(f.Spot(f.one())) }},
		{"TerminateInstanceInAutoScalingGroup by hand", func(f *field) {
			f.api("TerminateInstanceInAutoScalingGroup", "InstanceId", f.one(), "ShouldDecrementDesiredCapacity", "false")
		}},
	}
}

func launches() []cause {
	return []cause{
		{"an alarm scales out", func(f *field) { f.alarm("AlarmHigh") }},
		{"a scheduled action scales out", func(f *field) { f.scheduled(3) }},
		{"desired capacity is raised by hand", func(f *field) { f.must(f.SetDesired(f.group, 3)) }},
	}
}

// cell is what came of one cause with one set suspended.
type cell struct {
	during moves // in the window
	after  moves // once the guard has ended
	failed bool  // the deployment
	stray  bool  // once the original's instances take no traffic any more, another of its group does
}

func (c cell) String() string {
	switch {
	case c.stray:
		return c.during.String() + "°" + c.then()
	case c.failed:
		return "✗ " + c.during.String()
	case c.during.ended > 0:
		return "! " + c.during.String()
	}
	return c.during.String() + c.then()
}

func (c cell) then() string {
	if c.after == (moves{}) {
		return ""
	}
	return ", then " + c.after.String()
}

// measure runs a deployment: the set is suspended in the window, the cause comes in the middle of a hook, and the
// guard's end gives back.
func measure(t *testing.T, replacement bool, c candidate, because cause) cell {
	f := newField(t)
	f.deploy(replacement)
	if replacement {
		f.reaches("Green", "BeforeInstall")
		f.suspend(c.set)
		f.reaches("Green", "ValidateService")
	} else {
		f.reaches("Green", "BeforeAllowTraffic")
		f.suspend(c.set)
		f.reaches("Blue", "BeforeBlockTraffic")
	}
	f.Advance(time.Minute)
	begin := f.Now()
	because.do(f)
	f.Advance(watched)
	seen := f.Now()
	f.until("over", 5*time.Second, f.over)
	end, stray := f.Now().Add(-5*time.Second), f.stray()
	if len(c.set) > 0 {
		f.must(f.Resume(f.group, words(c.set)...))
	}
	f.Advance(watched)
	m, out := f.moved(begin, seen, end, f.Now()), cell{failed: f.view().Status == "Failed", stray: stray}
	out.during, out.after = m[0], m[2]
	if out.during.ended == 0 && m[1] != (moves{}) {
		t.Errorf("long after the cause: %s", m[1])
	}
	// One original fails the whole deployment; replacements count against its configuration, which here takes one of two.
	if least := map[bool]int{false: 1, true: 2}[replacement]; out.failed != (out.during.ended >= least) {
		t.Errorf("%s were terminated, and the deployment is %s", out.during, f.view().Status)
	}
	return out
}

// ends says how a deployment ends whose group is held from before its first instance to the very end, or from the event
// on from which wingman would hold it.
func ends(t *testing.T, replacement, early bool, c candidate) string {
	f := newField(t)
	if early && !replacement {
		f.suspend(c.set)
	}
	f.deploy(replacement)
	switch {
	case early:
	case replacement:
		f.reaches("Green", "BeforeInstall")
	default:
		f.reaches("Green", "BeforeAllowTraffic")
	}
	if replacement || !early {
		f.suspend(c.set)
	}
	f.until("over", time.Minute, func() bool { return f.view().Over() })
	f.Advance(watched)
	v := f.view()
	_, blue := f.Group(original)
	green, _ := f.Group(v.Replacement[0])
	for _, p := range []string{"AddToLoadBalancer", "AlarmNotification", "ScheduledActions"} {
		if _, still := green.Suspended[p]; still {
			t.Errorf("CodeDeploy did not resume %s", p)
		}
	}
	switch {
	case v.Status != "Succeeded":
		return "✗ " + v.ErrorCode
	case blue || len(green.InService()) != 2:
		return "✗ the original is still there"
	default:
		return "ends"
	}
}

// table is one side's: a row for each cause, a column for each candidate.
type table struct {
	replacement bool
	rows        []string
	cells       map[string]map[string]string // by row and candidate
	measured    map[string]map[string]cell
}

func (tb *table) row(name string) {
	tb.rows = append(tb.rows, name)
	tb.cells[name], tb.measured[name] = map[string]string{}, map[string]cell{}
}

const (
	alone = "nothing: CodeDeploy's own steps"
	early = "nothing, and held from before the first instance"
)

// fill measures every cell.
func (tb *table) fill(t *testing.T) {
	tb.cells, tb.measured = map[string]map[string]string{}, map[string]map[string]cell{}
	var mu sync.Mutex
	put := func(row, column string, c cell, text string) {
		mu.Lock()
		defer mu.Unlock()
		tb.cells[row][column], tb.measured[row][column] = text, c
	}
	causes := slices.Concat(terminations(), launches())
	for _, c := range causes {
		tb.row(c.name)
	}
	tb.row(alone)
	tb.row(early)
	t.Run(map[bool]string{false: "original", true: "replacement"}[tb.replacement], func(t *testing.T) {
		for _, set := range candidates() {
			for _, why := range causes {
				t.Run(set.name+"/"+why.name, func(t *testing.T) {
					t.Parallel()
					c := measure(t, tb.replacement, set, why)
					put(why.name, set.name, c, c.String())
				})
			}
			for _, row := range []string{alone, early} {
				t.Run(set.name+"/"+row, func(t *testing.T) {
					t.Parallel()
					put(row, set.name, cell{}, ends(t, tb.replacement, row == early, set))
				})
			}
		}
	})
}

func (tb *table) String() string {
	var b strings.Builder
	head := []string{"while suspended:"}
	for _, c := range candidates() {
		head = append(head, c.name)
	}
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	line(slices.Repeat([]string{"---"}, len(head)))
	for _, row := range tb.rows {
		cells := []string{row}
		for _, c := range candidates() {
			cells = append(cells, tb.cells[row][c.name])
		}
		line(cells)
	}
	return b.String()
}

// TestProtect measures the table, holds it against the golden one and against docs/guard.md, and against the claims
// that the defaults rest on. UPDATE=1 writes both anew.
func TestProtect(t *testing.T) {
	if testing.Short() {
		t.Skip("runs some three hundred simulated deployments")
	}
	blue, green := &table{}, &table{replacement: true}
	blue.fill(t)
	green.fill(t)
	if t.Failed() {
		return
	}
	text := "On the original's group, held from the replacement's BeforeAllowTraffic; the cause comes in BeforeBlockTraffic:\n\n" + blue.String() +
		"\nOn the replacement's group, where CodeDeploy itself suspends AddToLoadBalancer, AlarmNotification and ScheduledActions beside; held from BeforeInstall, the cause comes in ValidateService:\n\n" + green.String()
	golden(t, filepath.Join("testdata", "protect.md"), text, func(string) string { return text })
	golden(t, filepath.Join("..", "..", "docs", "guard.md"), text, func(doc string) string {
		before, rest, ok := strings.Cut(doc, marks[0])
		_, after, ok2 := strings.Cut(rest, marks[1])
		if !ok || !ok2 {
			t.Fatalf("docs/guard.md has no %s … %s", marks[0], marks[1])
		}
		return before + marks[0] + "\n" + text + marks[1] + after
	})
	claims(t, blue, green)
}

var marks = [2]string{"<!-- measured: agent/guard/protect_test.go -->", "<!-- end of what is measured -->"}

// golden wants a file to be what it would be with the text in it.
func golden(t *testing.T, file, text string, with func(doc string) string) {
	t.Helper()
	have, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	want := with(string(have))
	if string(have) == want {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Errorf("%s is not what was measured (UPDATE=1 writes it):\n%s", file, text)
		return
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// claims are what the defaults rest on.
func claims(t *testing.T, blue, green *table) {
	const ours, ourGreen = "**wingman original**", "**wingman replacement**"
	lets := func(tb *table, set string) (through []string) {
		for _, c := range terminations() {
			if tb.measured[c.name][set].during.ended > 0 {
				through = append(through, c.name)
			}
		}
		return through
	}
	const spot, hand, lowered, lifetime = "Spot interrupts an instance", "TerminateInstanceInAutoScalingGroup by hand", "desired capacity is lowered by hand", "maximum instance lifetime is reached"
	for _, want := range []struct {
		tb      *table
		set     string
		through []string
	}{
		{blue, ours, []string{spot, hand}}, // all that Auto Scaling starts is held
		{blue, "Terminate, AZRebalance", []string{spot, hand}},
		{blue, "AWS samples", []string{lowered, lifetime, "an instance refresh is started", spot, hand}},
		{green, ourGreen, []string{lowered, lifetime, spot, hand}},
	} {
		if got := lets(want.tb, want.set); !slices.Equal(got, want.through) {
			t.Errorf("%s lets through %v, not %v", want.set, got, want.through)
		}
	}
	const raised = "desired capacity is raised by hand"
	if blue.measured[raised][ours].during.launched != 1 || green.measured[raised][ourGreen].during.launched != 1 {
		t.Error("scaling out by hand is not possible")
	}
	if m := blue.measured["a zone is added: AZ rebalance"]["Terminate"].during; m.launched == 0 {
		t.Errorf("Terminate alone: AZ rebalance does %s: it would not want AZRebalance with it", m)
	}
	for _, c := range candidates() {
		if blue.cells[alone][c.name] != "ends" || blue.cells[early][c.name] != "ends" || green.cells[alone][c.name] != "ends" {
			t.Errorf("with %s the deployment does not end", c.name)
		}
		if got, want := green.cells[early][c.name] == "ends", !slices.Contains(c.set, guard.Launch); got != want {
			t.Errorf("with %s on the replacement from the start: %s", c.name, green.cells[early][c.name])
		}
		for _, l := range launches() {
			if m := blue.measured[l.name][c.name]; m.stray != (m.during.launched > 0) {
				t.Errorf("%s with %s: the instance that was launched takes traffic: %t", l.name, c.name, m.stray)
			}
		}
	}
}
