#!/bin/sh
# Called by SSM's Distributor (AWS-ConfigureAWSPackage) as root, in the folder that the zip was unpacked into. Installs the
# package beside it, over any other version, asking nobody. Needs no network: wingman depends on nothing.
set -eu
deb=$(ls ./*.deb 2>/dev/null || :)
rpm=$(ls ./*.rpm 2>/dev/null || :)
if [ -n "$deb" ]; then
  export DEBIAN_FRONTEND=noninteractive
  # apt-get and not dpkg, since it can wait for another that is at work (on a fresh instance there is one).
  apt-get install -y -qq --allow-downgrades -o DPkg::Lock::Timeout=300 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$deb"
elif [ -n "$rpm" ]; then
  # rpm and not yum or dnf, which would ask repositories that a private subnet may not reach.
  rpm -U --oldpackage --replacepkgs "$rpm"
else
  echo "there is no .deb and no .rpm in $(pwd)" >&2
  exit 1
fi
wingman version
