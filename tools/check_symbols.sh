#!/bin/bash
# check_symbols.sh: proves by the linker that the pure folders are pure, that the simulator
# touches nothing outside, and that the library keeps nothing of its own beside what it was given.
#
# Compiles them with gcc and clang, links them into one object, and fails when it needs anything
# but memcpy, memmove, memset, memcmp and the assertion hook, or when an object holds data that
# can change. The simulator, with them, may also have memory, strings and printing into them: no
# clock, file, thread or chance. Without optimization, which is fast and leaves no call out that the
# source makes. Freestanding, because a hosted compiler invents calls of its own: it makes a loop
# over a string a call of strlen. With libgcc, because a question for the processor's abilities
# is answered by a table in it (src/base/crc32c.c), without a call.
#
# The rest of the library touches the system; but it, too, has no data that can change, or several
# engines in one process were not apart, and sets no handler of a signal: these are the program's.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

allowed_pure='^(memcpy|memmove|memset|memcmp|assert_fail)$'
allowed_sim='^(memcpy|memmove|memset|memcmp|assert_fail|memchr|strlen|strcmp|strncmp|strspn|strcspn'
allowed_sim+='|malloc|calloc|realloc|free|snprintf|vsnprintf'
allowed_sim+='|(build|layout)_[0-9_]+)$' # releases that were kept: sim/past/seal.sh judges them
sources=()
for folder in base raft swim wire wal node; do
    for file in src/"$folder"/*.c; do
        [ -e "$file" ] && sources+=("$file")
    done
done
sim_sources=()
for file in sim/*.c; do
    # The key-value store as a subject is not part of libquorate-sim.
    [ -e "$file" ] && [ "$file" != sim/kv_subject.c ] && sim_sources+=("$file")
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-std=c11 -O0 -ffreestanding -I. -Isrc -Iinclude -fno-stack-protector -U_FORTIFY_SOURCE
    -fno-pic -fno-pie -w)

objects=()

# check WHAT ALLOWED COMPILER SOURCE...: link them with the objects there are, and judge the whole.
check() {
    local what=$1 allowed=$2 compiler=$3 file object bad=0 needed
    shift 3
    # Each object lies where its source does.
    for file in "$@"; do
        mkdir -p "$work/${file%/*}"
        objects+=("$work/$file.o")
    done
    printf '%s\n' "$@" | xargs -P "$(nproc)" -I FILE \
        "$compiler" "${flags[@]}" -c FILE -o "$work/FILE.o" || return 1
    # b, d and C: zeroed, initialized and common data.
    (cd "$work" && nm -A "${objects[@]#"$work/"}") | awk '$(NF - 1) ~ /^[bBdDC]$/ {
        sub(/\.o:.*/, "", $1)
        print $1 ": mutable global: " $NF; bad = 1 } END { exit bad }' || bad=1
    gcc -r -nostdlib -no-pie -o "$work/whole.o" "${objects[@]}" -lgcc || return 1
    needed=$(nm -u "$work/whole.o" | awk '{ print $2 }' | sort -u)
    for name in $needed; do
        if ! [[ $name =~ $allowed ]]; then
            echo "not $what: $name, needed by" $(cd "$work" && nm -A -u "${objects[@]#"$work/"}" |
                awk -v name="$name" '$NF == name { sub(/\.o:.*/, "", $1); print $1 }')
            bad=1
        fi
    done
    echo "symbols ($what, $compiler, $# files):" $needed
    return $bad
}

# embedded SOURCE...: what touches the system, within somebody else's process.
embedded() {
    local file bad=0
    local -a system
    read -ra system <<<"$(pkg-config --cflags libuv libzstd openssl)"
    for file in "$@"; do
        mkdir -p "$work/embedded/${file%/*}"
    done
    printf '%s\n' "$@" | xargs -P "$(nproc)" -I FILE \
        gcc -std=c11 -O0 -I. -Isrc -Iinclude -fno-pic -fno-pie -w -D_GNU_SOURCE \
        '-DQUORATE_VERSION="0"' "${system[@]}" -c FILE -o "$work/embedded/FILE.o" || return 1
    for file in "$@"; do
        nm "$work/embedded/$file.o" | awk -v file="$file" '$(NF - 1) ~ /^[bBdDC]$/ {
            print file ": mutable global: " $NF; bad = 1 }
            $(NF - 1) == "U" && $NF ~ /^(signal|bsd_signal|sysv_signal|sigaction|atexit)$/ {
            print file ": not for a library: " $NF; bad = 1 } END { exit bad }' || bad=1
    done
    echo "symbols (embedded, gcc, $# files): no data that changes, no handler of signals"
    return $bad
}

status=0
mapfile -t embedded_sources < <(find src/runtime src/engine -name '*.c' 2>/dev/null | sort)
if [ ${#embedded_sources[@]} -gt 0 ]; then
    embedded "${embedded_sources[@]}" || status=1
fi
for compiler in gcc "$(command -v clang-14 || command -v clang || true)"; do
    if [ -z "$compiler" ]; then
        echo "symbols: clang is not here (make deps-ci)"
        status=1
        continue
    fi
    objects=()
    check pure "$allowed_pure" "$compiler" "${sources[@]}" || status=1
    # What the simulator may need holds the calls that a compiler invents: one of them will do.
    if [ "$compiler" = gcc ] && [ ${#sim_sources[@]} -gt 0 ]; then
        check simulated "$allowed_sim" "$compiler" "${sim_sources[@]}" || status=1
    fi
done
exit $status
