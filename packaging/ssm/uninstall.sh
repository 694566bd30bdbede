#!/bin/sh
# Called by SSM's Distributor as root. Configuration, state and logs stay, as Distributor's "uninstall and reinstall" needs.
set -eu
if command -v dpkg >/dev/null && dpkg -s codedeploy-wingman >/dev/null 2>&1; then
  DEBIAN_FRONTEND=noninteractive apt-get remove -y -qq -o DPkg::Lock::Timeout=300 codedeploy-wingman
elif command -v rpm >/dev/null && rpm -q codedeploy-wingman >/dev/null 2>&1; then
  rpm -e codedeploy-wingman
  for f in host.yml environment; do # else the next install would begin with the defaults
    [ ! -e "/etc/wingman/$f.rpmsave" ] || mv "/etc/wingman/$f.rpmsave" "/etc/wingman/$f"
  done
fi
