package rehearsal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/plan"
)

// What is rehearsed is called so in simulated AWS.
const (
	application = "rehearsal"
	group       = "local"
	blue        = "blue"
	green       = "green" // a replacement that is there already; one that CodeDeploy copies has its own name
)

// pace is simulated AWS's: slow enough to watch, and to send requests meanwhile. A target that does not become healthy
// is told after 30 s, not after an hour.
func pace() awssim.Delays {
	return awssim.Delays{Launch: 300 * time.Millisecond, Register: time.Second, Deregister: time.Second, Traffic: 30 * time.Second}
}

// play is the whole of it: the scene, the first deployment, the one that is rehearsed, and what wingman does after it.
func (r *rehearsal) play(ctx context.Context) error {
	if err := r.build(ctx); err != nil {
		return err
	}
	d, err := r.deploy(ctx, First)
	if err != nil {
		return err
	}
	if !d.Succeeded {
		r.result.Why = append(r.result.Why, "the first deployment failed already")
		r.look()
		return nil
	}
	if err := r.traffic.begin(ctx, r); err != nil {
		return err
	}
	if err := r.change(); err != nil {
		return err
	}
	if d, err = r.deploy(ctx, Rehearsed); err != nil {
		return err
	}
	if r.Type == RollBack {
		if d, err = r.rolledBack(ctx, d); err != nil {
			return err
		}
	}
	r.judge(d)
	if err := r.giveBack(ctx); err != nil {
		return err
	}
	r.look()
	return nil
}

// judge says what is wrong with the last deployment.
func (r *rehearsal) judge(d Deployment) {
	wrong := func(format string, args ...any) { r.result.Why = append(r.result.Why, fmt.Sprintf(format, args...)) }
	r.mu.Lock()
	failed := r.failed
	r.mu.Unlock()
	switch f := r.failure(); {
	case !d.Succeeded:
		wrong("%s is %s (%s)", d.ID, d.Status, d.Error)
	case r.Type == RollBack && d.Part != Rollback:
		wrong("%s succeeded: there was nothing to roll back", d.ID)
	case f != nil && f.Part == d.Part:
		wrong("%s failed on %s, although CodeDeploy takes the deployment as succeeded: under %s it is while one instance is well", f.Name, f.Instance, r.group(true).Config)
	}
	if r.Fail != "" && !failed {
		wrong("%s was to fail%s, and did not run there", r.Fail, strings.TrimSuffix(" on "+r.FailOn, " on "))
	}
}

// build makes the scene.
func (r *rehearsal) build(ctx context.Context) (err error) {
	if err := copyTree(r.Dir, filepath.Join(r.scratch, "bundle")); err != nil {
		return fmt.Errorf("cannot rehearse: %w", err)
	}
	rev, err := plan.LoadRevision(r.Dir)
	if err != nil {
		return misuse("%w", err)
	}
	if r.net, err = newNetwork(rev.Env, r.Original+r.Replacement, r.alone); err != nil {
		return err
	}
	if err := r.settle(true); err != nil {
		return err
	}
	delays := r.delays
	if delays == (awssim.Delays{}) {
		delays = pace()
	}
	r.sim, err = awssim.New(awssim.Config{Delays: delays, Agent: r.command, Addresses: r.net.address, Health: r.traffic.healthy, Deployed: r.deployed})
	if err != nil {
		return err
	}
	r.traffic.rehearsal = r
	r.scaling.watch(r)
	if r.target, err = r.sim.AddTargetGroup(group, r.net.wanted); err != nil {
		return err
	}
	if err := r.launch(ctx, blue, r.Original); err != nil {
		return err
	}
	if r.discovers() {
		if err := r.launch(ctx, green, r.Replacement); err != nil {
			return err
		}
	}
	if err := r.sim.AddApplication(application); err != nil {
		return err
	}
	if err := r.sim.AddDeploymentGroup(r.group(false)); err != nil {
		return err
	}
	r.place()
	return nil
}

// discovers says that the replacement is a group that is there already: a copy would have another size.
func (r *rehearsal) discovers() bool { return r.Type != InPlace && r.Replacement != r.Original }

func (r *rehearsal) launch(ctx context.Context, name string, n int) error {
	if err := r.sim.CreateGroup(awssim.GroupSpec{Name: name, Max: 2 * n, Desired: n}); err != nil {
		return err
	}
	return r.sim.Until(ctx, func() bool {
		g, _ := r.sim.Group(name)
		return len(g.InService()) == n
	})
}

// group is the deployment group, before the rehearsed deployment and for it. All instances at once, but in place, where
// somebody has to serve meanwhile. Blue is kept, so that it can be seen what becomes of its scaling.
func (r *rehearsal) group(rehearsed bool) awssim.DeploymentGroupSpec {
	spec := awssim.DeploymentGroupSpec{Application: application, Name: group, ScalingGroups: []string{blue}, TargetGroups: []string{group}, Config: "CodeDeployDefault.AllAtOnce"}
	switch {
	case !rehearsed:
	case r.Type == InPlace:
		spec.Config = "CodeDeployDefault.OneAtATime"
	default:
		spec.BlueGreen, spec.KeepBlue, spec.Discover, spec.RollBack = true, true, r.discovers(), r.Type == RollBack
	}
	return spec
}

// place says how this machine plays the instances.
func (r *rehearsal) place() {
	if r.net.anywhere {
		r.note("this system has no 127.0.0.2: the instances share 127.0.0.1, and each has its own PORT from %d on", r.net.wanted)
	}
	if r.net.taken {
		r.note("port %d is taken on this machine: PORT is another here", r.net.wanted)
	}
}

// settle makes host.yml for what comes: the first deployment is no matter of the guard's.
func (r *rehearsal) settle(first bool) error {
	var host []byte
	if r.Host != "" {
		var err error
		if host, err = os.ReadFile(r.Host); err != nil {
			return fmt.Errorf("cannot rehearse: %w", err)
		}
	}
	if first {
		file := filepath.Join(r.scratch, "first.yml")
		if err := os.WriteFile(file, host, 0o600); err != nil {
			return fmt.Errorf("cannot rehearse: %w", err)
		}
		if _, err := edit(file, func(root *yaml.Node) { set(at(root, "guard", yaml.MappingNode), "mode", text("disabled")) }); err != nil {
			return err
		}
		var err error
		if host, err = os.ReadFile(file); err != nil {
			return fmt.Errorf("cannot rehearse: %w", err)
		}
	}
	r.mu.Lock()
	r.host = host
	r.mu.Unlock()
	return nil
}

// change makes the deployment group and the instances what the rehearsed deployment wants.
func (r *rehearsal) change() error {
	if err := r.settle(false); err != nil {
		return err
	}
	for _, m := range r.cast.members() {
		if err := m.settle(); err != nil {
			return err
		}
	}
	return r.sim.ChangeDeploymentGroup(r.group(true))
}

// deploy makes a deployment and waits for its end.
func (r *rehearsal) deploy(ctx context.Context, part Part) (Deployment, error) {
	spec := awssim.DeploymentSpec{Application: application, Group: group, Revision: string(part)}
	if part == Rehearsed && r.discovers() {
		spec.Replacement = []string{green}
	}
	r.mu.Lock()
	r.parts[""] = part // of the next one that is seen
	r.mu.Unlock()
	id, err := r.sim.Deploy(spec)
	if err != nil {
		return Deployment{}, fmt.Errorf("cannot rehearse: %w", err)
	}
	return r.over(ctx, id)
}

// over waits for a deployment's end.
func (r *rehearsal) over(ctx context.Context, id string) (Deployment, error) {
	err := r.sim.Until(ctx, func() bool {
		v, _ := r.sim.Deployment(id)
		return v.Over()
	})
	v, _ := r.sim.Deployment(id)
	d := r.record(v)
	r.result.Deployments = append(r.result.Deployments, d)
	return d, err
}

// rolledBack waits for the end of the deployment that CodeDeploy makes to undo one.
func (r *rehearsal) rolledBack(ctx context.Context, d Deployment) (Deployment, error) {
	v, _ := r.sim.Deployment(d.ID)
	if v.RolledBackBy == "" {
		return d, nil
	}
	return r.over(ctx, v.RolledBackBy)
}

// part says what a deployment is in this rehearsal. The simulator tells of one before Deploy has given its id.
func (r *rehearsal) part(id string) Part {
	r.mu.Lock()
	defer r.mu.Unlock()
	if have, known := r.parts[id]; known {
		return have
	}
	p := r.parts[""]
	r.parts[id], r.parts[""] = p, Rollback
	return p
}

func partWords(p Part) string {
	if p == Rollback {
		return "CodeDeploy rolls back:"
	}
	return "CodeDeploy:"
}

// deployed is told by the simulator, which waits meanwhile, what happens in deployments.
func (r *rehearsal) deployed(p awssim.Progress) {
	part := r.part(p.Deployment)
	if p.Instance == "" {
		if part != First && p.Status != "Created" && p.Status != "Queued" {
			why, _, _ := strings.Cut(p.Text, ":") // the rest of it is AWS's long words, which the end has
			r.show(Progress{Part: part, Said: strings.TrimSpace(fmt.Sprintf("%s deployment %s: %s %s", partWords(part), p.Deployment, p.Status, why))})
		}
		return
	}
	m := r.cast.of(r, p.Instance, p.Label)
	switch {
	case p.Event == "":
	case p.Status == "InProgress":
		m.begin(p.Deployment, p.Event, p.At)
	default:
		e := m.ended(p.Deployment, p.Event, p.Status, p.At)
		r.show(Progress{Part: part, Instance: m.name, Event: &e})
	}
}
