package test

import "testing"

// The bus and systemd itself may come and go, in the middle of a run and before one.
func TestBusAndSystemdComeAndGo(t *testing.T) {
	for name, act := range map[string]string{
		"dbus restarted":   `systemctl restart dbus`,
		"daemon-reexec":    `systemctl daemon-reexec`,
		"both, repeatedly": `for i in $(seq 5); do systemctl restart dbus; systemctl daemon-reexec; systemctl daemon-reload; done`,
		"no dbus at all":   `systemctl stop dbus.socket dbus.service`,
	} {
		t.Run(name, func(t *testing.T) {
			machine{}.on(t, `
was=$(service)
lines /srv/middle; hook d-1 /srv/middle
await grep -q 'line 5' /srv/middle/out
`+act+`
lines /srv/behind; hook d-2 /srv/behind # at once
(lines /srv/while; hook d-3 /srv/while
`+act+`)
await test -s /srv/while/pid
whole /srv/middle d-1
whole /srv/behind d-2
whole /srv/while d-3
hasnt /srv/middle/out 'in this process'
answers
is 'the service' $(service) $was
nothing_left`)
		})
	}
}

// A daemon that a hook starts, and that holds its output, is nobody's but the application's.
func TestDaemonOfAHook(t *testing.T) {
	machine{}.on(t, `
systemctl stop wingman; install /t/wingman; systemctl start wingman
revision /srv/app <<'END'
(setsid sh -c 'echo $$ >/srv/app/daemon; while :; do echo alive; sleep 0.2; done' &) &
while [ ! -s /srv/app/daemon ]; do sleep 0.05; done
echo started
END
hook d-1 /srv/app
is 'exit code' "$(ended /srv/app)" 0
has /srv/app/out started
daemon=$(cat /srv/app/daemon)
lives() { kill -0 $daemon && grep -q '/system.slice/wingman-' /proc/$daemon/cgroup; }
lives
systemctl restart wingman; answers; lives
kill -9 $(service); await answers; lives
install /t/next; systemctl restart wingman; answers; lives
systemctl stop wingman; lives
nothing_left daemon
systemctl start wingman; answers; lives
# the next deployment's hook stops it, as its own application
revision /srv/next <<END
kill $daemon
END
hook d-2 /srv/next; is 'exit code' "$(ended /srv/next)" 0
gone() { ! kill -0 $daemon; }; await gone
nothing_left`)
}

// systemd hears when the service is ready, whether it answers, what it does, and that it ends.
func TestServiceAndSystemd(t *testing.T) {
	machine{}.on(t, `
is type "$(systemctl show wingman -P Type)" notify
# active means that it answers
for i in $(seq 5); do systemctl restart wingman; [ "$(systemctl is-active wingman)" = active ]; answers; done
# what it does, and no more than a second for its end
is idle "$(systemctl show wingman -P StatusText)" idle
revision /srv/app <<'END'
echo began; while [ ! -e /srv/app/go ]; do sleep 0.05; done; echo through
END
hook d-1 /srv/app; await grep -q began /srv/app/out
doing() { systemctl status wingman | grep -q 'Status: "ApplicationStart of d-1: go'; }
await doing
doing() { [ "$(systemctl show wingman -P StatusText)" = 'follows d-1; follows d-2' ]; } # they may still fail elsewhere
# the scope says whose it is
systemctl status 'wingman-*.scope' | grep -q 'wingman: ApplicationStart of d-1'
for try in 1 2 3; do # this machine may be busy with others
  systemctl start wingman
  t0=$(date +%s%N); systemctl stop wingman; took=$((($(date +%s%N) - t0) / 1000000))
  [ $took -ge 1000 ] || break
done
[ $took -lt 1000 ] || { echo "stop took $took ms"; exit 1; }
is result "$(systemctl show wingman -P Result)" success
# without a service a hook runs its steps itself, and says so, in a line
revision /srv/alone <<'END'
echo alone
END
hook d-2 /srv/alone; is 'exit code' "$(ended /srv/alone)" 0
is 'lines' "$(wc -l </srv/alone/out)" 2
has /srv/alone/out 'wingman: runs in this process: no service answers at /run/wingman/wingman.sock ('
has /srv/alone/out alone
is record "$(record d-2)" 'ApplicationStart succeeded'
systemctl start wingman
await test -S /run/wingman/wingman.sock
touch /srv/app/go; is 'exit code' "$(ended /srv/app)" 0; has /srv/app/out through
await doing
nothing_left`)
}

// A service that hangs is killed and started again by systemd; runs do not notice.
func TestWatchdog(t *testing.T) {
	machine{}.on(t, `
mkdir -p /etc/systemd/system/wingman.service.d
printf '[Service]\nWatchdogSec=2\n' >/etc/systemd/system/wingman.service.d/test.conf
systemctl daemon-reload; systemctl restart wingman; answers
was=$(service)
lines /srv/app; hook d-1 /srv/app
await grep -q 'line 5' /srv/app/out
kill -STOP $was
another() { [ $(service) != $was ] && answers; }
await another
journalctl -u wingman | grep -q 'Watchdog timeout'
whole /srv/app d-1
nothing_left`)
}

// Settings with a fault are refused, visibly, and what held before holds on.
func TestReload(t *testing.T) {
	machine{}.on(t, `
held() { wingman status --output json >/srv/status || :; grep -q "\"guard_mode\": \"$1\"" /srv/status; }
held disabled
echo 'guard: {mode: observe}' >/etc/wingman/host.yml
systemctl reload wingman; held observe
echo 'guard: {mode: sometimes}' >/etc/wingman/host.yml
systemctl reload wingman 2>/srv/told && exit 1 || :
has /srv/told 'Job for wingman.service failed'
held observe
wingman status >/srv/told && exit 1 || :
has /srv/told 'host.yml:1:15'
status=0; wingman service reload >/srv/told 2>&1 || status=$?
is 'exit code' $status 2; has /srv/told 'host.yml:1:15'; has /srv/told 'what held before holds on'
systemctl is-active wingman
journalctl -u wingman | grep -q 'host.yml:1:15'
# SIGHUP does the same, and ends nothing
was=$(service)
kill -HUP $was; held observe; is 'the service' $(service) $was
echo 'guard: {mode: disabled}' >/etc/wingman/host.yml
kill -HUP $was; await held disabled; is 'the service' $(service) $was
nothing_left`)
}
