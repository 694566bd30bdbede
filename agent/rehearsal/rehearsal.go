// Package rehearsal takes a revision through a whole deployment on this machine, against simulated AWS. Auto Scaling,
// CodeDeploy and the load balancer are awssim's; of the CodeDeploy agent there is a stand-in on each instance, which
// installs and calls hooks as the CodeDeploy agent does, with the same variables, from the same revision, and keeps
// what CodeDeploy's console would show. The hooks, wingman in them, and the applications that they start are real.
package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/appspec"
	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/plan"
)

// Type is the kind of deployment that is rehearsed.
type Type string

// The types. RollBack is a blue/green deployment that fails and that CodeDeploy rolls back.
const (
	BlueGreen Type = "blue-green"
	InPlace   Type = "in-place"
	RollBack  Type = "rollback"
)

// Config is what a rehearsal needs.
type Config struct {
	Dir         string            // the revision
	Type        Type              // default BlueGreen
	Original    int               // instances that serve now; default 2
	Replacement int               // instances that take over; default as many. Another number is a group that is there already (DISCOVER_EXISTING)
	Events      []lifecycle.Event // only these call their hooks; empty: all
	Fail        lifecycle.Event   // this event is made to fail in the deployment that is rehearsed; "": none, but for a RollBack
	FailOn      string            // on this instance: original-1, or its id; "": wherever it runs
	Host        string            // the host.yml of the instances; "": the built-in settings
	Health      string            // the path that a load balancer asks for; default /healthz
	Wingman     string            // the program that hooks/wingman.sh calls
	Env         []string          // the environment of the CodeDeploy agent; AWS_* and WINGMAN_* in it are not passed on
	Scratch     string            // where the scratch folder is made; default the system's folder for such
	Show        func(Progress)    // called as things happen, from one goroutine at a time, and must be quick; may be nil

	delays awssim.Delays
	alone  bool // as where there is only 127.0.0.1
}

// Progress is one thing that happened.
type Progress struct {
	At       time.Duration // since the rehearsal began
	Part     Part          // of an event
	Instance string
	Event    *Event   // an event has ended, where its Verdict is set; else the event of Text
	Hook     string   // one of its scripts printed Text
	Text     string   // one line
	Scaling  *Scaling // processes were suspended or resumed
	Said     string   // what the scene does, in words
	Note     string   // what the rehearsal does otherwise than AWS would
}

// ErrUsage is in the errors of Run that the caller can mend: the revision cannot be rehearsed as asked.
var ErrUsage = errors.New("cannot rehearse")

func misuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUsage}, args...)...)
}

// most is how many instances one side may have: each is some processes on this machine.
const most = 20

// rehearsal is one rehearsal under way.
type rehearsal struct {
	Config
	scratch string
	spec    appspec.Spec
	start   time.Time
	net     *network
	sim     *awssim.Sim
	target  string // the target group's ARN
	cast    cast
	scaling scaling
	traffic balancer
	ctx     context.Context // ends the hooks
	parts   map[string]Part // of the deployments, in mu
	host    []byte          // host.yml as it is now, in mu
	failed  bool            // the failure that was asked for came, in mu
	mu      sync.Mutex
	showing sync.Mutex // held while Show is called; whoever holds it calls nobody else
	result  Result
}

// Run takes the revision through the deployment. It puts it on the originals first, with a deployment of its own, of
// which only a failure is shown. It returns when all that it started has ended. An error means that the rehearsal
// itself could not be made.
func Run(ctx context.Context, c Config) (res Result, err error) {
	if runtime.GOOS == "windows" {
		return Result{}, misuse("on Windows: its hooks are shell scripts")
	}
	r := &rehearsal{Config: c, start: time.Now(), parts: map[string]Part{}}
	r.result = Result{Version: 1, Revision: c.Dir, Started: r.start, Notes: []string{}, Deployments: []Deployment{}, Groups: []Group{}}
	if err := r.check(); err != nil {
		return Result{}, err
	}
	r.result.Type = r.Type
	hooks, end := context.WithCancel(ctx)
	defer end()
	r.ctx = hooks
	if r.scratch, err = os.MkdirTemp(c.Scratch, "wingman-rehearsal-"); err != nil {
		return Result{}, fmt.Errorf("cannot rehearse: %w", err)
	}
	defer func() {
		end()
		err = errors.Join(err, r.clean())
		r.result.Duration = time.Since(r.start)
		res = r.result
	}()
	if err := os.Chmod(r.scratch, 0o755); err != nil { // hooks may run as other users
		return Result{}, fmt.Errorf("cannot rehearse: %w", err)
	}
	err = r.play(ctx)
	if ctx.Err() != nil {
		r.result.Interrupted, err = true, nil
	}
	r.result.Succeeded = err == nil && len(r.result.Why) == 0 && !r.result.Interrupted
	return res, err
}

// check fills in defaults and looks at what can be known before anything is run.
func (r *rehearsal) check() (err error) {
	if r.Show == nil {
		r.Show = func(Progress) {}
	}
	if r.Type == "" {
		r.Type = BlueGreen
	}
	if r.Original == 0 {
		r.Original = 2
	}
	if r.Health == "" {
		r.Health = "/healthz"
	}
	switch {
	case r.Type != BlueGreen && r.Type != InPlace && r.Type != RollBack:
		return misuse("%q is no type of deployment: there are %s, %s, %s", r.Type, BlueGreen, InPlace, RollBack)
	case r.Type == InPlace && r.Replacement != 0:
		return misuse("an in-place deployment has no replacement")
	case r.Original < 1 || r.Original > most || r.Replacement < 0 || r.Replacement > most:
		return misuse("with 1 to %d instances on each side only", most)
	case !strings.HasPrefix(r.Health, "/"):
		return misuse("the path of the health check begins with a slash: %q does not", r.Health)
	}
	if r.Replacement == 0 && r.Type != InPlace {
		r.Replacement = r.Original
	}
	if r.spec, err = appspec.Load(r.Dir); err != nil {
		return misuse("%w", err)
	}
	if _, err := plan.LoadRevision(r.Dir); err != nil {
		return misuse("%w", err)
	}
	if r.Host != "" {
		if _, err := os.Stat(r.Host); err != nil {
			return misuse("%w", err)
		}
	}
	if _, err := plan.LoadHost(r.Host); r.Host != "" && err != nil {
		return misuse("%w", err)
	}
	return r.checkFail()
}

func (r *rehearsal) wants(name lifecycle.Event) bool {
	return len(r.Events) == 0 || slices.Contains(r.Events, name)
}

// show tells of something, with what is common to all of it.
func (r *rehearsal) show(p Progress) {
	r.showing.Lock()
	defer r.showing.Unlock()
	p.At = time.Since(r.start)
	if p.Scaling != nil {
		p.At = p.Scaling.At.Sub(r.start)
	}
	r.Show(p)
}

func (r *rehearsal) say(format string, args ...any) {
	r.show(Progress{Said: fmt.Sprintf(format, args...)})
}

// note keeps what the rehearsal does otherwise than AWS would, and says it once.
func (r *rehearsal) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.mu.Lock()
	known := slices.Contains(r.result.Notes, text)
	if !known {
		r.result.Notes = append(r.result.Notes, text)
	}
	r.mu.Unlock()
	if !known {
		r.show(Progress{Note: text})
	}
}

// clean ends what is still running and removes the scratch folder; after a failure the logs stay.
func (r *rehearsal) clean() error {
	r.traffic.stop()
	var errs []error
	if r.sim != nil {
		errs = append(errs, r.sim.Close()) // waits for the stand-ins
	}
	r.scaling.stop()
	errs = append(errs, endAll(r.scratch), r.net.close())
	entries, err := os.ReadDir(r.scratch)
	errs = append(errs, err)
	kept := false
	for _, f := range entries {
		path := filepath.Join(r.scratch, f.Name())
		if f.Name() == "logs" && r.result.Failure != nil {
			kept = true
			continue
		}
		errs = append(errs, os.RemoveAll(path))
	}
	if kept {
		r.result.Logs = filepath.Join(r.scratch, "logs")
	} else {
		errs = append(errs, os.RemoveAll(r.scratch))
	}
	return errors.Join(errs...)
}
