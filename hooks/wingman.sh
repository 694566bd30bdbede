#!/bin/sh
# Runs wingman for this lifecycle event. appspec.yml names this file; the CodeDeploy agent calls it from /.
dir=${0%"${0##*/}"} # by hand what dirname does: each program called here would cost as much as the script itself
dir=$(CDPATH='' cd -- "${dir:-.}" && pwd -P)
while [ ! -f "$dir/appspec.yml" ] && [ -n "$dir" ]; do dir=${dir%/*}; done
settings=${WINGMAN_CONFIG:-/etc/wingman/host.yml}
off=${settings%"${settings##*/}"}disabled
bin=${WINGMAN_BIN:-$(command -v wingman || echo /usr/bin/wingman)}
if [ "${WINGMAN_DISABLED:-}" = 1 ]; then why="WINGMAN_DISABLED=1 is set" cure="unset WINGMAN_DISABLED"
elif [ -e "$off" ]; then why="$off is there" cure="rm $off"
elif [ ! -x "$bin" ]; then why="no wingman at $bin" cure="install the package codedeploy-wingman on this instance"
else exec "$bin" hook --revision "${dir:-/}"; fi
echo "WINGMAN DID NOT RUN in ${LIFECYCLE_EVENT:-no event}: $why; to change that: $cure" >&2
# One original instance that fails a traffic event fails the whole deployment; ApplicationStop's script is the old revision's.
case ${LIFECYCLE_EVENT:-} in *Traffic | ApplicationStop) exit 0 ;; *) exit 1 ;; esac
