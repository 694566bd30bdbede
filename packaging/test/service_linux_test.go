package test

import "testing"

// on runs a scenario that must succeed: a script with the commands of lib.sh, on a machine whose service is up.
func (m machine) on(t *testing.T, script string) {
	t.Helper()
	t.Parallel()
	for i, s := range m.after {
		m.after[i] = ". /t/lib.sh\n" + s
	}
	if out := m.ok(t, ". /t/lib.sh\nup\n"+script); testing.Verbose() {
		t.Log(out)
	}
}

// What becomes of the service in the middle of a script is no matter of the script's, nor of the client's.
func TestRunsOutliveTheService(t *testing.T) {
	for name, act := range map[string]string{
		"killed": `
was=$(service); kill -9 $was
await answers
[ $(service) != $was ]`,
		"restarted": `systemctl restart wingman; answers`,
		"stopped":   `systemctl stop wingman; ! answers`,
		"upgraded": `
was=$(service)
install /t/next; systemctl restart wingman; answers
[ $(service) != $was ]; cmp /proc/$(service)/exe /t/next`,
		"restarted again and again": `for i in $(seq 10); do systemctl restart wingman; done; answers`,
	} {
		t.Run(name, func(t *testing.T) {
			machine{}.on(t, `
systemctl stop wingman; install /t/wingman; systemctl start wingman
lines /srv/app; hook d-1 /srv/app
await grep -q 'line 10' /srv/app/out
`+act+`
[ ! -e /srv/app/code ] # in the middle of it
whole /srv/app d-1
nothing_left`)
		})
	}
}
