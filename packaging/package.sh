#!/usr/bin/env bash
# Builds the packages into dist/: .deb and .rpm, the zips and the manifest for SSM's Distributor, SHA256SUMS.
# The same commit gives the same bytes, wherever and whenever it is built (make reproducible).
#
#   VERSION   default: packaging/version.sh       ARCHES  default: "amd64 arm64"       DIST  default: dist
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C TZ=UTC CGO_ENABLED=0 GOOS=linux
VERSION=${VERSION:-$(packaging/version.sh)}
DIST=${DIST:-dist} ARCHES=${ARCHES:-amd64 arm64}
if [[ ! $VERSION =~ ^[0-9][0-9A-Za-z.+~]*$ ]]; then
  echo "VERSION=$VERSION is no version for both dpkg and rpm: digits first, then letters, digits, and . + ~" >&2
  exit 2
fi
# The last commit's time stands for now, in all that has a time.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export VERSION SOURCE_DATE_EPOCH

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$DIST" "$stage/doc"
rm -f "$DIST"/codedeploy-wingman[_-]* "$DIST"/manifest.json "$DIST"/SHA256SUMS

env -u GOOS go run ./packaging/docgen "$stage/doc"
gzip -9n <CHANGELOG.md >"$stage/doc/changelog.gz"
gzip -9n >"$stage/doc/changelog.Debian.gz" <<END
codedeploy-wingman ($VERSION-1) unstable; urgency=medium

  * $VERSION
  * What changed: changelog.gz beside this file.

 -- Wingman maintainers <codedeploy-wingman@users.noreply.github.com>  $(date -u -d "@$SOURCE_DATE_EPOCH" -R)
END
env -u GOOS go -C packaging/tools build -o "$stage/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm

for ARCH in $ARCHES; do
  export ARCH STAGE=$stage/$ARCH
  mkdir -p "$STAGE"
  ln -s ../doc "$STAGE/doc"
  GOARCH=$ARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -buildid= -X github.com/codedeploy-wingman/wingman/agent/cli.linked=$VERSION" -o "$STAGE/wingman" ./cmd/wingman
  case $ARCH in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; *) echo "no packages for $ARCH" >&2; exit 2 ;; esac
  "$stage/nfpm" package -f packaging/nfpm.yaml -p deb -t "$DIST/codedeploy-wingman_${VERSION}_$ARCH.deb" >"$stage/said" || { cat "$stage/said" >&2; exit 1; }
  "$stage/nfpm" package -f packaging/nfpm.yaml -p rpm -t "$DIST/codedeploy-wingman-$VERSION-1.$machine.rpm" >"$stage/said" || { cat "$stage/said" >&2; exit 1; }
done
env -u GOOS go run ./packaging/ssm "$VERSION" "$DIST"
(cd "$DIST" && sha256sum codedeploy-wingman* manifest.json >SHA256SUMS)
(cd "$DIST" && ls -l codedeploy-wingman* manifest.json SHA256SUMS)
