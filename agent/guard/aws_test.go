package guard_test

// The protocol against simulated AWS over HTTP, through the real SDK, on the simulator's own clock: what facts could not
// establish of AWS is a switch there, and the guard must hold in every combination.

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// world is a simulated AWS with the group web, and a deployment that goes on until it is ended.
type world struct {
	*testing.T
	*awssim.Sim
	cloud      *cloud.Client
	deployment string
}

var start = time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, sw awssim.Switches, operator ...string) *world {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	sim, err := awssim.New(awssim.Config{Start: start, Switches: sw, Delays: awssim.Delays{Event: 10 * time.Minute, Schedule: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ENDPOINT_URL", sim.URL())
	t.Setenv("AWS_REGION", sim.Region)
	w := &world{T: t, Sim: sim, cloud: cloud.New(cloud.Options{})}
	t.Cleanup(func() { w.must(sim.Close()) })
	earlier := map[string]time.Time{}
	for _, p := range operator {
		earlier[p] = start.Add(-time.Hour)
	}
	arn, err := sim.AddTargetGroup("web", 80)
	w.must(err)
	w.must(sim.CreateGroup(awssim.GroupSpec{Name: "web", Min: 1, Max: 4, Desired: 2, Suspended: earlier, TargetGroups: []string{arn}}))
	w.must(sim.AddApplication("shop"))
	w.must(sim.AddDeploymentGroup(awssim.DeploymentGroupSpec{Application: "shop", Name: "web", ScalingGroups: []string{"web"}, TargetGroups: []string{"web"}}))
	sim.Advance(10 * time.Second)
	w.deploy()
	return w
}

func (w *world) deploy() {
	w.Helper()
	id, err := w.Deploy(awssim.DeploymentSpec{Application: "shop", Group: "web", Revision: "r"})
	w.must(err)
	w.deployment = id
	w.Advance(10 * time.Second)
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// do makes calls through the SDK; waits move the simulator's clock.
func (w *world) do(c guard.Call) guard.Answer {
	if c.Op == guard.Wait {
		w.Advance(max(0, c.Until.Sub(w.Now())))
		return guard.Answer{Now: w.Now()}
	}
	a := w.cloud.Guard(context.Background(), c)
	if a.Now.IsZero() {
		a.Now = w.Now()
	}
	return a
}

func (w *world) begin() guard.Begin {
	n := 0
	d := guard.Defaults()
	return guard.Begin{Group: "web", Deployment: w.deployment, Home: "dg", Want: d.Original.Processes, Claim: d.Claims(nil), Window: d.MaxWindow, Grace: d.Grace, Budget: time.Hour, Nonce: func() string { n++; return fmt.Sprint("n", n) }}
}

func (w *world) begun(b guard.Begin, want guard.State) guard.Outcome {
	w.Helper()
	out := b.Do(w.Now(), w.do)
	if out.State != want {
		w.Fatalf("begin: %s, %v; want %s", out.State, out.Err, want)
	}
	return out
}

// ends stops the deployment.
func (w *world) ends() {
	w.Helper()
	w.must(w.Stop(w.deployment, false))
	w.Advance(11 * time.Minute) // the event under way ends first
}

// is gives what is suspended, and the number of guards.
func (w *world) is(want string, guards int) {
	w.Helper()
	g, _ := w.Group("web")
	var names []string
	for p := range g.Suspended {
		names = append(names, p)
	}
	sort.Strings(names)
	n := 0
	for k := range g.Tags {
		if strings.HasPrefix(k, guard.KeyPrefix) {
			n++
		}
	}
	if got := strings.Join(names, " "); got != want || n != guards {
		w.Errorf("suspended %q, %d guards; want %q, %d", got, n, want, guards)
	}
}

const all = "AZRebalance AlarmNotification InstanceRefresh ReplaceUnhealthy ScheduledActions Terminate"

func (w *world) follow() guard.Outcome {
	return guard.Follow{Held: true, Begin: w.begin()}.Do(w.do)
}

// In every combination of what is not known of AWS: what was suspended before stays, the rest is held and given back.
func TestEveryCombinationOfSwitches(t *testing.T) {
	for bits := range 32 {
		sw := awssim.Switches{RestampOnSuspend: bits&1 > 0, NoStamp: bits&2 > 0, DeleteTagsIgnoresValue: bits&4 > 0, NoDate: bits&8 > 0, EmptyListMeansAll: bits&16 > 0}
		t.Run(fmt.Sprintf("%+v", sw), func(t *testing.T) {
			w := newWorld(t, sw, "Terminate", "HealthCheck")
			w.begun(w.begin(), guard.Begun)
			w.is("AZRebalance AlarmNotification HealthCheck InstanceRefresh ReplaceUnhealthy ScheduledActions Terminate", 1)
			before := len(w.Requests())
			w.begun(w.begin(), guard.Joined)
			if n := len(w.Requests()) - before; n != 1 {
				t.Errorf("a joiner made %d calls", n)
			}
			w.Advance(time.Minute)
			if out := w.follow(); out.State != guard.Holds {
				t.Errorf("follow: %s, %v", out.State, out.Err)
			}
			w.ends()
			if out := w.follow(); out.State != guard.Released {
				t.Errorf("after the end: %s, %v", out.State, out.Err)
			}
			w.is("HealthCheck Terminate", 0)
		})
	}
}

// No permission, throttling, no answer: it is said, nothing is half done that is not given back.
func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault awssim.Fault
		want  string
		after string // suspended, until the deployment's end
	}{
		{"may not look", awssim.Fault{Operation: "DescribeAutoScalingGroups", Deny: true}, "may not call autoscaling:DescribeAutoScalingGroups", ""},
		{"may not write the tag", awssim.Fault{Operation: "CreateOrUpdateTags", Deny: true}, "may not call autoscaling:CreateOrUpdateTags", ""},
		{"may not suspend", awssim.Fault{Operation: "SuspendProcesses", Deny: true}, "may not call autoscaling:SuspendProcesses", ""},
		{"throttled", awssim.Fault{Operation: "SuspendProcesses", Throttle: true}, "throttles", ""},
		{"no answer to the suspension", awssim.Fault{Operation: "SuspendProcesses", NoAnswer: true}, "does not answer", all},
		{"no answer once", awssim.Fault{Operation: "SuspendProcesses", NoAnswer: true, Times: 1}, "", all},
		{"a fault of AWS's", awssim.Fault{Operation: "SuspendProcesses", Status: 500, Code: "ResourceContention", Message: "You already have a pending update", Times: 2}, "", all},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, awssim.Switches{})
			mend := w.Inject(tt.fault)
			out := w.begin().Do(w.Now(), w.do)
			if tt.want == "" && out.State != guard.Begun || tt.want != "" && (out.State != guard.Failed || !strings.Contains(out.Err.Error(), tt.want)) {
				t.Errorf("%s, %v; want %q", out.State, out.Err, tt.want)
			}
			w.is(tt.after, len(w.guards()))
			mend()
			w.ends()
			for _, o := range (guard.Reap{Group: "web", Grace: time.Minute}).Do(w.do) {
				if o.State != guard.Released {
					t.Errorf("reap: %s, %v", o.State, o.Err)
				}
			}
			w.is("", 0)
		})
	}
}

func (w *world) guards() (keys []string) {
	g, _ := w.Group("web")
	for k := range g.Tags {
		if strings.HasPrefix(k, guard.KeyPrefix) {
			keys = append(keys, k)
		}
	}
	return keys
}

// Somebody resumes a process under the guard: it is seen, said, and not suspended again; the rest is given back.
func TestResumedByHand(t *testing.T) {
	w := newWorld(t, awssim.Switches{})
	w.begun(w.begin(), guard.Begun)
	w.Advance(time.Minute)
	w.must(w.Resume("web", "Terminate"))
	out := w.follow()
	if out.State != guard.Lost || !slices.Equal(out.Record.Barred, []guard.Process{guard.Terminate}) {
		t.Fatalf("%s, barred %v, %v", out.State, out.Record.Barred, out.Err)
	}
	w.begun(w.begin(), guard.Joined)
	w.is(strings.TrimSuffix(all, " Terminate"), 1)
	w.Advance(30 * time.Second)           // what wingman may have sent meanwhile would have landed
	w.must(w.Suspend("web", "Terminate")) // and now it is theirs
	w.ends()
	w.follow()
	w.is("Terminate", 0)
}

// Somebody resumes and suspends again: whose it is then cannot be told, so it is left and shown, until it is settled.
func TestDispute(t *testing.T) {
	w := newWorld(t, awssim.Switches{})
	w.begun(w.begin(), guard.Begun)
	w.Advance(time.Minute)
	w.must(w.Resume("web", "Terminate"))
	w.must(w.Suspend("web", "Terminate"))
	w.ends()
	if out := w.follow(); out.State != guard.Disputed || !slices.Equal(out.Disputed, []guard.Process{guard.Terminate}) {
		t.Errorf("%s, %v, %v", out.State, out.Disputed, out.Err)
	}
	w.is("Terminate", 1)
	views, held := w.do(guard.Call{Op: guard.Describe, Group: "web"}).Group.Views(w.Now(), func(string) guard.DeploymentStatus { return guard.DeploymentStatus{} })
	if len(views) != 1 || len(views[0].Disputed) != 1 || len(held) != 1 || !strings.Contains(held[0].By, "disputed") {
		t.Errorf("status: %+v, %+v", views, held)
	}
	if out := (guard.ByHand{Group: "web", Nonce: func() string { return "x" }}).Do(w.do); out.Err != nil {
		t.Error(out.Err)
	}
	w.is("", 0)
}

// By hand in the middle of a deployment: given back now, and not begun again by its followers or hooks.
func TestResumeByHandUnderADeployment(t *testing.T) {
	w := newWorld(t, awssim.Switches{}, "HealthCheck")
	w.begun(w.begin(), guard.Begun)
	w.Advance(time.Minute)
	if out := (guard.ByHand{Group: "web", Nonce: func() string { return "x" }}).Do(w.do); out.Err != nil || len(out.Resumed) != 6 {
		t.Errorf("%+v", out)
	}
	w.is("HealthCheck", 1)
	if out := w.follow(); out.State != guard.Holds {
		t.Errorf("follow: %s %v", out.State, out.Err)
	}
	w.begun(w.begin(), guard.Joined)
	w.is("HealthCheck", 1)
	w.ends()
	w.follow()
	w.is("HealthCheck", 0)
}

// A guard by hand ends when its time is up, for whoever looks.
func TestForATime(t *testing.T) {
	w := newWorld(t, awssim.Switches{})
	b := w.begin()
	b.Deployment, b.Window, b.Budget = guard.Manual, 30*time.Minute, 0
	w.begun(b, guard.Begun)
	reap := func(want guard.State) {
		t.Helper()
		out := (guard.Reap{Group: "web", Grace: time.Minute}).Do(w.do)
		if len(out) != 1 || out[0].State != want {
			t.Errorf("reap: %+v, want %s", out, want)
		}
	}
	reap(guard.NotDue)
	w.is(all, 1)
	w.Advance(30 * time.Minute)
	reap(guard.NotDue) // its grace
	w.Advance(2 * time.Minute)
	reap(guard.Released)
	w.is("", 0)
}

// The tag of a group that CodeDeploy copied means nothing there, and is cleared away with nothing resumed.
func TestCopiedTag(t *testing.T) {
	w := newWorld(t, awssim.Switches{})
	w.begun(w.begin(), guard.Begun)
	g, _ := w.Group("web")
	w.must(w.CreateGroup(awssim.GroupSpec{Name: "copy", Desired: 1, Tags: g.Tags, Suspended: map[string]time.Time{"Terminate": w.Now()}}))
	out := (guard.Reap{Group: "copy", Grace: time.Minute}).Do(w.do)
	if len(out) != 1 || out[0].State != guard.Released || out[0].Err != nil {
		t.Errorf("%+v", out)
	}
	c, _ := w.Group("copy")
	if len(c.Tags) != 0 || len(c.Suspended) != 1 {
		t.Errorf("tags %v, suspended %v", c.Tags, c.Suspended)
	}
}

// On the group that the deployment itself made, CodeDeploy's three are neither suspended nor claimed.
func TestCodeDeploysOwn(t *testing.T) {
	for _, tag := range []bool{true, false} {
		w := newWorld(t, awssim.Switches{})
		name, tags := "CodeDeploy_web_"+w.deployment, map[string]string{}
		if tag {
			name, tags["CodeDeployProvisioningDeploymentId"] = "green", w.deployment
		}
		w.must(w.CreateGroup(awssim.GroupSpec{Name: name, Max: 4, Desired: 1, Tags: tags}))
		w.must(w.Suspend(name, "AddToLoadBalancer", "AlarmNotification"))
		b := w.begin()
		b.Group, b.Want = name, []guard.Process{guard.AlarmNotification, guard.ScheduledActions, guard.Terminate}
		out := w.begun(b, guard.Begun)
		if g, _ := w.Group(name); len(g.Suspended) != 3 {
			t.Errorf("suspended %v", g.Suspended)
		}
		for _, c := range out.Record.Owned {
			if c.Process == guard.AlarmNotification || c.Process == guard.ScheduledActions || c.Process == guard.AddToLoadBalancer {
				t.Errorf("claimed %s", c.Process)
			}
		}
		w.ends()
		f := guard.Follow{Held: true, Begin: b}
		if out := f.Do(w.do); out.State != guard.Released {
			t.Errorf("%s %v", out.State, out.Err)
		}
		if g, _ := w.Group(name); len(g.Suspended) != 2 {
			t.Errorf("in the end suspended %v", g.Suspended)
		}
	}
}

// Another deployment group's guard on the same group keeps what it needs; a full group is refused, loudly.
func TestBesideAnotherGuard(t *testing.T) {
	w := newWorld(t, awssim.Switches{})
	first := w.begin()
	w.begun(first, guard.Begun)
	w.Advance(time.Minute)
	other := w.begin()
	other.Deployment, other.Want, other.Claim = guard.Manual, []guard.Process{guard.Terminate, guard.HealthCheck}, []guard.Process{guard.Terminate, guard.HealthCheck}
	out := w.begun(other, guard.Begun)
	if !slices.Equal(out.Suspended, []guard.Process{guard.HealthCheck}) || !slices.Equal(out.Before, []guard.Process{guard.Terminate}) {
		t.Errorf("suspended %v, before %v", out.Suspended, out.Before)
	}
	w.is("AZRebalance AlarmNotification HealthCheck InstanceRefresh ReplaceUnhealthy ScheduledActions Terminate", 2)
	w.ends()
	f := guard.Follow{Held: true, Begin: first}
	if out := f.Do(w.do); out.State != guard.Kept || !slices.Equal(out.Held, []guard.Process{guard.Terminate}) {
		t.Errorf("%s, held %v, %v", out.State, out.Held, out.Err)
	}
	w.is("HealthCheck Terminate", 2)
	w.Advance(3 * time.Hour)
	(guard.Reap{Group: "web", Grace: time.Minute}).Do(w.do)
	(guard.Reap{Group: "web", Grace: time.Minute}).Do(w.do)
	w.is("", 0)
}

func TestEightGuards(t *testing.T) {
	w := newWorld(t, awssim.Switches{})
	for i := range 8 {
		b := w.begin()
		b.Deployment, b.Home = fmt.Sprint("x-", i), fmt.Sprint("dg", i)
		w.begun(b, guard.Begun)
	}
	if out := w.begin().Do(w.Now(), w.do); out.State != guard.Failed || !strings.Contains(out.Err.Error(), "all eight guards") {
		t.Errorf("%s %v", out.State, out.Err)
	}
	w.ends()
	w.Advance(2 * time.Hour) // their time is up: one is taken over
	w.deploy()
	w.begun(w.begin(), guard.Begun)
	w.is(all, 8)
}

// A newer wingman's record is never rewritten, and released by the part that all versions share.
func TestNewerRecord(t *testing.T) {
	w := newWorld(t, awssim.Switches{})
	out := w.begun(w.begin(), guard.Begun)
	g, _ := w.Group("web")
	newer := "2" + strings.TrimPrefix(g.Tags[out.Key], "1") + " and more"
	w.do(guard.Call{Op: guard.Put, Group: "web", Key: out.Key, Value: newer})
	w.must(w.Resume("web", "Terminate"))
	if out := w.begin().Do(w.Now(), w.do); out.State != guard.Failed || !strings.Contains(out.Err.Error(), "newer wingman") {
		t.Errorf("%s %v", out.State, out.Err)
	}
	w.ends()
	if out := w.follow(); out.State != guard.Released {
		t.Errorf("%s %v", out.State, out.Err)
	}
	w.is("", 0)
}

// The switch gives back what was running at the first begin, though everybody is gone; it is gone itself where the guard
// was given back.
func TestDeadMan(t *testing.T) {
	w := newWorld(t, awssim.Switches{}, "Terminate")
	b := w.begin()
	b.DeadMan = guard.DeadMan{RoleARN: "arn:aws:iam::123456789012:role/wingman-deadman", ScheduleGroup: "default"}
	if out := w.begun(b, guard.Begun); len(out.Notes) > 0 {
		t.Errorf("notes: %v", out.Notes)
	}
	w.Advance(80 * time.Minute)
	w.is("Terminate", 1)

	w.ends()
	(guard.Reap{Group: "web", Grace: time.Minute}).Do(w.do)
	w.deploy()
	b.Deployment = w.deployment
	w.begun(b, guard.Begun)
	w.ends()
	f := guard.Follow{Held: true, Begin: b}
	f.Do(w.do)
	w.is("Terminate", 0)
	w.must(w.Suspend("web", "AZRebalance"))
	w.Advance(3 * time.Hour)
	w.is("AZRebalance Terminate", 0)
}

func TestHeadroom(t *testing.T) {
	for _, tt := range []struct {
		headroom guard.Headroom
		state    guard.State
		notes    int
	}{{guard.Ignore, guard.Begun, 0}, {guard.Warn, guard.Begun, 1}, {guard.Refuse, guard.Frozen, 1}} {
		w := newWorld(t, awssim.Switches{})
		w.must(w.SetDesired("web", 4))
		w.Advance(time.Minute)
		b := w.begin()
		b.Headroom = tt.headroom
		if out := b.Do(w.Now(), w.do); out.State != tt.state || len(out.Notes) != tt.notes {
			t.Errorf("%s: %s, %v, %v", tt.headroom, out.State, out.Notes, out.Err)
		}
		if tt.state == guard.Frozen {
			w.is("", 0)
		}
	}
}

// Headroom is a question of the first begin: a guard that is there is kept whole, and its instance's part goes on.
func TestHeadroomOfAGuardThatIsThere(t *testing.T) {
	w := newWorld(t, awssim.Switches{})
	w.begun(w.begin(), guard.Begun)
	w.must(w.SetDesired("web", 4))
	w.must(w.Resume("web", "Terminate"))
	w.Advance(10 * time.Second)
	b := w.begin()
	b.Headroom = guard.Refuse
	w.begun(b, guard.Begun)
	w.is(all, 1)
}

// Observe looks, says, and writes nothing.
func TestObserve(t *testing.T) {
	w := newWorld(t, awssim.Switches{}, "Terminate")
	b := w.begin()
	b.Observe = true
	if out := w.begun(b, guard.Observed); len(out.Suspended) != 5 {
		t.Errorf("would suspend %v", out.Suspended)
	}
	w.ends()
	f := guard.Follow{Held: true, Begin: b}
	f.Do(w.do)
	for _, r := range w.Requests() {
		if r.Write {
			t.Errorf("it wrote: %s", r.Operation)
		}
	}
}

// A group that is gone counts as given back.
func TestGroupGone(t *testing.T) {
	w := newWorld(t, awssim.Switches{})
	b := w.begin()
	b.Group = "gone"
	if out := b.Do(w.Now(), w.do); out.State != guard.Failed || !strings.Contains(out.Err.Error(), "there is no Auto Scaling group gone") {
		t.Errorf("%s %v", out.State, out.Err)
	}
	w.ends()
	f := guard.Follow{Held: true, Begin: b}
	if out := f.Do(w.do); out.State != guard.Released {
		t.Errorf("%s %v", out.State, out.Err)
	}
}

// Where a proxy takes AWS's Date away nothing is begun: the claims rest on it.
func TestWithoutADate(t *testing.T) {
	w := newWorld(t, awssim.Switches{})
	to, err := url.Parse(w.URL())
	w.must(err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }, ModifyResponse: func(r *http.Response) error {
		r.Header.Del("Date")
		return nil
	}}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header()["Date"] = nil // else the server adds its own
		proxy.ServeHTTP(rw, r)
	}))
	defer server.Close()
	for _, tt := range []struct {
		at    string
		state guard.State
		is    string
		n     int
	}{{server.URL, guard.Failed, "", 0}, {w.URL(), guard.Begun, all, 1}} {
		var out guard.Outcome
		t.Setenv("AWS_ENDPOINT_URL", tt.at)
		guard.Run(t.Context(), cloud.New(cloud.Options{}), func(now time.Time, do guard.Do) { out = w.begin().Do(now, do) })
		if out.State != tt.state || out.State == guard.Failed && !strings.Contains(out.Err.Error(), "no Date") {
			t.Errorf("%s, %v; want %s", out.State, out.Err, tt.state)
		}
		w.is(tt.is, tt.n)
	}
}
