#!/bin/bash
# deps.sh: makes sure that the packages of tools/deps.txt are there.
#
# usage: deps.sh check GROUP...     exit 0 when nothing is missing, else 1
#        deps.sh install GROUP...   install what is missing, with apt-get
#
# On a system without dpkg it only looks, by pkg-config and by name, and never installs.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")"

packages() {
    local group
    for group in "$@"; do
        awk -v group="$group" '$1 == group { print $2 }' deps.txt
    done
}

# The packages among $@ that dpkg does not have installed.
missing_packages() {
    local installed
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        awk '$1 == "installed" { print $2 }' || true)
    comm -23 <(printf '%s\n' "$@" | sort -u) <(printf '%s\n' "$installed" | sort -u)
}

has_header() {
    printf '#include <%s>\n' "$1" | cc -E -x c - >/dev/null 2>&1
}

# Where there is no dpkg: what of the tools and libraries cannot be found.
missing_elsewhere() {
    local group name
    for group in "$@"; do
        case $group in
        build)
            for name in cc make meson ninja pkg-config python3; do
                command -v "$name" >/dev/null || echo "$name"
            done
            for name in libuv jansson libcyaml yaml-0.1 hiredis libxxhash libzstd openssl; do
                pkg-config --exists "$name" 2>/dev/null || echo "$name"
            done
            has_header http_parser.h || echo http_parser
            ;;
        test)
            pkg-config --exists cmocka 2>/dev/null || echo cmocka
            for name in redis-cli; do
                command -v "$name" >/dev/null || echo "$name"
            done
            ;;
        ci)
            for name in clang clang-format; do
                command -v "$name-14" >/dev/null || command -v "$name" >/dev/null || echo "$name"
            done
            ;;
        docs)
            for name in sphinx-build mandoc; do
                command -v "$name" >/dev/null || echo "$name"
            done
            ;;
        browser)
            for name in chromedriver; do
                command -v "$name" >/dev/null || echo "$name"
            done
            ;;
        esac
    done
}

missing() {
    if command -v dpkg-query >/dev/null; then
        mapfile -t wanted < <(packages "$@")
        missing_packages "${wanted[@]}"
    else
        missing_elsewhere "$@"
    fi
}

# The lists are fetched only when apt does not know a package, or when what it knows is stale.
install() {
    local root=()
    if [ "$(id -u)" != 0 ]; then
        root=(sudo -n)
    fi
    local line="apt-get install -y --no-install-recommends $*"
    if ! command -v apt-get >/dev/null; then
        echo "missing, and there is no apt-get to install them: $*" >&2
        return 1
    fi
    if ! "${root[@]}" true 2>/dev/null; then
        echo "packages are missing; as root run: $line" >&2
        return 1
    fi
    root+=(env DEBIAN_FRONTEND=noninteractive)
    echo "installing: $*"
    if ! apt-cache show --no-all-versions "$@" >/dev/null 2>&1; then
        "${root[@]}" apt-get update -q
    elif "${root[@]}" $line; then
        return 0
    else
        "${root[@]}" apt-get update -q
    fi
    "${root[@]}" $line
}

if [ $# -lt 2 ]; then
    echo "usage: deps.sh check|install GROUP..." >&2
    exit 2
fi
action=$1
shift
mapfile -t absent < <(missing "$@")
if [ ${#absent[@]} = 0 ]; then
    exit 0
fi
case $action in
check)
    printf 'missing: %s\n' "${absent[*]}"
    exit 1
    ;;
install) install "${absent[@]}" ;;
*)
    echo "usage: deps.sh check|install GROUP..." >&2
    exit 2
    ;;
esac
