package test

import "testing"

// said is the shell's count of how often a fault is told while the steps run, before the summary tells it again.
const said = `
# said FILE TEXT: how often wingman tells it before the summary
said() { sed '/^---- wingman/,$d' "$1" | grep -c "^wingman:.*$2" || :; }
quick() { revision "$1" <<END
i=0; while [ \$i -lt 400 ]; do i=\$((i + 1)); echo "line \$i"; done
$2
exit 5
END
}
# right DIR: all lines, once, in order, and the run's code
right() {
  is "exit code of $1" "$(ended "$1")" 1
  is "lines in $1/out" "$(grep '^line ' "$1/out")" "$(seq -f 'line %.0f' ${2:-400})"
  is "verdict, last, in $1/out" "$(tail -n 1 "$1/out")" 'verdict: ApplicationStart FAILED: step "go": exit code 5'
}
`

// A disk that is full, or may not be written, fails no event; what could not be kept is told once.
func TestDiskFull(t *testing.T) {
	machine{}.on(t, said+`
systemctl stop wingman
for d in /var/lib/wingman /var/log/wingman; do
  mount -t tmpfs -o size=64k tmpfs $d
  dd if=/dev/zero of=$d/full bs=4k 2>/dev/null || :
done
systemctl start wingman; answers
quick /srv/full; hook d-1 /srv/full; right /srv/full
hasnt /srv/full/out 'in this process'
is 'how often the record is missed' "$(said /srv/full/out 'record')" 1
is 'how often the log is missed' "$(said /srv/full/out 'log')" 1
has /srv/full/out 'no space left on device'
is rescued "$(cat /srv/full/rescued)" rescued
# only in the middle of it
rm /var/l*/wingman/full
quick /srv/middle 'for d in /var/lib/wingman /var/log/wingman; do dd if=/dev/zero of=$d/full bs=4k 2>/dev/null; done; for i in $(seq 401 4000); do echo "line $i"; done'
hook d-2 /srv/middle; right /srv/middle 4000
nothing_left`)
}

func TestDiskReadOnly(t *testing.T) {
	machine{}.on(t, said+`
systemctl stop wingman
for d in /var/lib/wingman /var/log/wingman; do mount -t tmpfs -o mode=755 tmpfs $d; mount -o remount,ro $d; done
systemctl start wingman; answers
quick /srv/app; hook d-1 /srv/app; right /srv/app
hasnt /srv/app/out 'in this process'
is 'how often the record is missed' "$(said /srv/app/out 'keep a record')" 1
has /srv/app/out 'read-only file system'
useradd -m joe
status=0; (cd /; su joe -s /bin/sh -c 'DEPLOYMENT_ID=d-2 wingman hook ApplicationStart --revision /srv/app') >/srv/app/out 2>&1 || status=$?
is "joe's exit code" $status 1
has /srv/app/out 'exit code 5'
nothing_left`)
}

// Where runs under way are kept there is no room: before a run it is left to its caller, in the middle of it goes on.
func TestRunFull(t *testing.T) {
	machine{}.on(t, said+`
systemctl stop wingman
mkdir -p /run/wingman; mount -t tmpfs -o size=3m,mode=755 tmpfs /run/wingman
systemctl start wingman; answers
dd if=/dev/zero of=/run/wingman/full bs=4k 2>/dev/null || :
quick /srv/app; hook d-1 /srv/app; right /srv/app
is 'how often it is told' "$(said /srv/app/out 'in this process')" 1
has /srv/app/out 'no space left on device'
is record "$(record d-1)" 'ApplicationStart failed'
rm /run/wingman/full
quick /srv/middle 'dd if=/dev/zero of=/run/wingman/full bs=4k 2>/dev/null; for i in $(seq 401 40000); do echo "line $i"; done'
hook d-2 /srv/middle; right /srv/middle 40000
hasnt /srv/middle/out 'in this process'
is record "$(record d-2)" 'ApplicationStart failed'
rm /run/wingman/full
nothing_left`)
}

// What a broken disk or a newer wingman left is told, left alone, and keeps nothing from working.
func TestRecordsThatCannotBeRead(t *testing.T) {
	machine{}.on(t, `
lines /srv/app; hook d-1 /srv/app; whole /srv/app d-1
systemctl stop wingman
runs=/var/lib/wingman/runs; f=$(ls $runs/d-1/*.jsonl)
head -c 40 "$f" >$runs/d-1/20200101T000000-ApplicationStart-00000000.jsonl
head -c 3000 /dev/urandom >$runs/d-1/20200102T000000-ApplicationStart-00000000.jsonl
mkdir $runs/d-2 $runs/d-3; sed 's/"v":1/"v":99/g' "$f" >$runs/d-2/$(basename "$f")
: >$runs/d-3/20200103T000000-ApplicationStart-00000000.jsonl; touch -d yesterday $runs/d-3/*
mkdir -p /var/lib/wingman/guards; echo '{"v": 99}' >/var/lib/wingman/guards/0123456789abcdef.json; echo nonsense >/var/lib/wingman/guards/1123456789abcdef.json
mkdir -p /run/wingman/live/20200101T000000-ApplicationStart-00000000/run; echo nonsense >/run/wingman/live/20200101T000000-ApplicationStart-00000000/meta.json
find /var/lib/wingman -type f -exec sha256sum {} + | sort >/srv/before
systemctl start wingman; answers
wingman status >/srv/status || :
has /srv/status '0123456789abcdef.json'
wingman history >/srv/history 2>/srv/told && exit 1 || :
has /srv/history d-1; has /srv/told 'newer wingman'; has /srv/told 20200101T000000; has /srv/told 20200102T000000; has /srv/told 20200103T000000
lines /srv/more; hook d-4 /srv/more; rm -f /srv/none
ended /srv/more >/dev/null; has /srv/more/out 'exit code 5'; is 'lines' "$(grep '^line ' /srv/more/out)" "$(seq -f 'line %.0f' 40)"
wingman history 2>/dev/null | grep -q 'd-4 *ApplicationStart .*failed'
find /var/lib/wingman -type f -not -path '*/d-4/*' -exec sha256sum {} + | sort >/srv/after
is 'what was there' "$(cat /srv/after)" "$(cat /srv/before)"
nothing_left`)
}
