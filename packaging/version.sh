#!/bin/sh
# Prints this tree's version, such that newer builds sort higher for dpkg and for rpm:
#   0.3.1                      at the tag v0.3.1
#   0.3.2~dev.5+g0123abc       5 commits after it; ~ sorts before the version that it leads to
#   0.1.0~dev.166+g0123abc     where there is no tag yet: commits in all
# With .dirty at the end where files differ from the commit.
set -eu
cd "$(dirname "$0")/.."
if ! why=$(git rev-parse --git-dir 2>&1); then
  echo "cannot tell the version: $why; say it: make package VERSION=0.1.0" >&2
  exit 1
fi
hash=$(git rev-parse --short=7 HEAD)
dirty=
[ -z "$(git status --porcelain --untracked-files=no)" ] || dirty=.dirty
if tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*.[0-9]*.[0-9]*' 2>/dev/null); then
  base=${tag#v} n=$(git rev-list --count "$tag..HEAD")
  if [ "$n" = 0 ] && [ -z "$dirty" ]; then
    echo "$base"
    exit
  fi
  next=${base%.*}.$((${base##*.} + 1))
else
  if [ "$(git rev-parse --is-shallow-repository)" = true ]; then
    echo "cannot tell the version: this checkout is shallow, and commits are counted; git fetch --unshallow, or make package VERSION=0.1.0" >&2
    exit 1
  fi
  next=0.1.0 n=$(git rev-list --count HEAD)
fi
echo "$next~dev.$n+g$hash$dirty"
