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
		"stopped":   `systemctl stop wingman; not answers`,
		"upgraded": `
was=$(service)
install /t/next; systemctl restart wingman; answers
[ $(service) != $was ]; cmp /proc/$(service)/exe /t/next`,
		"restarted again and again": `for i in $(seq 5); do systemctl restart wingman; done; answers`,
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

// A reboot ends a run as a cancel does: with time to put things right, and a reason for who reads it later.
func TestReboot(t *testing.T) {
	machine{after: []string{`
await answers
is record "$(record d-1)" 'ApplicationStart cancelled'
reason d-1 >/srv/reason; has /srv/reason 'goes down' # whichever of script and client was told first
is rescues "$(cat /srv/app/rescued)" rescued
is tidied "$(cat /srv/app/tidied)" tidied
is began "$(cat /srv/app/began)" began
nothing_left
lines /srv/later; hook d-2 /srv/later; whole /srv/later d-2`}}.on(t, `
systemctl enable --quiet wingman
lines /srv/app; hook d-1 /srv/app
await grep -q 'line 5' /srv/app/out`)
}

// A run whose client ended is ended, whatever its script does about TERM, and put right.
func TestClientEnded(t *testing.T) {
	machine{}.on(t, `
revision /srv/killed <<'END'
echo began; sleep 999
END
revision /srv/told <<'END'
echo began; sleep 999
END
revision /srv/deaf <<'END'
trap '' TERM; setsid sh -c 'trap "" TERM; echo $$ >/srv/deaf/child; while :; do sleep 1; done' & echo began; while :; do sleep 1; done
END
for r in killed told deaf; do
  hook d-$r /srv/$r
  await grep -q began /srv/$r/out
  eval $r=$client
done
await test -s /srv/deaf/child
kill -9 $killed $deaf; kill $told
is 'exit code after TERM' "$(ended /srv/told)" 130
has /srv/told/out 'cancelled: wingman hook was told to end: the CodeDeploy agent does that'
for r in killed told deaf; do

  until_record() { [ "$(record d-$r)" = 'ApplicationStart cancelled' ]; }
  await until_record
  is "rescues of $r" "$(cat /srv/$r/rescued)" rescued
  is "$r tidied" "$(cat /srv/$r/tidied)" tidied
done
reason d-killed >/srv/reason; has /srv/reason 'nobody waits for it any more: whoever called wingman, as the CodeDeploy agent does, has ended it'
reason d-told >/srv/reason; has /srv/reason 'wingman hook was told to end'
not kill -0 $(cat /srv/deaf/child)
not pgrep -x sleep
nothing_left`)
}

// Nobody tells a service that starts which clients ended while there was none: it sees for itself.
func TestClientEndedWhileTheServiceWasDown(t *testing.T) {
	machine{}.on(t, `
for r in gone waits; do
  revision /srv/$r <<'END'
echo began; while [ ! -e /srv/go ]; do sleep 0.1; done; echo through
END
  hook d-$r /srv/$r
  await grep -q began /srv/$r/out
  eval $r=$client
done
systemctl stop wingman
kill -9 $gone
systemctl start wingman
until_cancelled() { [ "$(record d-gone)" = 'ApplicationStart cancelled' ]; }
await until_cancelled
reason d-gone >/srv/reason; has /srv/reason 'ended while the service was being restarted'
is rescues "$(cat /srv/gone/rescued)" rescued
touch /srv/go
is 'exit code of who waited' "$(ended /srv/waits)" 0
has /srv/waits/out through
is record "$(record d-waits)" 'ApplicationStart succeeded'
nothing_left`)
}

// A run whose own process is killed is interrupted, whoever sees it: the service, the next one, or the client alone.
// Nothing of it lives on, not what left its session either.
func TestRunnerKilled(t *testing.T) {
	machine{}.on(t, `
for r in now next; do
  revision /srv/$r <<END
setsid sh -c 'echo \$\$ >/srv/$r/child; while :; do sleep 1; done' & while [ ! -s /srv/$r/child ]; do sleep 0.05; done
echo began; while :; do sleep 1; done
END
  hook d-$r /srv/$r
  await grep -q began /srv/$r/out
done
runner() { for d in /run/wingman/live/*; do if grep -q "\"$1\"" $d/meta.json; then sed 's/.*"pid":\([0-9]*\).*/\1/' $d/meta.json; fi; done; }
check() {
  is 'exit code' "$(ended /srv/$1)" 1
  is last "$(tail -n 1 /srv/$1/out)" "verdict: ApplicationStart INTERRUPTED: wingman itself was ended in the middle of it"
  is record "$(record d-$1)" 'ApplicationStart interrupted'
  gone() { not kill -0 $(cat /srv/$1/child); }; await gone $1
}
kill -9 $(runner d-now); check now
systemctl stop wingman
kill -9 $(runner d-next)
is 'exit code' "$(ended /srv/next)" 1
systemctl start wingman; check next
nothing_left`)
}

// Whoever stops a run's scope, as an administrator or a reboot does, ends the run as a cancel does, although systemd tells
// the script as soon as the runner, which may hear of it later.
func TestScopeStopped(t *testing.T) {
	machine{}.on(t, `
for i in $(seq 10); do lines /srv/$i; hook d-$i /srv/$i; done
for i in $(seq 10); do await grep -q 'line 2' /srv/$i/out; done
systemctl stop $(scopes)
for i in $(seq 10); do
  is "exit code of $i" "$(ended /srv/$i)" 130
  is "record of $i" "$(record d-$i)" 'ApplicationStart cancelled'
  reason d-$i >/srv/reason; has /srv/reason "somebody stopped the run's scope"
  is "rescued $i" "$(cat /srv/$i/rescued)" rescued
  is "tidied $i" "$(cat /srv/$i/tidied)" tidied
done
nothing_left`)
}

// Nothing runs twice because it is asked for twice; and what is asked for at once runs at once.
func TestManyAtOnce(t *testing.T) {
	machine{}.on(t, `
# two requests for the same: one run, both are told all of it
lines /srv/a
mkdir /srv/second; cp /srv/a/appspec.yml /srv/a/wingman.yml /srv/a/run.sh /srv/second
hook d-same /srv/a; hook d-same /srv/second
# fifty different ones
revision /srv/many <<'END'
echo "one of $DEPLOYMENT_ID"; sleep 1; echo "$DEPLOYMENT_ID" >>/srv/many/ran; exit $((${DEPLOYMENT_ID#d-} % 2))
END
for i in $(seq 50); do
  (cd /; s=0; DEPLOYMENT_ID=d-$i LIFECYCLE_EVENT=ApplicationStart wingman hook --revision /srv/many >/srv/many/out.$i 2>&1 || s=$?; echo $s >/srv/many/code.$i) &
done
for i in $(seq 50); do
  await test -s /srv/many/code.$i
  is "exit code of $i" "$(cat /srv/many/code.$i)" $((i % 2))
  is "output of $i" "$(grep -c '^one of' /srv/many/out.$i) $(head -n 1 /srv/many/out.$i)" "1 one of d-$i"
done
is 'how often each ran' "$(sort /srv/many/ran | uniq -c | awk '{print $1}' | uniq -c | awk '{print $1, $2}')" '50 1'
is 'verdicts of fifty' "$(wingman history --limit 0 | awk '$4 ~ /^d-[0-9]+$/ {print $7}' | sort | uniq -c | awk '{print $1, $2}')" "25 failed
25 succeeded"
whole /srv/a d-same
is 'exit code of the second' "$(ended /srv/second)" 1
is 'lines of the second' "$(grep '^line ' /srv/second/out)" "$(seq -f 'line %.0f' 40)"
[ ! -e /srv/second/began ]
nothing_left`)
}

// Any client of HTTP will do.
func TestCurl(t *testing.T) {
	machine{packages: "curl"}.on(t, `
curl() { command curl -sS --unix-socket /run/wingman/wingman.sock "$@"; }
revision /srv/curl <<'END'
echo "hello from $PWD"; umask; exit 3
END
curl http://w/v1/runs -d '{"v": 1, "event": "ApplicationStart", "revision": "/srv/curl", "dir": "/", "umask": 18, "env": ["PATH=/usr/bin:/bin", "DEPLOYMENT_ID=d-curl"]}' >/srv/ndjson
is 'types of lines' "$(sed 's/.*"type":"\([a-z]*\)".*/\1/' /srv/ndjson | uniq | tr '\n' ' ')" 'accepted output result '
has /srv/ndjson '"text":"hello from /\n'
tail -n 1 /srv/ndjson | grep -q '"result":{"v":1,"verdict":"failed","exit_code":1,'
is record "$(record d-curl)" 'ApplicationStart failed'
curl http://w/v1/status | grep -q '"running":\[\]'
curl -o /dev/null -w '%{http_code} %{content_type}\n' http://w/metrics >/srv/metrics; grep -q '^200' /srv/metrics
curl http://w/v2/none >/srv/none; has /srv/none '"kind":"notfound"'
curl http://w/v1/runs -d 'no json' >/srv/none; has /srv/none '"kind":"bad"'
# who goes away ends his run, whatever he speaks
revision /srv/left <<'END'
echo began; sleep 999
END
command curl -sSN --unix-socket /run/wingman/wingman.sock http://w/v1/runs -d '{"event": "ApplicationStart", "revision": "/srv/left", "dir": "/", "env": ["PATH=/usr/bin:/bin", "DEPLOYMENT_ID=d-left"]}' >/srv/left/out &
await grep -q began /srv/left/out
kill $!
left() { [ "$(record d-left)" = 'ApplicationStart cancelled' ]; }
await left
nothing_left`)
}
