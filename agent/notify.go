package agent

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/journald"
)

// What systemd is told; without it (no NOTIFY_SOCKET) all of this does nothing.

func (a *Agent) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		a.Log.Warn("cannot tell systemd", journald.Err, err)
	}
}

// started tells that requests are taken, and feeds systemd's watchdog from then on.
func (a *Agent) started(ctx context.Context) {
	a.ready()
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	a.wg.Go(func() {
		for {
			if err := a.alive(ctx); err == nil {
				a.notify(daemon.SdNotifyWatchdog)
			} else if ctx.Err() == nil {
				a.Log.Error("the service does not answer itself: systemd will restart it", journald.Err, err)
			}
			select {
			case <-time.After(every / 3):
			case <-ctx.Done():
				return
			}
		}
	})
}

// alive asks the service a question as any client does, and whether its follower still comes round: only what works may
// feed the watchdog.
func (a *Agent) alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := a.following.stuck(); err != nil {
		return err
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", a.Socket)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://wingman"+api.PathVersion, nil)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", res.Status)
	}
	return nil
}

func (a *Agent) ready()     { a.notify(daemon.SdNotifyReady + "\nSTATUS=" + a.doing()) }
func (a *Agent) reloading() { a.notify(daemon.SdNotifyReloading) }
func (a *Agent) stopping() {
	a.notify(daemon.SdNotifyStopping + "\nSTATUS=ending; runs under way go on: " + fmt.Sprint(len(a.runs.running())))
}

// tell puts what the service does now into `systemctl status`, soon: a run must not wait for what is only for show.
func (a *Agent) tell() {
	select {
	case a.changed <- struct{}{}:
	default: // it is about to
	}
}

func (a *Agent) tellAll(ctx context.Context) {
	for {
		select {
		case <-a.changed:
			a.notify("STATUS=" + a.doing())
		case <-ctx.Done():
			return
		}
	}
}

// doing says in a few words what the service does.
func (a *Agent) doing() string {
	var parts []string
	for _, h := range a.runs.running() {
		text := h.meta.Event
		if h.meta.Deployment != "" {
			text += " of " + h.meta.Deployment
		}
		if step := h.dir.Now(h.meta.UID); step != "" {
			text += ": " + step
		}
		parts = append(parts, text)
	}
	if len(parts) > 3 {
		parts = append(parts[:3], fmt.Sprintf("%d more", len(parts)-3))
	}
	for _, d := range a.following.open() {
		parts = append(parts, "follows "+d.ID)
	}
	if len(parts) == 0 {
		return "idle"
	}
	return strings.Join(parts, "; ")
}
