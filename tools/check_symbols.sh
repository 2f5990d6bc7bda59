#!/bin/bash
# check_symbols.sh: proves by the linker that the pure folders are pure.
#
# Compiles them with gcc and clang, links them into one object, and fails when it needs anything
# but memcpy, memmove, memset, memcmp and the assertion hook, or when an object holds data that
# can change. Freestanding, because a hosted compiler invents calls of its own: it makes a loop
# over a string a call of strlen. With libgcc, because a question for the processor's abilities
# is answered by a table in it (src/base/crc32c.c), without a call.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

allowed='^(memcpy|memmove|memset|memcmp|assert_fail)$'
sources=()
for folder in base raft swim wire wal node; do
    for file in src/"$folder"/*.c; do
        [ -e "$file" ] && sources+=("$file")
    done
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-std=c11 -O2 -ffreestanding -Isrc -Iinclude -fno-stack-protector -U_FORTIFY_SOURCE
    -fno-pic -fno-pie -w)

check_with() {
    local compiler=$1 file object bad=0 needed
    local objects=()
    for file in "${sources[@]}"; do
        object=$work/$(tr / _ <<<"${file%.c}").o
        "$compiler" "${flags[@]}" -c "$file" -o "$object" || return 1
        objects+=("$object")
        # b, d and C: zeroed, initialized and common data.
        nm "$object" | awk -v file="$file" '$2 ~ /^[bBdDC]$/ {
            print file ": mutable global: " $3; bad = 1 } END { exit bad }' || bad=1
    done
    gcc -r -nostdlib -no-pie -o "$work/pure.o" "${objects[@]}" -lgcc || return 1
    needed=$(nm -u "$work/pure.o" | awk '{ print $2 }' | sort -u)
    for name in $needed; do
        if ! [[ $name =~ $allowed ]]; then
            echo "not pure: $name, needed by" $(nm -A -u "${objects[@]}" |
                awk -v name="$name" '$NF == name { sub(/:.*/, "", $1); sub(/.*\//, "", $1); print $1 }')
            bad=1
        fi
    done
    echo "symbols ($compiler, ${#sources[@]} files):" $needed
    return $bad
}

status=0
for compiler in gcc "$(command -v clang-14 || command -v clang || true)"; do
    if [ -z "$compiler" ]; then
        echo "symbols: clang is not here (make deps-ci)"
        status=1
        continue
    fi
    check_with "$compiler" || status=1
done
exit $status
