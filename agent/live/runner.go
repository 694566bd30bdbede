package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/codedeploy-wingman/wingman/agent/api"
)

// Order is what a runner is told, through its gate.
type Order struct {
	Dir      Dir             `json:"dir"`
	ID       string          `json:"id"`
	Request  api.Request     `json:"request"`         // without its environment, which is the runner's own
	Paths    api.Paths       `json:"paths"`           // the service's
	Settings []byte          `json:"settings"`        // the host's settings that hold now; nil: there are none
	Notes    []string        `json:"notes,omitempty"` // what is said before anything else
	Drain    []string        `json:"drain,omitempty"` // see engine.Engine
	After    json.RawMessage `json:"after,omitempty"` // not an event, but what is owed after a deployment: engine.Due
}

// opened is what stands behind an order once the run may begin. An order without it was never given.
const opened = "\ngo\n"

// Gate is the service's end of the pipe that keeps a runner from beginning.
type Gate struct{ w *os.File }

// NewGate gives both ends; the runner's is the one that reads.
func NewGate() (Gate, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return Gate{}, nil, fmt.Errorf("cannot make a gate: %w", err)
	}
	return Gate{w}, r, nil
}

// Open gives the order: from now on the run may have begun.
func (g Gate) Open(o Order) error {
	b, err := json.Marshal(o)
	if err == nil {
		_, err = g.w.Write(append(b, opened...))
	}
	return errors.Join(err, g.w.Close())
}

// Shut makes sure that the run never begins.
func (g Gate) Shut() { g.w.Close() }

// Runner is a run, from its own side.
type Runner struct {
	Spool
	dir    Dir
	result *os.File // to be, with room for it
}

// What is reserved on the tmpfs before a run begins, since its script may fill it: how it came out, which says little, and
// the first of its output.
const (
	resultRoom = 64 << 10
	outputRoom = 64 << 10
)

// Begin says that the run has begun. Nothing of it may be done before.
func Begin(d Dir) (*Runner, error) {
	r := &Runner{Spool: Spool{dir: d.Runs()}, dir: d}
	err := r.next()
	if err == nil {
		err = reserve(r.f, outputRoom)
	}
	if err == nil {
		r.result, err = os.OpenFile(r.resultFile()+".new", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	}
	if err == nil {
		err = reserve(r.result, resultRoom)
	}
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(filepath.Join(d.Runs(), "started"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot say that the run begins: %w", err)
	}
	f.Close()
	return r, nil
}

func (r *Runner) resultFile() string { return filepath.Join(r.dir.Runs(), "result.json") }

// Now says what the run does now.
func (r *Runner) Now(step string) {
	_ = replace(filepath.Join(r.dir.Runs(), "now"), []byte(step)) // only for who asks how it stands
}

// End says how the run came out: the last word. All output has been written before.
func (r *Runner) End(res api.Result) error {
	r.Spool.Close()
	res.V = api.Version
	err := r.say(res)
	if err != nil { // there is room for that much
		res.Run = nil
		err = r.say(res)
	}
	err = errors.Join(err, r.result.Close())
	if err == nil {
		err = os.Rename(r.resultFile()+".new", r.resultFile())
	}
	if err != nil {
		return fmt.Errorf("cannot say how the run came out: %w", err)
	}
	return nil
}

// say writes the result where it is not looked for yet.
func (r *Runner) say(res api.Result) error {
	b, err := json.Marshal(res)
	if err == nil {
		_, err = r.result.WriteAt(b, 0)
	}
	if err == nil {
		err = r.result.Truncate(int64(len(b)))
	}
	return err
}

// ParseOrder reads an order, as it came through the gate; false where the gate was shut.
func ParseOrder(b []byte) (Order, bool) {
	var o Order
	n := len(b) - len(opened)
	if n < 0 || string(b[n:]) != opened || json.Unmarshal(b[:n], &o) != nil {
		return o, false
	}
	return o, true
}
