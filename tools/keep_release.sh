#!/bin/bash
# keep_release.sh: keeps the node's code of a release, for the simulator to run beside today's.
#
# usage: keep_release.sh COMMIT VERSION
#
# Writes sim/past/VERSION.tar.xz: the pure folders, the public headers and the code behind
# sim/build.h as they were at COMMIT. The same commit gives the same bytes. sim/build.h itself is
# not kept: all versions are compiled against today's.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"

commit=${1:?usage: keep_release.sh COMMIT VERSION}
version=${2:?usage: keep_release.sh COMMIT VERSION}
fail() {
    echo "keep_release.sh: $1" >&2
    exit 1
}

git rev-parse --quiet --verify "$commit^{commit}" >/dev/null || fail "there is no commit $commit"
git show "$commit:meson.build" | grep -q "^  version: '$version',$" ||
    fail "meson.build of $commit does not say version: '$version'"
kept=$(git ls-tree -r --name-only "$commit" |
    grep -E '^(src/(base|raft|swim|wire|wal|node)|include/quorate)/[a-z0-9_]+\.[ch]$|^sim/build(_[a-z0-9_]+)?\.[ch]$' |
    grep -v '^sim/build\.h$')

mkdir -p sim/past
# Sorted, owned by nobody in particular, and of the commit's date: what git archive does anyway.
# shellcheck disable=SC2086 # names of files, without blanks
git -c tar.umask=0022 archive --format=tar "$commit" -- $kept |
    xz -9 --extreme --threads=1 >"sim/past/$version.tar.xz.part"
mv "sim/past/$version.tar.xz.part" "sim/past/$version.tar.xz"
echo "sim/past/$version.tar.xz: $(wc -w <<<"$kept") files, $(wc -c <"sim/past/$version.tar.xz") bytes"
echo "Name it in sim/past/meson.build and sim/builds.c."
