package rehearsal

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// member is one instance: a scratch root, an environment, and a CodeDeploy agent of its own.
type member struct {
	*rehearsal
	name, id, side string
	port           int
	address        string // once it has been made ready
	once           sync.Once
	err            error
	agent          *agent
	engine         *engine.Engine
	began          map[string]time.Time // by deployment and event; under cast.mu
	ran            map[string]Event     // what its agent reported; under cast.mu
}

// cast is every instance that has taken part, in the order in which they came.
type cast struct {
	mu  sync.Mutex
	all []*member
}

// of gives an instance, and names it if it is new: green is CodeDeploy's label of a replacement.
func (c *cast) of(r *rehearsal, id, label string) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	side, n := original, 1
	if label == "Green" {
		side = replacement
	}
	for _, m := range c.all {
		if m.id == id {
			return m
		}
		if m.side == side {
			n++
		}
	}
	m := &member{rehearsal: r, name: side + "-" + strconv.Itoa(n), id: id, side: side, port: r.net.portFor(), began: map[string]time.Time{}, ran: map[string]Event{}}
	c.all = append(c.all, m)
	return m
}

// find gives an instance that has taken part, by its id.
func (c *cast) find(id string) *member {
	for _, m := range c.members() {
		if m.id == id {
			return m
		}
	}
	return nil
}

func (c *cast) members() []*member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*member{}, c.all...)
}

// begin keeps when an event began.
func (m *member) begin(deployment, event string, at time.Time) {
	m.cast.mu.Lock()
	defer m.cast.mu.Unlock()
	m.began[deployment+event] = at
}

// ended gives an event that CodeDeploy says has ended: with what the CodeDeploy agent reported of it, if it was asked.
func (m *member) ended(deployment, event, status string, at time.Time) Event {
	m.cast.mu.Lock()
	defer m.cast.mu.Unlock()
	e, asked := m.ran[deployment+event]
	if !asked {
		e = Event{Name: lifecycle.Event(event), Hooks: []Hook{}, Verdict: verdictOf(status)}
	}
	if from, known := m.began[deployment+event]; known {
		e.Started, e.Duration = from, at.Sub(from)
	}
	return e
}

func verdictOf(status string) Verdict {
	switch status {
	case "Succeeded":
		return Succeeded
	case "Failed":
		return Failed
	}
	return NotRun
}

// command is awssim's CodeDeploy agent: that of the instance which the command is for.
func (r *rehearsal) command(c awssim.Command, done func(awssim.Outcome)) {
	done(r.cast.of(r, c.Instance, "").execute(c))
}

// execute has the instance's CodeDeploy agent do a command.
func (m *member) execute(c awssim.Command) awssim.Outcome {
	m.once.Do(func() { m.err = m.ready(c.Address) })
	if m.err != nil {
		return awssim.Outcome{ErrorCode: console(unknownError), Message: m.err.Error()}
	}
	e := Event{Name: lifecycle.Event(c.Event), Hooks: []Hook{}}
	d := deployment{Deployment: lifecycle.Deployment{ID: c.Deployment, Application: c.Application, Group: c.Group, GroupID: c.GroupID},
		bundle: filepath.Join(m.scratch, "bundle"), rollback: c.Type == "BLUE_GREEN" && c.Creator == "codeDeployRollback"}
	if part := m.part(c.Deployment); e.Name.TakesHooks() && !m.wants(e.Name) {
		e.Verdict = LeftOut
	} else {
		m.agent.execute(m.ctx, d, &e, func(p Progress) {
			p.Part, p.Instance, p.Event = part, m.name, &e
			m.show(p)
		})
	}
	m.cast.mu.Lock()
	m.ran[c.Deployment+c.Event] = e
	m.cast.mu.Unlock()
	return awssim.Outcome{Succeeded: e.Verdict != Failed, ErrorCode: console(e.Code), Script: e.Script, Message: e.Message, Log: strings.Join(e.Console, "\n")}
}

// console is the CodeDeploy agent's error code as CodeDeploy names it.
func console(code int) string {
	switch code {
	case 0:
		return "Success"
	case scriptMissing:
		return "ScriptMissing"
	case scriptNotExecutable:
		return "ScriptNotExecutable"
	case scriptTimedOut:
		return "ScriptTimedOut"
	case scriptFailed, outputsLeftOpen:
		return "ScriptFailed"
	}
	return "UnknownError"
}

// rootVariable tells the hooks where files were installed instead of /.
const rootVariable = "WINGMAN_REHEARSAL_ROOT"

func (m *member) folder(name string) string { return filepath.Join(m.scratch, m.name, name) }

// ready makes what the instance has on disk, and the environment in which its hooks find simulated AWS as they would
// find the real one.
func (m *member) ready(address string) error {
	metadata, err := m.sim.IMDS(m.id)
	if err != nil {
		return err
	}
	paths := engine.Paths{Settings: m.folder("host.yml"), State: m.folder("state"), Logs: filepath.Join(m.scratch, "logs", m.name)}
	for _, dir := range []string{m.folder("root"), m.folder("deployment-root"), paths.Logs} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cannot rehearse: %w", err)
		}
	}
	if err := m.settle(); err != nil {
		return err
	}
	env := merged(without(m.Env, "AWS_", "WINGMAN_"), map[string]string{
		"WINGMAN_BIN": m.Wingman, "WINGMAN_CONFIG": paths.Settings, "WINGMAN_STATE_DIR": paths.State, "WINGMAN_LOG_DIR": paths.Logs, "WINGMAN_SOCKET": m.folder("wingman.sock"),
		"AWS_ENDPOINT_URL": m.sim.URL(), "AWS_REGION": m.sim.Region, "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata,
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, // this machine's user has them for the real AWS
		"ADDRESS": address, "PORT": strconv.Itoa(m.port), rootVariable: m.folder("root"),
	})
	m.agent = &agent{root: m.folder("deployment-root"), install: m.folder("root"), env: env, note: m.note,
		adapt: func(archive string) error { return adapt(archive, address, m.port) },
		fails: func(d deployment, e lifecycle.Event) bool { return m.fails(m, d, e) }}
	m.engine = &engine.Engine{Paths: paths, Cloud: cloud.New(cloud.Options{Endpoint: m.sim.URL(), Metadata: metadata, Region: m.sim.Region})}
	m.cast.mu.Lock()
	m.address = address
	m.cast.mu.Unlock()
	return nil
}

// settle writes the instance's host.yml as it is to be now.
func (m *member) settle() error {
	m.mu.Lock()
	host := m.host
	m.mu.Unlock()
	if err := os.WriteFile(m.folder("host.yml"), host, 0o644); err != nil {
		return fmt.Errorf("cannot rehearse: %w", err)
	}
	return nil
}

// url is where the instance's application answers.
func (m *member) url() string { return fmt.Sprintf("http://%s:%d", m.address, m.port) }

// merged gives env with vars put over it.
func merged(env []string, vars map[string]string) []string {
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if _, over := vars[name]; !over {
			out = append(out, kv)
		}
	}
	for name, v := range vars {
		out = append(out, name+"="+v)
	}
	return out
}

// without leaves out what begins so.
func without(env []string, prefixes ...string) (out []string) {
	for _, kv := range env {
		keep := true
		for _, p := range prefixes {
			keep = keep && !strings.HasPrefix(kv, p)
		}
		if keep {
			out = append(out, kv)
		}
	}
	return out
}
