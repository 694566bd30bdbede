package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a machine does for all other tests.
func TestMachine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := machine{binds: []string{dir + ":/mnt/host"}, env: []string{"WORD=a $HOME"}, after: []string{"cat /var/kept; echo again >>/mnt/host/file; exit 7"}}
	out, status := m.run(t, `systemctl is-system-running; echo "$WORD" >/var/kept; echo first >/mnt/host/file; wingman --help >/mnt/host/help`)
	if status != 7 || out != "running\na $HOME\n" {
		t.Errorf("status %d, %q", status, out)
	}
	file, _ := os.ReadFile(filepath.Join(dir, "file"))
	help, err := os.ReadFile(filepath.Join(dir, "help"))
	if string(file) != "first\nagain\n" || err != nil || !strings.Contains(string(help), "wingman") {
		t.Errorf("%q %q %v", file, help, err)
	}
}

// A command outlives the bus that it was started by, and its status is still known.
func TestMachineWithoutABus(t *testing.T) {
	t.Parallel()
	out, status := machine{limit: 30 * time.Second}.run(t, `systemctl stop dbus.socket dbus.service
while pgrep -x systemd-run; do sleep 0.05; done >/dev/null # it has started us, and ends with the bus
echo on; exit 9`)
	if status != 9 || !strings.HasSuffix(out, "on\n") {
		t.Errorf("status %d, %q", status, out)
	}
}

func TestUnitIsValid(t *testing.T) {
	t.Parallel()
	out := machine{}.ok(t, `systemd-analyze verify --man=no /lib/systemd/system/wingman.service 2>&1
systemctl enable --quiet wingman.service
systemctl show wingman.service -p Type,NotifyAccess,Restart,RestartUSec,StartLimitIntervalUSec,KillMode,TimeoutStopUSec,UnitFileState,ProtectSystem,NoNewPrivileges,PrivateTmp | sort`)
	want := `KillMode=mixed
NoNewPrivileges=no
NotifyAccess=main
PrivateTmp=no
ProtectSystem=no
Restart=always
RestartUSec=1s
StartLimitIntervalUSec=0
TimeoutStopUSec=20s
Type=notify
UnitFileState=enabled
`
	if out != want { // and verify had nothing to say
		t.Errorf("got\n%s", out)
	}
}
