#!/bin/bash
# deb.sh: builds the Debian packages, in a copy of this tree, into build/deb.
#
# usage: deb.sh             of what is built in build/release, the very files that the tests run
#        deb.sh sources     of the sources that git knows, as Debian's own builders do: minutes
#
# The date in them is that of the last commit: the same commit gives the same bytes. Symbols for
# debuggers, of a build of the sources, are made on demand: DEB_BUILD_OPTIONS= tools/deb.sh sources
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1:-built}
version=$(sed -n "s/^  version: '\(.*\)',$/\1/p" meson.build)
deb=$PWD/build/deb
tree=$deb/quorate-$version
date=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y meson.build)
export SOURCE_DATE_EPOCH=$date DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS-noautodbgsym}

# All that git knows of, as it is now; what was removed and not committed is named, too.
sources() {
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard |
            while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done
    else
        find . -path ./build -prune -o -type f -print0
    fi
}

rm -rf "$deb"
mkdir -p "$tree"
case $mode in
built)
    tools/build.sh release installed python_package >"$deb/build.log"
    # Paths are in the units and in what pkg-config reads; no object depends on them.
    if ! meson introspect build/release --buildoptions |
        grep -q '"name": "prefix"[^}]*"value": "/usr"'; then
        meson configure build/release --prefix=/usr
        tools/build.sh release installed python_package >>"$deb/build.log"
    fi
    export QUORATE_BUILT=$PWD/build/release
    ;;
sources)
    sources | tar -c --null -T - | tar -x -C "$tree"
    # The build has another home, and would not find a cache that there is.
    if command -v ccache >/dev/null; then
        export CCACHE_DIR=${CCACHE_DIR:-$(ccache --get-config cache_dir)}
    fi
    ;;
*)
    echo "usage: deb.sh [sources]" >&2
    exit 2
    ;;
esac
cp -r packaging/debian "$tree/debian"
cat >"$tree/debian/changelog" <<END
quorate ($version) unstable; urgency=medium

  * Release $version.

 -- $(sed -n 's/^Maintainer: //p' packaging/debian/control)  $(date -u -R -d "@$date")
END
cd "$tree"
dpkg-buildpackage --build=binary --unsigned-changes --unsigned-buildinfo --jobs="$(nproc)" \
    >>"$deb/build.log" 2>&1 || {
    tail -n 60 "$deb/build.log"
    echo "deb: failed; all of it is in $deb/build.log"
    exit 1
}
cd "$deb"
rm -rf "$tree"
ls -l -- *.deb
