#!/bin/sh
# cloud-init user data: puts wingman on an instance at its first boot. It may run again: the same package twice changes
# nothing. Set the two values; PACKAGE is a URL (https:// or s3://, with the instance's role) or a file that is there.
set -eu
PACKAGE=${PACKAGE:-s3://BUCKET/codedeploy-wingman_VERSION_amd64.deb}
SHA256=${SHA256:-}    # of that file, from SHA256SUMS; without it only the transport says that it is the right one

file=$PACKAGE
case $PACKAGE in
https://* | s3://*)
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' EXIT
  file=$dir/${PACKAGE##*/}
  case $PACKAGE in
  https://*) curl -fsSL --retry 5 --max-time 300 -o "$file" "$PACKAGE" ;;
  s3://*) aws s3 cp --only-show-errors "$PACKAGE" "$file" ;;
  esac
  ;;
esac
[ -z "$SHA256" ] || echo "$SHA256  $file" | sha256sum -c - >/dev/null || { echo "wingman: $PACKAGE is not the file that SHA256 names" >&2; exit 1; }
case $file in
*.deb) DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o DPkg::Lock::Timeout=300 \
  -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$(readlink -f "$file")" ;;
*.rpm) rpm -U --replacepkgs "$file" ;; # not yum or dnf, which ask repositories; wingman needs nothing of theirs
*) echo "wingman: $PACKAGE is neither a .deb nor a .rpm" >&2; exit 1 ;;
esac
wingman service status
