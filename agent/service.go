package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/kardianos/service"
)

// ServiceName is what the service manager knows the service by.
const ServiceName = "wingman"

// ErrPackaged is the refusal to put a unit over, or to remove, the one that wingman's package brought.
var ErrPackaged = errors.New("the unit is the package's own")

// ErrNoService says that the service is not installed.
var ErrNoService = errors.New("the service is not installed")

// systemdUnit is what `wingman service install` writes, in the words of kardianos/service 1.3's own small template engine
// ({{Path}}, not {{.Path}}). Its default would have no Type and wait two minutes before a restart.
//
// There is no sandbox: what a hook starts is a child of the service's, and a scope of its own does not lift it out of
// one. The service makes its folders itself: systemd before 235 cannot keep a RuntimeDirectory over a restart, with the runs
// in it. It always comes back, a second later, however often (StartLimitInterval is for systemd before 230): without it no guard
// is given back. Configuration comes from /etc/wingman/environment, as in a shell.
const systemdUnit = `[Unit]
Description=Wingman, beside the AWS CodeDeploy agent
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
StartLimitInterval=0
Type=notify
ExecStart={{Path | cmdEscape}} service run
ExecReload={{Path | cmdEscape}} service reload
WatchdogSec=2min
Restart=always
RestartSec=1
TimeoutStopSec=20
ConfigurationDirectory=wingman
EnvironmentFile=-/etc/wingman/environment

[Install]
WantedBy=multi-user.target
`

// SystemService is wingman's service, as the host's service manager has it. Changing it needs root.
type SystemService struct {
	Root string // the folder that stands for / where the package's unit is looked for; default /
}

func serviceConfig() *service.Config {
	return &service.Config{Name: ServiceName, DisplayName: "Wingman", Description: "Wingman, beside the AWS CodeDeploy agent",
		Arguments: []string{"service", "run"}, Option: service.KeyValue{"SystemdScript": systemdUnit}}
}

// manager is the service manager's handle.
func (s SystemService) manager() (service.Service, error) {
	m, err := service.New(program{}, serviceConfig())
	if err != nil {
		return nil, fmt.Errorf("cannot reach the service manager: %w", err)
	}
	return m, nil
}

// packaged gives the unit that the package brought, "" where there is none: deb and rpm put it here.
func (s SystemService) packaged() string {
	for _, dir := range []string{"/lib/systemd/system", "/usr/lib/systemd/system"} {
		unit := filepath.Join(s.Root, dir, ServiceName+".service")
		if _, err := os.Stat(unit); err == nil {
			return unit
		}
	}
	return ""
}

// Install makes the service known and has it start at boot; it does not start it now.
func (s SystemService) Install() error {
	if unit := s.packaged(); unit != "" {
		return fmt.Errorf("cannot install the service: %w, %s\n    sudo systemctl enable --now %s", ErrPackaged, unit, ServiceName)
	}
	return s.do("install", "if it is there already: sudo wingman service uninstall", service.Service.Install)
}

// Uninstall stops the service and makes the service manager forget it. Runs that are under way go on to their end.
func (s SystemService) Uninstall() error {
	if unit := s.packaged(); unit != "" {
		return fmt.Errorf("cannot uninstall the service: %w, %s\n    sudo systemctl disable --now %s", ErrPackaged, unit, ServiceName)
	}
	st, err := s.Status()
	if err != nil {
		return fmt.Errorf("cannot uninstall the service: %w", err)
	}
	if st != Stopped {
		if err := s.Stop(); err != nil {
			return err
		}
	}
	return s.do("uninstall", "wingman service status", service.Service.Uninstall)
}

// Start starts it now.
func (s SystemService) Start() error { return s.do("start", journalHint, service.Service.Start) }

// Stop stops it; runs that are under way go on, and the next service finds them.
func (s SystemService) Stop() error { return s.do("stop", journalHint, service.Service.Stop) }

// Restart stops and starts it.
func (s SystemService) Restart() error { return s.do("restart", journalHint, service.Service.Restart) }

// journalHint shows why: the library keeps what systemctl says to itself.
const journalHint = "systemctl status wingman; journalctl -u wingman -n 50"

func (s SystemService) do(what, hint string, act func(service.Service) error) error {
	m, err := s.manager()
	if err == nil {
		err = act(m)
	}
	if err != nil {
		return fmt.Errorf("cannot %s the service: %w\n    %s", what, err, hint)
	}
	return nil
}

// ServiceState is how the service manager has the service.
type ServiceState string

// The states that a service can be in.
const (
	Running  ServiceState = "running"
	Starting ServiceState = "starting" // it has not said yet that it is ready, or waits for the next try
	Stopped  ServiceState = "stopped"
	Failed   ServiceState = "failed"
)

// Status says how the service manager has it; ErrNoService where it has not.
func (s SystemService) Status() (ServiceState, error) {
	m, err := s.manager()
	if err != nil {
		return "", err
	}
	st, err := m.Status()
	if _, e := os.Stat(filepath.Join("/etc/init.d", ServiceName)); m.Platform() == "unix-systemv" && e != nil {
		err = service.ErrNotInstalled // where there is no script, service(8) only fails
	}
	switch {
	case errors.Is(err, service.ErrNotInstalled):
		return "", fmt.Errorf("%w\n    sudo wingman service install", ErrNoService)
	case err != nil && err.Error() == "service in failed state": // the library has no error of its own for it
		return Failed, nil
	case err != nil:
		return "", fmt.Errorf("cannot ask the service manager: %w\n    ps -p 1", err)
	case st == service.StatusRunning && m.Platform() == "linux-systemd" && activating():
		return Starting, nil
	case st == service.StatusRunning:
		return Running, nil
	}
	return Stopped, nil
}

// activating says whether systemd still waits for the service to be ready: to the library that is running, and so is one
// that ends again and again.
func activating() bool {
	out, _ := exec.Command("systemctl", "is-active", ServiceName).Output() // its exit code says that it is not active
	return strings.TrimSpace(string(out)) == "activating"
}

// Serve calls run for `wingman service run` and gives back its error once it has returned. SIGTERM and SIGINT, on Windows
// the service manager's stop, end run's ctx. SIGHUP does not end it: whoever reloads on it asks for it beside this.
func Serve(run func(ctx context.Context) error) error {
	if runtime.GOOS == "windows" && !service.Interactive() {
		return serveWindows(run)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // its default is to end the process
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx)
}

// program is what Windows' service manager starts and stops. Elsewhere there is nothing for it to do.
type program struct{ start, stop func() error }

func (p program) Start(service.Service) error { return p.start() }
func (p program) Stop(service.Service) error  { return p.stop() }

// serveWindows runs under Windows' service manager, which wants an answer to start and to stop at once.
func serveWindows(run func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	var m service.Service
	p := program{
		start: func() error {
			go func() {
				done <- run(ctx)
				if ctx.Err() == nil { // it ended by itself: the service manager must hear of it
					m.Stop()
				}
			}()
			return nil
		},
		stop: func() error { cancel(); return <-done },
	}
	m, err := service.New(p, serviceConfig())
	if err != nil {
		return fmt.Errorf("cannot reach the service manager: %w", err)
	}
	return m.Run()
}
