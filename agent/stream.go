package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/journald"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/live"
	"github.com/codedeploy-wingman/wingman/agent/plan"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// What bounds a request: the kernel bounds an environment to 2 MiB or so, and JSON may write it larger; its sender has it
// whole.
const (
	requestLimit = 8 << 20
	requestTime  = 10 * time.Second
)

// read reads a request to its end, behind which the server looks for the client's going.
func read(w http.ResponseWriter, r *http.Request) (req api.Request, err error) {
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Now().Add(requestTime)); err != nil {
		return req, err
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, requestLimit))
	if err == nil {
		err = json.Unmarshal(b, &req)
	}
	return req, errors.Join(err, rc.SetReadDeadline(time.Time{}))
}

// start runs an event, or has the caller take part in the run of it that there is.
func (a *Agent) start(w http.ResponseWriter, r *http.Request) {
	req, err := read(w, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, api.BadInput, "cannot read the request: %s", err)
		return
	}
	p := peerOf(r.Context())
	if refused := a.accepts(req, p); refused != nil {
		answer(w, http.StatusConflict, refused)
		return
	}
	h, isNew, err := a.reserve(r.Context(), req, p)
	if err != nil {
		return // the caller has gone
	}
	if !isNew {
		a.joined(w, r, h, p, req)
		return
	}
	if have, there := recorded(h.key, h.meta.Store); there && !req.Again {
		a.unreserve(h, fmt.Errorf("it is recorded"))
		a.replay(w, r, have)
		return
	}
	a.begin(w, r, h, req, p)
}

// accepts says why the service does not take a request; nil if it does.
func (a *Agent) accepts(req api.Request, p peer) *api.Error {
	s := a.settings.fresh(a.Paths.Settings, a.Log)
	bad := func(kind, format string, args ...any) *api.Error {
		return &api.Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case !p.known:
		return bad(api.Inline, "the system does not say who asks")
	case a.leaves():
		return bad(api.Inline, "the service is about to end")
	case s.host == nil:
		return bad(api.BadInput, "%s", s.problem)
	case s.host.Executor == plan.Inline:
		return bad(api.Inline, "executor is inline in %s", a.Paths.Settings)
	case other(req.Paths.State, a.Paths.State) || other(req.Paths.Logs, a.Paths.Logs) || other(req.Paths.Settings, a.Paths.Settings):
		return bad(api.Inline, "the service keeps settings, state or logs elsewhere (WINGMAN_CONFIG, WINGMAN_STATE_DIR, WINGMAN_LOG_DIR)")
	case req.V > api.Version:
		return bad(api.Inline, "the service is older than this command: systemctl restart wingman")
	case req.Event == "" || req.Revision == "":
		return bad(api.BadInput, "a request names an event and a revision")
	case !slices.Contains(lifecycle.Hookable(), lifecycle.Event(req.Event)): // it becomes part of the run's id, and that of a file's name
		return bad(api.BadInput, "%q is no lifecycle event that takes steps", req.Event)
	}
	return nil
}

func other(theirs, ours string) bool { return theirs != "" && theirs != ours }

// unreserve has others who ask for the same try for themselves.
func (a *Agent) unreserve(h *held, why error) {
	h.err = why
	a.runs.drop(h)
	close(h.ready)
}

// begin starts a new run and streams it. Once its client has been told that it is accepted, and not before, the run may
// begin: a client that was told nothing can be sure that nothing was done.
func (a *Agent) begin(w http.ResponseWriter, r *http.Request, h *held, req api.Request, p peer) {
	gate, err := a.launch(r.Context(), h, req.Env, req.Dir, p)
	if err != nil {
		a.unreserve(h, err)
		a.Log.Error("a run is left to its caller's own process", append(runAttrs(h.meta), journald.Err, err)...)
		refuse(w, http.StatusConflict, api.Inline, "%s", err)
		return
	}
	leave := a.join(h, p)
	defer leave()
	out := newStream(w)
	if err = late(req); err == nil {
		err = out.send(api.Line{Type: api.Accepted, Run: h.meta.ID, Folder: string(h.dir)})
	}
	if err == nil {
		err = gate.Open(a.order(h, req))
	} else {
		gate.Shut()
	}
	if err != nil {
		a.unreserve(h, err)
		_ = out.send(api.Line{Type: api.NeverStarted}) // its runner died before it began, or nobody listens
		a.forget(h)                                    // the client may look there by itself
		return
	}
	close(h.ready)
	a.notices.wake()
	a.tell()
	a.relay(r.Context(), out, h, req)
}

// relay streams a run, or to who reads its output himself only its end.
func (a *Agent) relay(ctx context.Context, out *stream, h *held, req api.Request) {
	if !req.Reads {
		a.follow(ctx, out, h, 0, true)
		return
	}
	select {
	case <-h.end:
		end, res := h.dir.Ending(h.meta.UID)
		a.sendEnd(out, h, live.Item{End: end, Result: res})
	case <-ctx.Done():
	}
}

func late(req api.Request) error {
	if !req.Until.IsZero() && time.Now().After(req.Until) {
		return errors.New("its caller runs it itself by now: this service did not answer in time")
	}
	return nil
}

// joined streams the run that there is already.
func (a *Agent) joined(w http.ResponseWriter, r *http.Request, h *held, p peer, req api.Request) {
	if h.ended() {
		if have, there := recorded(h.key, h.meta.Store); there {
			a.replay(w, r, have)
			return
		}
	}
	leave := a.join(h, p)
	defer leave()
	out := newStream(w)
	word := "running"
	if h.ended() {
		word = "recorded" // and its record could not be kept
	}
	if out.send(api.Line{Type: api.Accepted, Run: h.meta.ID, Folder: string(h.dir), Joined: word}) == nil {
		a.relay(r.Context(), out, h, req)
	}
}

// events streams a run from some offset on, for a client that lost the service, or for one who only looks on.
func (a *Agent) events(w http.ResponseWriter, r *http.Request) {
	h := a.runs.find(r.PathValue("id"))
	if h == nil {
		refuse(w, http.StatusNotFound, api.NotFound, "no run %s is under way here", r.PathValue("id"))
		return
	}
	from, err := strconv.ParseInt(cmp.Or(r.FormValue("from"), "0"), 10, 64)
	if err != nil || from < 0 {
		refuse(w, http.StatusBadRequest, api.BadInput, "from is an offset in bytes, not %q", r.FormValue("from"))
		return
	}
	select {
	case <-h.ready:
	case <-r.Context().Done():
		return
	}
	waits := r.FormValue("watch") == "" && a.owns(peerOf(r.Context()), r)
	if waits {
		defer a.join(h, peerOf(r.Context()))()
	}
	out := newStream(w)
	if out.send(api.Line{Type: api.Accepted, Run: h.meta.ID, Folder: string(h.dir), Joined: "running"}) == nil {
		a.follow(r.Context(), out, h, from, waits)
	}
}

// follow streams a run to its end.
func (a *Agent) follow(ctx context.Context, out *stream, h *held, from int64, waits bool) {
	f, err := h.dir.Follow(h.meta.UID, from, waits)
	if err != nil {
		a.Log.Error("cannot stream the run", append(runAttrs(h.meta), journald.Err, err)...)
		return // the client reads it for itself
	}
	defer f.Close()
	for {
		it, err := f.Next(ctx)
		if err != nil {
			return
		}
		if it.End != "" {
			a.sendEnd(out, h, it)
			return
		}
		if out.send(api.Line{Type: api.Output, Text: string(it.Text), Next: it.Next}) != nil {
			return
		}
	}
}

// sendEnd says how a run ended; there is nothing to be done about a client that does not hear it.
func (a *Agent) sendEnd(out *stream, h *held, it live.Item) {
	switch it.End {
	case live.Ended:
		_ = out.send(api.Line{Type: api.Done, Result: &it.Result})
	case live.NeverStarted:
		_ = out.send(api.Line{Type: api.NeverStarted})
	case live.Gone:
		res := a.interrupted(h)
		if res.Verdict == string(journal.Interrupted) { // else it said itself what there was to say
			_ = out.send(api.Line{Type: api.Output, Text: summary(res), Next: it.Next})
		}
		_ = out.send(api.Line{Type: api.Done, Result: &res})
	}
}

// interrupted closes the record of a run whose runner was killed, and ends what it left running. A run that had come to
// its end by then, and could only not say so, came out as its record says.
func (a *Agent) interrupted(h *held) api.Result {
	h.once.Do(func() {
		rec := a.closeRecord(h, journal.Killed)
		a.Log.Error(string(rec.Verdict)+", and its own process was gone: "+rec.Reason, append(runAttrs(h.meta), "stderr", h.stderr())...)
		if rec.Verdict == journal.Interrupted {
			a.stopScope(h)
		}
		b, _ := json.Marshal(rec) // a record of ours can be written
		h.lost = api.Result{V: api.Version, Verdict: string(rec.Verdict), ExitCode: api.ExitCode(string(rec.Verdict)), Run: b}
	})
	return h.lost
}

// summary gives what CodeDeploy's console shows of a run that could not say it itself.
func summary(res api.Result) string {
	var r run.Result
	if json.Unmarshal(res.Run, &r.Run) != nil {
		return ""
	}
	return run.Summary(r, nil)
}

// replay answers from the record: nothing is run twice because somebody asks twice.
func (a *Agent) replay(w http.ResponseWriter, r *http.Request, rec journal.Run) {
	out := newStream(w)
	word, note := "recorded", fmt.Sprintf("wingman: %s of %s ran here already, at %s (run %s): nothing is run again, this is its record; to run it again: wingman hook --again\n",
		rec.Event, rec.Deployment.ID, rec.Started.Local().Format("15:04:05 MST"), rec.ID)
	if rec.Verdict == journal.Running {
		word, note = "running", fmt.Sprintf("wingman: %s of %s runs already, in its caller's own process (run %s): waiting for it\n", rec.Event, rec.Deployment.ID, rec.ID)
	}
	if out.send(api.Line{Type: api.Accepted, Run: rec.ID, Joined: word}) != nil {
		return
	}
	_ = out.send(api.Line{Type: api.Output, Text: note})
	at := a.store(peerOf(r.Context()).uid)
	for rec.Verdict == journal.Running {
		select {
		case <-time.After(200 * time.Millisecond):
		case <-r.Context().Done():
			return
		}
		if now, err := journal.New(at.State).Run(rec.Deployment.ID, rec.ID); err == nil {
			rec = now
		}
	}
	if f, err := openLog(rec.Log, at.Logs); err == nil {
		_, _ = io.Copy(textWriter{out}, f)
		f.Close()
	}
	if rec.Verdict == journal.Interrupted { // its log could not end with it
		_ = out.send(api.Line{Type: api.Output, Text: run.Summary(run.Result{Run: rec}, nil)})
	}
	b, _ := json.Marshal(rec) // it was read as JSON
	_ = out.send(api.Line{Type: api.Done, Result: &api.Result{V: api.Version, Verdict: string(rec.Verdict), ExitCode: api.ExitCode(string(rec.Verdict)), Run: b}})
}

// stream is a run's lines on their way to a client.
type stream struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	enc *json.Encoder
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &stream{w, http.NewResponseController(w), enc}
}

func (s *stream) send(l api.Line) error {
	l.V = api.Version
	if err := s.enc.Encode(l); err != nil {
		return err
	}
	return s.rc.Flush()
}

// textWriter sends what is written as output.
type textWriter struct{ *stream }

func (t textWriter) Write(p []byte) (int, error) {
	return len(p), t.send(api.Line{Type: api.Output, Text: string(p)})
}
