# A package's life, for the machine of package_linux_test.go. install FILE and remove are the package manager's.
# shellcheck shell=sh

files() { find / -xdev \( -path /tmp -o -path /root/rev -o -path /var/log/journal \) -prune -o -print | sort; }

# left prints what is on the disk now that was not before life.
left() { echo "== left"; files | comm -13 /tmp/before -; }

now() { echo "$* $(systemctl is-active wingman) $(wingman version | cut -d' ' -f1,2)"; }

# event begins one that prints begin, waits, and prints end, as the CodeDeploy agent would: by the hook, from /.
event() {
  mkdir -p /root/rev/hooks && cp /usr/share/codedeploy-wingman/wingman.sh /root/rev/hooks/ && cd /
  printf 'version: 0.0\nos: linux\nhooks:\n  ApplicationStart:\n    - location: hooks/wingman.sh\n      timeout: 90\n' >/root/rev/appspec.yml
  printf 'version: 1\nevents:\n  ApplicationStart:\n    - script: s.sh\n' >/root/rev/wingman.yml
  printf '#!/bin/sh\necho begin\nwhile [ ! -e /tmp/go ]; do sleep 0.05; done\necho end\n%s\n' "${2:-}" >/root/rev/s.sh
  chmod +x /root/rev/s.sh; rm -f /tmp/go; : >/tmp/event
  { s=0; LIFECYCLE_EVENT=ApplicationStart DEPLOYMENT_ID="d-$1" /root/rev/hooks/wingman.sh >/tmp/event 2>&1 || s=$?; echo "exit $s" >>/tmp/event; } &
  until grep -q begin /tmp/event; do sleep 0.05; done
}

event_ends() { touch /tmp/go; wait; cat /tmp/event; }

kept() {
  cat /etc/wingman/host.yml* | grep -q 'mode: disabled' || return # rpm: host.yml.rpmsave
  ls /var/lib/wingman/runs/* /var/log/wingman/d-up/* >/dev/null && echo "kept: settings state logs"
}

life() {
  files >/tmp/before
  echo "== install"
  install "/p/old.$1"
  now "$(systemctl is-enabled wingman)"
  getent group wingman | sed 's/[0-9]//g'; stat -c '%a %U' /run/wingman/wingman.sock
  pid=$(systemctl show -P MainPID wingman)

  echo "== upgrade in mid-event"
  printf 'guard: {mode: disabled}\n' >/etc/wingman/host.yml
  event up; install "/p/new.$1"; now | sed 's/^ //'
  grep -q mode:.disabled /etc/wingman/host.yml && echo edited
  [ "$pid" != "$(systemctl show -P MainPID wingman)" ]
  event_ends

  echo "== downgrade in mid-event"
  mkdir -p /var/lib/wingman/guards; sed 's/"v":1/"v":2/' /guard/guards/*.json >/var/lib/wingman/guards/0000000000000001.json
  cp -r /var/lib/wingman/guards /tmp/newer
  event down; install "/p/old.$1"; now | sed 's/^ //'; event_ends
  cmp /tmp/newer/0000000000000001.json /var/lib/wingman/guards/0000000000000001.json && echo "a newer record is as it was"
  rm /var/lib/wingman/guards/0000000000000001.json

  echo "== disabled"
  systemctl disable --quiet --now wingman; install "/p/new.$1"
  echo "$(systemctl is-enabled wingman) $(systemctl is-active wingman)"
  systemctl enable --quiet --now wingman

  echo "== remove in mid-event"
  cp -r /guard/guards /var/lib/wingman/
  # What the script leaves behind holds its output: it must not meet a closed pipe, although the program is gone.
  event away '{ sleep 0.5; echo 1; echo 2; echo 3; : >/tmp/held; } &'; remove
  grep 'STILL HELD' /tmp/said; sed -n 's/^ *\(of web for .*: intended\).*/\1/p' /tmp/said
  echo "$(systemctl is-active wingman) $(systemctl show -P LoadState wingman)"
  event_ends >/tmp/ended; sed 's/^wingman: step .s.sh.: .* still hold .*/held/' /tmp/ended; kept
  for _ in $(seq 100); do [ -e /tmp/held ] || sleep 0.05; done; ls /tmp/held

  echo "== reinstall"
  rm -r /var/lib/wingman/guards; mv /etc/wingman/host.yml.rpmsave /etc/wingman/host.yml 2>/dev/null || :
  install "/p/new.$1" | grep -v rpmnew || :
  now "$(systemctl is-enabled wingman)"; grep -q mode:.disabled /etc/wingman/host.yml && echo edited
  echo "== removed"
  remove; kept
}
