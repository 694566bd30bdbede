#!/usr/bin/env bash
# with-systemd.sh - run a command inside a throw-away machine booted by a REAL systemd (as PID 1).
#
#   with-systemd.sh [OPTIONS] -- COMMAND [ARG...]
#
#   --bind SRC:DST[:ro]     make host file/folder SRC visible at DST (repeatable; writes reach the host
#                           unless :ro)
#   --after-reboot SCRIPT   once COMMAND has succeeded, reboot the machine (really: systemctl reboot, disk
#                           kept) and run `sh -c SCRIPT` in it (repeatable, one reboot for each)
#   --setenv NAME=VALUE     set a variable for COMMAND and the scripts (repeatable)
#   --packages A,B,...      Debian packages to add to the base root (cached per package set)
#   --suite NAME            Debian suite of the base root (default: bookworm)
#   --net none|host         none (default): own network namespace with only `lo`; host: share the network
#                           (so that `apt-get install` works inside)
#   --base DIR              use DIR as the read-only base instead of a debootstrap'ed root ("/" = the host's
#                           own root: no debootstrap, but the host's own services are masked one by one)
#   --prepare               only install the prerequisites and build the cached base root
#   --timeout SECONDS       give up on COMMAND after so long (default 600; its status is then 124)
#   --journal               print the journal when COMMAND fails
#   --verbose               say what happens, with times; print the journal when COMMAND fails
#
# Exit status: COMMAND's own (the first non-zero of COMMAND and the --after-reboot scripts);
#   125 the machine could not be built or booted, or went away under COMMAND (a poweroff or reboot in it: use
#   --after-reboot), 2 usage, 124 timed out, 128+n COMMAND died of signal n, 127 not found.
#
# How: a Debian root made once by debootstrap (cached, ~60 s the first time) is the lower layer of an
# overlay whose upper layer is a tmpfs; systemd is started on it as PID 1 of new pid, mount, uts, ipc, net
# and cgroup namespaces, in a cgroup-v2 group of its own. COMMAND runs as a transient unit (`systemd-run
# --pipe --wait`). Afterwards the machine is powered off cleanly and everything it wrote is gone.
# All mounts live in private mount namespaces: the host's mount table and cgroup mounts are not touched; on
# the host there is one extra empty folder in the cgroup2 hierarchy while it runs. If this script is
# killed (even with -9), the kernel kills the machine with it.
#
# Needs: Linux with overlayfs and cgroup2 mounted somewhere (hybrid v1+v2 is fine), root, Debian's
# packages for the first run. No docker, no systemd on the host, no KVM, no nested-container support.
#
# Environment: WITH_SYSTEMD_CACHE (default /var/cache/with-systemd), WITH_SYSTEMD_TMPFS (default 4g).
set -euo pipefail

SELF=$(readlink -f "${BASH_SOURCE[0]}")
me=with-systemd
say()  { [ -z "${WS_VERBOSE:-}" ] || printf '%s: [%s] %s\n' "$me" "$(elapsed)" "$*" >&2; }
die()  { printf '%s: %s\n' "$me" "$*" >&2; exit 125; }
usage() { sed -n '2,/^set -euo/{/^set/d;s/^# \{0,1\}//;p}' "$SELF"; }
elapsed() { local n=${EPOCHREALTIME/./} s=${WS_T0/./}; printf '%6.2fs' "$(( (n - s) / 10000 ))e-2"; }
: "${WS_T0:=$EPOCHREALTIME}"; export WS_T0

############################################################################## stage 3: PID 1 of the machine
# Runs in fresh pid/mount/uts/ipc/net namespaces; becomes systemd.
if [ "${1:-}" = __init ]; then
  # /proc is still the host's here, so this is our pid as the host sees it.
  read -r hostpid _ < /proc/self/stat
  echo 0 > "$WS_CGROUP/cgroup.procs"            # 0 = "me": move into the machine's own cgroup, and only
  exec unshare --cgroup -- "$BASH" "$SELF" __init2 "$hostpid"     # then make that the cgroup root
fi
if [ "${1:-}" = __init2 ]; then
  hostpid=$2; m=$WS_ROOT
  mount --make-rprivate /
  cd "$m"
  mount -t proc  -o nosuid,nodev,noexec proc  "$m/proc"
  mount -t sysfs -o nosuid,nodev,noexec,ro sysfs "$m/sys" 
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$m/sys/fs/cgroup"   # rooted at our own group
  mount -t tmpfs -o mode=755,nosuid tmpfs "$m/dev"
  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$m/run"
  mkdir "$m/dev/pts" "$m/dev/shm" "$m/run/lock"
  mount -t tmpfs  -o mode=1777,nosuid,nodev tmpfs "$m/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$m/dev/pts"
  ln -s pts/ptmx "$m/dev/ptmx"
  for d in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
    # shellcheck disable=SC2086 # three words
    set -- $d; mknod -m 666 "$m/dev/$1" c "$2" "$3"
  done
  ln -s /proc/self/fd "$m/dev/fd"; ln -s fd/0 "$m/dev/stdin"; ln -s fd/1 "$m/dev/stdout"; ln -s fd/2 "$m/dev/stderr"
  # No /dev/kmsg, /dev/console, block devices: the machine must not write to the host's kernel log or disks.
  # Keep it from changing the host kernel: sysctls (but its own network's) and sysrq are read-only.
  mount --bind "$m/proc/sys" "$m/proc/sys"
  [ "$WS_NET" = host ] || mount --bind "$m/proc/sys/net" "$m/proc/sys/net"
  cat /proc/sys/kernel/random/uuid > "$m/run/.boot_id"; chmod 444 "$m/run/.boot_id"     # one boot, one id
  mount --bind "$m/run/.boot_id" "$m/proc/sys/kernel/random/boot_id"
  mount -o remount,bind,ro,nosuid,nodev,noexec "$m/proc/sys"
  if [ -e "$m/proc/sysrq-trigger" ]; then
    mount --bind "$m/proc/sysrq-trigger" "$m/proc/sysrq-trigger"
    mount -o remount,bind,ro,nosuid,nodev,noexec "$m/proc/sysrq-trigger"
  fi
  hostname "$(cat "$m/etc/hostname")"
  printf '%s\n' "$hostpid" > "$WS_STATE/pid.tmp"; mv "$WS_STATE/pid.tmp" "$WS_STATE/pid"
  mkdir -p "$m/mnt"; pivot_root "$m" "$m/mnt"; cd /
  umount -l /mnt                                # the host's files are out of reach from here on
  # Drop what a container's systemd should not have: no clock, no modules, no kernel log, no audit.
  exec setpriv --bounding-set -sys_module,-sys_rawio,-sys_time,-syslog,-audit_control,-audit_read,-wake_alarm,-block_suspend,-mac_admin,-mac_override \
    env -i container=with-systemd PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd --system --show-status=no --log-target=journal --unit=multi-user.target
fi

############################################################################## stage 2: the "hardware"
# Holds the machine's disk (private mount namespace) and boots it again after a reboot.
if [ "${1:-}" = __hold ]; then
  mount --make-rprivate /
  t=$WS_MNT
  mount -t tmpfs -o "mode=755,size=$WS_TMPFS" tmpfs "$t"
  mkdir "$t/upper" "$t/work" "$t/root"; chmod 755 "$t/upper"
  mount -t overlay overlay -o "lowerdir=$WS_BASE,upperdir=$t/upper,workdir=$t/work" "$t/root"
  r=$t/root; export WS_ROOT=$r
  mkdir -p "$r/proc" "$r/sys" "$r/dev" "$r/run" "$r/mnt" "$r/tmp" "$r/etc/systemd/system" "$r/etc/tmpfiles.d" \
    "$r/etc/systemd/system.conf.d" "$r/etc/systemd/journald.conf.d"
  chmod 1777 "$r/tmp"
  # A machine-id of its own; "uninitialized" would start the first-boot wizardry and presets.
  rm -f "$r/etc/machine-id" "$r/var/lib/dbus/machine-id" "$r/etc/hostname" "$r/etc/resolv.conf"
  tr -d - < /proc/sys/kernel/random/uuid > "$r/etc/machine-id"
  echo throwaway > "$r/etc/hostname"
  printf '127.0.0.1 localhost throwaway\n::1 localhost\n' > "$r/etc/hosts"
  if [ "$WS_NET" = host ]; then cat /etc/resolv.conf > "$r/etc/resolv.conf" 2>/dev/null || :; cat /etc/hosts > "$r/etc/hosts"; fi
  # PITFALL: Debian's tmp.conf has "D /tmp", which empties /tmp at boot - through bind mounts, into the host.
  printf 'd /tmp 1777 root root -\n' > "$r/etc/tmpfiles.d/tmp.conf"
  printf '[Manager]\nDefaultTimeoutStopSec=15s\n' > "$r/etc/systemd/system.conf.d/50-throwaway.conf"
  # No rate limit: a test must not lose log lines.
  printf '[Journal]\nStorage=persistent\nRateLimitBurst=0\nForwardToWall=no\n' > "$r/etc/systemd/journald.conf.d/50-throwaway.conf"
  mask='systemd-tmpfiles-clean.timer apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer
        dpkg-db-backup.timer man-db.timer console-getty.service getty.target systemd-udevd.service
        systemd-timesyncd.service systemd-firstboot.service systemd-remount-fs.service dev-hugepages.mount
        sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-mqueue.mount
        proc-sys-fs-binfmt_misc.automount modprobe@.service'
  if [ "$WS_BASE" = / ]; then      # the host's root: keep the host's own enabled services from starting
    for l in "$r"/etc/systemd/system/*.wants/* "$r"/etc/rc[2-5S].d/S*; do
      [ -L "$l" ] || continue
      n=${l##*/}; case $l in */etc/rc*) n=$(basename "$(readlink "$l")").service;; esac
      case $n in dbus.service) ;; *) mask="$mask $n";; esac
    done
    : > "$r/etc/fstab"
  fi
  for u in $mask; do
    ln -sfn /dev/null "$r/etc/systemd/system/$u"
  done
  while IFS= read -r b; do
    [ -n "$b" ] || continue
    opt=; case $b in *:ro) opt=ro; b=${b%:ro};; esac
    src=${b%%:*}; dst=$r/${b#*:}
    if [ -d "$src" ]; then mkdir -p "$dst"; else mkdir -p "$(dirname "$dst")"; [ -e "$dst" ] || : > "$dst"; fi
    mount --bind "$src" "$dst"
    [ -z "$opt" ] || mount -o remount,bind,ro "$dst"
  done < "$WS_STATE/binds"
  ns=(--pid --mount --uts --ipc); [ "$WS_NET" = host ] || ns+=(--net)
  while :; do
    rm -f "$WS_STATE/pid"
    # PID 1 of a pid namespace that calls reboot(2) is "killed" by the kernel: SIGHUP for a reboot,
    # SIGINT for power-off; unshare passes that on as 129 or 130.
    rc=0; setpriv --pdeathsig KILL unshare "${ns[@]}" --fork --kill-child=KILL --propagation private -- "$BASH" "$SELF" __init || rc=$?
    [ "$rc" = 129 ] || break
    echo x >> "$WS_STATE/reboots"
  done
  echo "$rc" > "$WS_STATE/exit"
  case $rc in 130|0) exit 0;; *) exit "$rc";; esac
fi

############################################################################## stage 1: the command line
binds=() after=() envs=() base='' suite=bookworm packages='' WS_NET=none prepare='' journal='' limit=600 WS_VERBOSE=${WS_VERBOSE:-}
while [ $# -gt 0 ]; do
  case $1 in
    --bind|--after-reboot|--setenv|--packages|--suite|--net|--base|--timeout)
      [ $# -ge 2 ] || { echo "$me: $1 needs a value" >&2; exit 2; };;&
    --bind) binds+=("$2"); shift 2;;
    --after-reboot) after+=("$2"); shift 2;;
    --setenv) envs+=("--setenv=$2"); shift 2;;
    --packages) packages=$2; shift 2;;
    --suite) suite=$2; shift 2;;
    --net) WS_NET=$2; shift 2;;
    --base) base=$2; shift 2;;
    --timeout) limit=$2; shift 2;;
    --prepare) prepare=1; shift;;
    --journal) journal=1; shift;;
    --verbose|-v) WS_VERBOSE=1; shift;;
    --help|-h) usage; exit 0;;
    --) shift; break;;
    *) echo "$me: unknown argument: $1 (see --help)" >&2; exit 2;;
  esac
done
[ -n "$prepare" ] || [ $# -gt 0 ] || { usage >&2; exit 2; }
[ -e "/proc/$$/fd/0" ] || exec < /dev/null     # stdin may be closed (CI)
case $WS_NET in none|host) ;; *) echo "$me: --net none or host" >&2; exit 2;; esac
[ "$(id -u)" = 0 ] || die "must be root"
export WS_NET WS_VERBOSE WS_TMPFS=${WITH_SYSTEMD_TMPFS:-4g}
cache=${WITH_SYSTEMD_CACHE:-/var/cache/with-systemd}
mkdir -p "$cache/mnt"; cache=$(readlink -f "$cache"); export WS_MNT=$cache/mnt
for b in "${binds[@]}"; do
  s=${b%%:*}
  if [ "$s" = "$b" ] || [ ! -e "$s" ]; then echo "$me: --bind $b: no such file, or not SRC:DST" >&2; exit 2; fi
done

# ---- prerequisites and the base root
need() { # need COMMAND PACKAGE
  command -v "$1" >/dev/null 2>&1 && return
  say "installing $2"
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq --no-install-recommends "$2" >/dev/null 2>&1 ||
    { apt-get update -qq >/dev/null 2>&1; apt-get install -y -qq --no-install-recommends "$2" >/dev/null; } ||
    die "cannot install $2"
}
PATH=$PATH:/usr/sbin:/sbin
need flock util-linux; need nsenter util-linux; need setpriv util-linux; need pivot_root util-linux; need mount mount; need timeout coreutils
need hostname hostname
if [ -z "$base" ]; then
  list=systemd,systemd-sysv,dbus,procps,iproute2${packages:+,$packages}
  base=$cache/root-$suite-$(printf %s "$list" | sha256sum | cut -c1-10)
  exec 9> "$cache/lock"; flock 9
  if [ ! -e "$base/.complete" ]; then
    need debootstrap debootstrap
    # The mirror is whatever this machine's apt is set up with.
    # shellcheck disable=SC2016 # $(REPO_URI) is apt's
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Release: $suite" 2>/dev/null | head -1)
    [ -n "$mirror" ] || mirror=$(sed -nE 's/^(URIs:|deb( +\[[^]]*\])?) +([^ ]+).*/\3/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null | head -1) || :   # one of them is missing
    [ -n "$mirror" ] || die "no Debian mirror found in /etc/apt"
    say "building the base root $base ($list)"
    rm -rf "$base.tmp"
    debootstrap --variant=minbase --include="$list" "$suite" "$base.tmp" "$mirror" > "$cache/debootstrap.log" 2>&1 9>&- ||
      { tail -20 "$cache/debootstrap.log" >&2; die "debootstrap failed (log: $cache/debootstrap.log)"; }
    rm -rf "$base.tmp"/var/cache/apt/*.bin "$base.tmp"/var/cache/apt/archives/*.deb "$base.tmp"/var/lib/apt/lists/* "$base.tmp"/var/log/*.log
    mkdir -p "$base.tmp/var/lib/apt/lists/partial"
    : > "$base.tmp/.complete"; rm -rf "$base"; mv "$base.tmp" "$base"
    say "base root ready: $(du -sh "$base" | cut -f1)"
  fi
  exec 9>&-
fi
[ -z "$prepare" ] || { echo "$base"; exit 0; }
base=$(readlink -f "$base"); export WS_BASE=$base
[ -x "$base/lib/systemd/systemd" ] || die "$base has no systemd"

# ---- a cgroup-v2 group for it
cg2=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
[ -n "$cg2" ] || die "no cgroup2 file system is mounted (mount -t cgroup2 cgroup2 SOMEWHERE)"
for d in "${TMPDIR:-/tmp}"/with-systemd.*; do    # left by runs that were killed with -9
  if [ ! -s "$d/main" ] || kill -0 "$(cat "$d/main")" 2>/dev/null; then continue; fi
  find "$cg2/with-systemd.${d##*.}" -depth -type d -exec rmdir {} + 2>/dev/null || :
  rm -rf "$d"
done
export WS_STATE; WS_STATE=$(mktemp -d "${TMPDIR:-/tmp}/with-systemd.XXXXXX")
echo $$ > "$WS_STATE/main"
export WS_CGROUP=$cg2/with-systemd.${WS_STATE##*.}
holder='' pid1=''
# shellcheck disable=SC2317 # called by cleanup
gone() { # wait up to $1 s for the holder to end
  local i; for ((i = 0; i < $1 * 20; i++)); do kill -0 "$holder" 2>/dev/null || return 0; sleep 0.05; done; return 1
}
# shellcheck disable=SC2317 # called by the trap
cleanup() {
  trap '' INT TERM HUP; set +e
  if [ -n "$holder" ] && kill -0 "$holder" 2>/dev/null; then
    [ -z "$pid1" ] || inside systemctl --no-block poweroff >/dev/null 2>&1
    gone 25 || { echo "$me: no clean shutdown within 25 s: killing the machine" >&2
                 echo 1 > "$WS_CGROUP/cgroup.kill"; gone 5 || kill -KILL "$holder"; }
  fi
  [ -z "$holder" ] || wait "$holder" 2>/dev/null
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -d "$WS_CGROUP" ] || break
    find "$WS_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null; [ ! -d "$WS_CGROUP" ] || sleep 0.1
  done
  say "machine is off"
  rm -rf "$WS_STATE"
}
trap cleanup EXIT; trap 'exit 130' INT; trap 'exit 143' TERM HUP
mkdir "$WS_CGROUP" || die "cannot create $WS_CGROUP"
: > "$WS_STATE/reboots"
for b in "${binds[@]}"; do printf '%s\n' "$(readlink -f "${b%%:*}"):${b#*:}"; done > "$WS_STATE/binds"

inside() { nsenter -t "$pid1" -m -u -i -n -p -C -r -w -- "$@"; }
boot_wait() { # wait for PID 1 and for systemd to finish booting
  local i s=''
  pid1=''
  for ((i = 0; i < 600; i++)); do
    kill -0 "$holder" 2>/dev/null || { cat "$WS_STATE/log" >&2; die "the machine did not start"; }
    if [ -z "$pid1" ] && [ -s "$WS_STATE/pid" ]; then pid1=$(cat "$WS_STATE/pid"); fi
    # systemd is there once it listens on its private socket
    if [ -n "$pid1" ] && [ -S "/proc/$pid1/root/run/dbus/system_bus_socket" ] && [ -S "/proc/$pid1/root/run/systemd/private" ]; then
      s=$(inside timeout 60 systemctl is-system-running --wait 2>&1) || :
      case $s in
        running) say "booted"; return;;
        degraded) say "booted, degraded: $(inside systemctl --failed --plain --no-legend | awk '{print $1}' | tr '\n' ' ')"; return;;
      esac
    fi
    sleep 0.05
  done
  cat "$WS_STATE/log" >&2; die "systemd did not finish booting (last state: ${s:-none})"
}
run_in() {
  local rc=0 told end=$((SECONDS + limit))
  set -- "${@//\$/\$\$}"                        # systemd would expand ${X} and $X in the arguments
  inside rm -f /run/.with-systemd-status
  # shellcheck disable=SC2016 # the machine's sh expands it
  timeout --foreground "$limit" nsenter -t "$pid1" -m -u -i -n -p -C -r -w -- \
    systemd-run --quiet --pipe --wait --collect --unit=with-systemd-command --description="the command" --service-type=exec --property=KillMode=control-group \
    --setenv=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --setenv=HOME=/root --setenv=USER=root \
    --setenv=LANG=C.UTF-8 --setenv=DEBIAN_FRONTEND=noninteractive ${envs[@]+"${envs[@]}"} --working-directory=/root -- \
    /bin/sh -c '"$$@"; s=$$?; echo $$s > /run/.with-systemd-status; exit $$s' sh "$@" <&0 &
  wait $! || rc=$?                              # in the background, so that a TERM to this script acts at once
  # systemd-run ends with the bus. COMMAND, which holds our stdout itself, goes on without one: wait for it. A systemd that
  # re-executes itself says nothing.
  while [ "$rc" != 124 ] && kill -0 "$holder" 2>/dev/null; do
    case $(inside systemctl is-active with-systemd-command.service 2>/dev/null) in inactive|failed|unknown) break;; esac
    if [ "$SECONDS" -ge "$end" ]; then rc=124; else sleep 0.1; fi
  done
  # systemd-run calls some ends a success (TERM, a lost bus): the status that COMMAND left is the truth.
  told=$(inside cat /run/.with-systemd-status 2>/dev/null) || told=''
  if [ -n "$told" ]; then rc=$told; elif [ "$rc" = 0 ]; then rc=125; echo "$me: the machine or its bus went away under the command" >&2; fi
  say "exit status $rc"
  if [ "$rc" != 0 ] && [ -n "$WS_VERBOSE$journal" ]; then inside journalctl -b --no-pager -n 60 >&2 || :; fi
  return "$rc"
}

say "booting from $base"
setpriv --pdeathsig KILL unshare --mount --propagation private -- "$BASH" "$SELF" __hold < /dev/null > "$WS_STATE/log" 2>&1 &
holder=$!
boot_wait
rc=0; run_in "$@" || rc=$?
for a in ${after[@]+"${after[@]}"}; do
  [ "$rc" = 0 ] || break
  n=$(wc -l < "$WS_STATE/reboots")
  say "rebooting"
  inside systemctl --no-block reboot >/dev/null 2>&1 || :      # (may lose its connection: harmless)
  for ((i = 0; i < 600; i++)); do [ "$(wc -l < "$WS_STATE/reboots")" -gt "$n" ] && break; sleep 0.05; done
  [ "$(wc -l < "$WS_STATE/reboots")" -gt "$n" ] || die "the machine did not reboot within 30 s"
  boot_wait
  run_in sh -c "$a" || rc=$?
done
exit "$rc"
