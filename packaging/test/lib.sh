# shellcheck shell=sh
# Commands of the scenarios on a machine (see machine_linux_test.go): . /t/lib.sh

# await COMMAND...: waits until it succeeds; a minute is for a slow machine.
await() {
  _n=0
  while ! "$@" >/dev/null 2>&1; do
    _n=$((_n + 1))
    [ $_n -lt 1200 ] || { echo "waited in vain for: $*" >&2; exit 1; }
    sleep 0.05
  done
}

# not COMMAND...: fails where it succeeds; what sh negates with ! never ends a script.
not() { if "$@"; then echo "that should fail: $*"; return 1; fi; }

# is WHAT GOT WANT: fails, and says how the two differ.
is() {
  [ "$2" != "$3" ] || return 0
  printf '%s\n' "$2" >/tmp/got; printf '%s\n' "$3" >/tmp/want
  echo "$1:"; diff -U 2 /tmp/want /tmp/got | head -n 40; exit 1
}

# has FILE TEXT and hasnt FILE TEXT: whether a line of the file holds the text.
has() { grep -qF -- "$2" "$1" || { printf 'not in %s: %s\n' "$1" "$2"; cat "$1"; exit 1; }; }
hasnt() { ! grep -F -- "$2" "$1" || { printf 'that is in %s\n' "$1"; cat "$1"; exit 1; }; }

# revision DIR: a revision whose ApplicationStart is the script on stdin; its on_failure and always each leave a file.
revision() {
  mkdir -p "$1"
  printf 'version: 0.0\nos: linux\n' >"$1/appspec.yml"
  cat >"$1/wingman.yml" <<END
version: 1
events: {ApplicationStart: [{name: go, script: run.sh}]}
on_failure: [{name: rescue, command: [sh, -c, 'echo rescued >>$1/rescued']}]
always: [{name: tidy, command: [sh, -c, 'echo tidied >>$1/tidied']}]
END
  { echo '#!/bin/sh'; cat; } >"$1/run.sh"
  chmod 755 "$1/run.sh"
}

# lines DIR: the revision whose script prints 40 lines in 4 s and exits with 5, and notes that it began.
lines() {
  revision "$1" <<END
echo began >>$1/began
i=0; while [ \$i -lt 40 ]; do i=\$((i + 1)); echo "line \$i"; sleep 0.1; done
exit 5
END
}

# hook DEPLOYMENT DIR: the event as the CodeDeploy agent asks for it, in the background; its output goes to DIR/out, its
# exit code to DIR/code, its process id to $client.
hook() {
  rm -f "$2/code" "$2/pid"
  (
    cd /
    DEPLOYMENT_ID=$1 LIFECYCLE_EVENT=ApplicationStart wingman hook --revision "$2" >"$2/out" 2>&1 &
    echo $! >"$2/pid"
    wait $! && s=0 || s=$?
    echo "$s" >"$2/code"
  ) &
  await test -s "$2/pid"
  # shellcheck disable=SC2034 # the scenarios use it
  client=$(cat "$2/pid")
}

# ended DIR: waits for the hook's end, and gives its exit code.
ended() { await test -s "$1/code"; cat "$1/code"; }

# record DEPLOYMENT: event and verdict of each of its records, but for what the service did after the deployment.
record() { wingman history --limit 0 | awk -v d="$1" '$4 == d && $5 !~ /^after:/ {print $5, $7}'; }

# reason DEPLOYMENT: why, as the history has it.
reason() { wingman history --limit 0 | awk -v d="$1" '/^  / {if (mine) print; next} {mine = $4 == d}' | sed 's/^ *//'; }

# whole DIR DEPLOYMENT: the hook of a `lines` revision got each line once, in order, and the run's code; the script ran
# once, and its record is the only one.
whole() {
  code=$(ended "$1")
  is "lines in $1/out" "$(grep '^line ' "$1/out")" "$(seq -f 'line %.0f' 40)"
  is "exit code of $1" "$code" 1
  has "$1/out" 'reason:  exit code 5'
  is "verdict, last, in $1/out" "$(tail -n 1 "$1/out" | cut -d : -f 1,2)" 'verdict: ApplicationStart FAILED'
  is "how often $1 began" "$(cat "$1/began")" began
  is "rescues of $1" "$(cat "$1/rescued")" rescued
  is "record of $2" "$(record "$2")" 'ApplicationStart failed'
}

service() { systemctl show wingman -P MainPID; }
answers() { wingman status --output json | grep -q '"pid": [1-9]'; }

# up: the service, with settings that ask nothing of AWS.
up() {
  mkdir -p /etc/wingman
  printf 'guard: {mode: disabled}\nlog: {keep: 100}\n' >/etc/wingman/host.yml
  systemctl start wingman
  answers
}

# install FILE: puts a build where the package has it, as dpkg does: beside what is there, then over it.
install() {
  if mountpoint -q /usr/bin/wingman; then umount -l /usr/bin/wingman; fi
  cp "$1" /usr/bin/wingman.new
  chmod 755 /usr/bin/wingman.new
  mv /usr/bin/wingman.new /usr/bin/wingman
}

scopes() { systemctl list-units --all --plain --no-legend 'wingman-*.scope' | awk '{print $1}'; }

_left() { # what is there of runs that should have ended
  for s in $(scopes); do
    g=$(systemctl show "$s" -P ControlGroup)
    [ -n "$g" ] && grep -qs 'populated 1' "/sys/fs/cgroup$g/cgroup.events" || echo "scope $s without a process"
    case " $* " in *" daemon "*) ;; *) echo "scope $s"; cat "/sys/fs/cgroup$g"/cgroup.procs "/sys/fs/cgroup$g"/*/cgroup.procs;; esac
  done
  pgrep -af internal-run || :
  case " $* " in *" daemon "*) ;; *) pgrep -af internal-drain || :;; esac # a daemon's, that holds its output
  for d in /run/wingman/live/*/run /var/lib/wingman/live/*/run; do # its lock is held as long as the run's process lives
    if [ -e "$d/lock" ] && [ ! -s "$d/result.json" ] && ! flock -n "$d/lock" true; then echo "$d: a run that goes on"; fi
  done
}
_nothing() { [ -z "$(_left "$@" 2>/dev/null)" ]; }

# nothing_left [daemon] [interrupted]: waits until no scope, process or folder of an ended run is left; scopes of daemons that live on may
# be, where said so.
nothing_left() { (await _nothing "$@") || { _left "$@"; exit 1; }; }
