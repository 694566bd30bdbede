package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/engine"
	"github.com/codedeploy-wingman/wingman/agent/journald"
)

// Scopes puts processes into transient systemd scopes, so that they outlive the service.
type Scopes interface {
	Start(ctx context.Context, name, description string, pid int, stop time.Duration) error
	Stop(ctx context.Context, name string) error
}

// Config is what a service needs. Only Socket and Paths must be set.
type Config struct {
	Socket  string // /run/wingman/wingman.sock; runs under way are kept beside it, in live/
	Paths   engine.Paths
	Version string   // of this wingman
	Runner  []string // path and arguments of the process that executes one run (RunnerMain)
	Scopes  Scopes   // nil: there is no systemd, runs are in sessions of their own
	Group   string   // whose members may read; default wingman
	Log     *slog.Logger
	Drain   []string // see engine.Engine
}

// Agent is the service.
type Agent struct {
	Config
	since      time.Time
	group      int // the group's id; -1 is none
	runs       runs
	settings   settings
	following  following
	notices    notices
	counts     counts
	codedeploy codedeploy
	news       news
	changed    chan struct{} // what the service does
	door       sync.Mutex    // of draining
	draining   chan struct{}
	resting    sync.Once
	restTimer  *time.Timer
	wg         sync.WaitGroup // what must have ended before Run returns
}

// New makes a service; nothing of it runs yet.
func New(c Config) *Agent {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Group == "" {
		c.Group = "wingman"
	}
	a := &Agent{Config: c, since: time.Now(), group: groupID(c.Group), draining: make(chan struct{}), changed: make(chan struct{}, 1)}
	a.runs.byKey = map[key]*held{}
	a.runs.byID = map[string]*held{}
	a.following.parts = map[string]*part{}
	a.notices.woken = make(chan struct{}, 1)
	return a
}

func (a *Agent) live() string { return filepath.Join(filepath.Dir(a.Socket), "live") }

// liveOf gives the folder of a user's runs under way: beside the socket, in memory, for the service's own user's. Other users
// own what is in theirs, and could fill /run with it, which the whole system needs: theirs are on the disk.
func (a *Agent) liveOf(uid int) string {
	if uid == os.Geteuid() {
		return a.live()
	}
	return filepath.Join(a.Paths.State, "live")
}

// Run serves until ctx is done: then it takes no more requests, leaves the runs under way to themselves (each is a
// process of its own, and the next service finds it), and returns.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.makeFolders(); err != nil {
		return err
	}
	l, err := listen(a.Socket)
	if err != nil {
		return err
	}
	if err := a.settings.load(a.Paths.Settings); err != nil {
		a.Log.Error(err.Error())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.adopt(ctx)
	srv := &http.Server{Handler: a.handler(), ConnContext: withPeer, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelWarn)}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(limit(l, peer.rules)) }()
	a.started(ctx)
	a.wg.Go(func() { a.repair(ctx); a.followAll(ctx); a.everyMinute(ctx) })
	a.wg.Go(func() { a.watchNotices(ctx) })
	a.wg.Go(func() { a.tellAll(ctx) })
	debug.FreeOSMemory() // what starting took; the service is here for years, and mostly at rest
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	for wait := true; wait; {
		select {
		case <-again:
			_ = a.Reload() // it has said what is wrong
			continue
		case err = <-failed:
			err = fmt.Errorf("the service's socket failed: %w", err)
		case <-ctx.Done():
		}
		wait = false
	}
	a.leave()
	a.stopping()
	cancel()
	err = errors.Join(err, drained(srv.Close()))
	a.wg.Wait()
	return err
}

// enter counts a request that is being answered, so that Run does not return before; false once it is about to.
func (a *Agent) enter() bool {
	a.door.Lock()
	defer a.door.Unlock()
	if a.leaves() {
		return false
	}
	a.wg.Add(1)
	return true
}

// leave takes no more requests; and from now on a connection that ends says nothing of its client.
func (a *Agent) leave() {
	a.door.Lock()
	defer a.door.Unlock()
	close(a.draining)
}

func drained(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// makeFolders makes what is not there. Other users' runs keep their records below, so that all may pass.
func (a *Agent) makeFolders() error {
	for _, dir := range []string{filepath.Dir(a.Socket), a.live(), a.Paths.State, a.Paths.Logs} {
		if err := os.MkdirAll(dir, 0o755); err != nil && !(dir == a.Paths.State || dir == a.Paths.Logs) {
			return fmt.Errorf("cannot start: %w", err)
		} else if err != nil { // a read-only disk must not keep scaling suspended
			a.Log.Error("records or logs cannot be kept", journald.Err, err)
		}
	}
	return nil
}

// listen takes the socket's place: a socket that nobody answers at is left over, one that somebody does is in use, and
// anything else is not ours to delete.
func listen(path string) (net.Listener, error) {
	if len(path) > 100 { // sun_path holds 104 to 108 bytes
		return nil, fmt.Errorf("cannot listen: the socket's path %s is too long for this system: set WINGMAN_SOCKET to one of at most 100 characters", path)
	}
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Mode()&os.ModeSocket == 0:
		return nil, fmt.Errorf("cannot listen: %s is there and is no socket: move it away, or set WINGMAN_SOCKET", path)
	case err == nil:
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, fmt.Errorf("cannot start: another service answers at %s (wingman status shows it)", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("cannot listen: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // who may do what is decided by the caller's uid, see routes
		l.Close()
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return l, nil
}
