package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/live"
	"github.com/codedeploy-wingman/wingman/agent/proc"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// The file descriptors that a runner finds open: its gate, and the lock that says that it lives.
const (
	runnerGate = 3
	runnerLock = 4
)

// stopSettle is how long after it was told to end a run begins nothing: where systemd stops the scope it goes on to tell what
// it finds there for a moment, and on_failure is not meant.
const stopSettle = 200 * time.Millisecond

// RunnerMain is the process that executes one run: the very same engine as in a caller's own process, apart from both
// the service and the caller, so that the run goes on whatever becomes of the service. It says all that it has to say
// in the run's folder; its exit code says nothing.
func RunnerMain() error {
	gate, lock := os.NewFile(runnerGate, "gate"), os.NewFile(runnerLock, "lock")
	if gate == nil || lock == nil {
		return errors.New("this command is the service's own: what runs an event is wingman hook")
	}
	stop := make(chan os.Signal, 1) // from the beginning: else to be told to end, just when the run is accepted, would kill it
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	closeOnExec(runnerGate, runnerLock) // a background process of a script's must not keep the run alive
	b, err := io.ReadAll(gate)
	if err != nil {
		return fmt.Errorf("this command is the service's own: what runs an event is wingman hook (%w)", err)
	}
	order, given := live.ParseOrder(b)
	if !given {
		return nil
	}
	r, err := live.Begin(order.Dir)
	if err != nil {
		return err
	}
	res := execute(order, r, stop)
	if err := r.Err(); err != nil {
		res.Error = err.Error()
	}
	err = r.End(res)
	lock.Close() // not before: it says that the runner lives
	return err
}

// execute does what is ordered, until it is told to stop.
func execute(order live.Order, r *live.Runner, stop <-chan os.Signal) api.Result {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var told atomic.Int64
	go func() {
		<-stop
		told.Store(time.Now().UnixNano())
		why := order.Dir.Why()
		if why == "" {
			why = "the host goes down, or somebody stopped the run's scope or its process"
		}
		cancel(errors.New(why))
	}()
	begin := func(step string) {
		r.Now(step)
		if at := told.Load(); at != 0 {
			<-time.After(stopSettle - time.Since(time.Unix(0, at)))
		}
	}
	umask(order.Request.Umask)
	for _, n := range order.Notes {
		fmt.Fprintln(r, "wingman: "+n)
	}
	e := &engine.Engine{Paths: engine.Paths{Settings: order.Paths.Settings, State: order.Paths.State, Logs: order.Paths.Logs},
		Drain: order.Drain, Served: true, Cgroup: proc.OwnCgroup(), Host: func() ([]byte, string) { return order.Settings, order.Paths.Settings }}
	var res run.Result
	var err error
	if len(order.After) > 0 {
		req := engine.AfterRequest{ID: order.ID, Begin: begin}
		if err = json.Unmarshal(order.After, &req.Due); err == nil {
			res, err = e.After(ctx, req, r)
		}
	} else {
		res, err = e.Run(ctx, engine.Request{Event: lifecycle.Event(order.Request.Event), Revision: order.Request.Revision, Env: os.Environ(), ID: order.ID, Begin: begin}, r)
	}
	if err != nil {
		return api.Result{Error: err.Error(), ExitCode: api.ExitCode("")}
	}
	rec, err := json.Marshal(res.Run)
	if err != nil {
		rec = nil // the verdict stands without its details
	}
	return api.Result{Verdict: string(res.Verdict), ExitCode: api.ExitCode(string(res.Verdict)), Run: rec}
}
