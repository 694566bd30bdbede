package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/client"
	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/live"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// socket is where the service of this host listens.
func (a *app) socket() string {
	if s := a.Getenv("WINGMAN_SOCKET"); s != "" {
		return s
	}
	return "/run/wingman/wingman.sock"
}

func (a *app) client() *client.Client {
	c := client.New(a.socket(), wingmanVersion())
	c.Warn = func(text string) { fmt.Fprintln(a.Err, "wingman: "+text) }
	return c
}

// Why a client ends a run. Who sent TERM is not known.
const toldToEnd = "wingman hook was told to end: the CodeDeploy agent does that at the timeout in appspec.yml, and a host that goes down"

// cancelLimit bounds how long the service may take to hear that a run is to end, before its process is told directly.
const cancelLimit = 3 * time.Second

// notHere says why the service does not run an event: it is for this process to do. Nothing was done of it.
type notHere struct{ error }

// byService has the service run the event, and relays what it prints until it ends. Once the service has accepted the run
// it goes on whatever becomes of the service, and this only waits for it: nothing is run twice.
func (a *app) byService(ctx context.Context, req engine.Request, again bool) error {
	if runtime.GOOS == "windows" {
		return notHere{errors.New("on Windows there is no service for that")}
	}
	asked, err := a.ask(req, again)
	if err != nil {
		return notHere{err}
	}
	c := a.client()
	s, first, err := a.accepted(ctx, c, asked)
	var refused *api.Error
	switch {
	case errors.As(err, &refused) && refused.Kind == api.BadInput:
		return nothingRan(req, failure{exitUsage, refused})
	case err != nil && ctx.Err() != nil:
		fmt.Fprintln(a.Err, "wingman: told to end before the service took the run: nothing was run")
		return ended(journal.Cancelled)
	case err != nil:
		return notHere{err}
	}
	defer s.Close()
	w := &waiter{app: a, client: c, id: first.Run, dir: live.Dir(first.Folder)}
	defer context.AfterFunc(ctx, w.cancel)()
	res, err := w.wait(context.WithoutCancel(ctx), s)
	if err != nil {
		return err
	}
	return a.came(req, res)
}

// accepted waits until the service has taken the run, but neither longer than acceptLimit nor once told to end: a service
// that stands still must not fail a deployment. The run is not begun for who has left.
func (a *app) accepted(ctx context.Context, c *client.Client, asked api.Request) (*client.Stream, api.Line, error) {
	own, giveUp := context.WithCancel(context.WithoutCancel(ctx)) // once told to end it has still to relay the end
	defer time.AfterFunc(acceptLimit+acceptMargin, giveUp).Stop()
	defer context.AfterFunc(ctx, giveUp)()
	asked.Until = time.Now().Add(acceptLimit)
	s, err := c.Start(own, asked)
	var first api.Line
	if err == nil {
		first, err = s.Next()
	}
	switch {
	case err == nil && first.Type == api.Accepted:
		return s, first, nil
	case own.Err() != nil:
		err = fmt.Errorf("the service has not answered for %s (wingman status)", acceptLimit+acceptMargin)
	case s != nil:
		err = errors.New("the service was gone before it accepted the run")
	}
	giveUp()
	return nil, first, err
}

// How long the service may take to accept a run, and how much later its caller runs it itself: the service looks at its
// clock once more before it accepts. It takes milliseconds, and with a systemd that does not answer two seconds.
const (
	acceptLimit  = 15 * time.Second
	acceptMargin = 5 * time.Second
)

// ask is the request, as it goes to the service.
func (a *app) ask(req engine.Request, again bool) (api.Request, error) {
	dir, err := a.Getwd()
	if err != nil {
		return api.Request{}, fmt.Errorf("this folder has no name: %w", err)
	}
	return api.Request{Event: string(req.Event), Revision: req.Revision, Env: req.Env, Dir: dir, Umask: currentUmask(), Again: again, Reads: true,
		Paths: api.Paths{Settings: a.Getenv("WINGMAN_CONFIG"), State: a.Getenv("WINGMAN_STATE_DIR"), Logs: a.Getenv("WINGMAN_LOG_DIR")}}, nil
}

// came turns a run's result into how the command ends.
func (a *app) came(req engine.Request, res api.Result) error {
	if res.Verdict == "" {
		return nothingRan(req, failure{exitUsage, errors.New(res.Error)})
	}
	if res.Error != "" {
		fmt.Fprintln(a.Err, "wingman: "+res.Error)
	}
	return ended(journal.Verdict(res.Verdict))
}

// waiter waits for one run that the service has accepted.
type waiter struct {
	*app
	client *client.Client
	id     string
	dir    live.Dir // "" where the run is answered from the record
}

// wait relays the run's output to its end. It reads it in the run's folder, whatever becomes of the service: that loses
// nothing when the service is restarted, and costs a tenth of what it costs as JSON.
func (w *waiter) wait(ctx context.Context, s *client.Stream) (api.Result, error) {
	if w.dir == "" {
		return w.relay(s, w.cut)
	}
	f, err := w.dir.Follow(os.Geteuid(), 0, true)
	if err != nil { // the folder is not to be seen from here, perhaps
		again, err := w.client.Events(ctx, w.id, 0, false)
		if err != nil {
			return w.cut()
		}
		defer again.Close()
		return w.relay(again, w.cut)
	}
	defer f.Close()
	for {
		it, err := f.Next(ctx)
		if err != nil {
			return api.Result{}, failure{exitCloud, fmt.Errorf("the run cannot be followed: %w; wingman history tells how run %s ends", err, w.id)}
		}
		switch it.End {
		case live.Ended:
			return it.Result, nil
		case live.NeverStarted:
			return api.Result{}, errNeverStarted
		case live.Gone: // the service ends what is left of it, and says so
			return w.relay(s, w.interrupted)
		}
		w.Out.Write(it.Text) // nobody reads any more: TERM comes next, and the run is put right
	}
}

var errNeverStarted = notHere{errors.New("the run's process ended before it began")}

// relay prints what the service says to the run's end, or what there is to say where the service is gone.
func (w *waiter) relay(s *client.Stream, gone func() (api.Result, error)) (api.Result, error) {
	for {
		line, err := s.Next()
		if err != nil {
			return gone()
		}
		switch line.Type {
		case api.Output:
			io.WriteString(w.Out, line.Text) // as in wait
		case api.Done:
			return *line.Result, nil
		case api.NeverStarted:
			return api.Result{}, errNeverStarted
		}
	}
}

func (w *waiter) cut() (api.Result, error) {
	return api.Result{}, failure{exitCloud, fmt.Errorf("the service ended while it answered for run %s: wingman logs %s", w.id, w.id)}
}

// interrupted says what a run whose own process was killed can say no more.
func (w *waiter) interrupted() (api.Result, error) {
	m, _ := w.dir.Meta()                                                                                                                   // the summary then names no event
	if rec, err := journal.New(m.Store).Run(m.Deployment, w.id); err == nil && !rec.Ended.IsZero() && rec.Verdict != journal.Interrupted { // all was done but to say so
		b, _ := json.Marshal(rec) // as it was read
		return api.Result{Verdict: string(rec.Verdict), ExitCode: api.ExitCode(string(rec.Verdict)), Run: b}, nil
	}
	r := run.Result{Run: journal.Run{ID: w.id, Deployment: lifecycle.Deployment{ID: m.Deployment}, Event: lifecycle.Event(m.Event), Started: m.Started,
		Verdict: journal.Interrupted, Reason: journal.Killed}}
	io.WriteString(w.Out, run.Summary(r, nil))
	b, _ := json.Marshal(r.Run) // as it was read
	return api.Result{Verdict: string(journal.Interrupted), ExitCode: api.ExitCode(string(journal.Interrupted)), Run: b}, nil
}

// cancel has the run ended: by the service, or where that does not answer by its process itself.
func (w *waiter) cancel() {
	ctx, cancel := context.WithTimeout(context.Background(), cancelLimit) // the command's own is over
	defer cancel()
	if w.client.Cancel(ctx, w.id, toldToEnd) == nil || w.dir == "" {
		return
	}
	if m, err := w.dir.Meta(); err == nil {
		_ = w.dir.End(m, toldToEnd) // it ends by its own deadline otherwise
	}
}
