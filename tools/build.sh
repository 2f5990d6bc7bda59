#!/bin/bash
# build.sh: configures (once) and builds one of the build folders.
#
# usage: build.sh KIND [NINJA_TARGET...]
#
# KIND is release, debug, asan, tsan, clang or mutants, and names the folder under build/. A folder
# that was configured otherwise is made anew.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:?usage: build.sh KIND}
shift
case $kind in
# Not -Db_lto: libquorate.a must be of use to other compilers, and each test would be optimized
# whole at its link.
release) options=(--buildtype=release) ;;
debug) options=(--buildtype=debug -Dchecks=true) ;;
# By clang, whose warnings under sanitizers can be trusted, and with libFuzzer, so that the unit
# tests and the fuzzers need one build of the library.
asan)
    options=(--buildtype=debug -Doptimization=1 -Dchecks=true -Dfuzz=true)
    options+=(-Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-gline-tables-only)
    CC=$(command -v clang-14 || command -v clang)
    export CC
    ;;
# GCC warns of what is not there when it sees the code that a sanitizer added: warnings are errors
# in the other builds.
tsan) options=(--buildtype=debug -Doptimization=1 -Dwerror=false -Db_sanitize=thread -Dc_args=-g1) ;;
clang)
    options=(--buildtype=release)
    CC=$(command -v clang-14 || command -v clang)
    export CC
    ;;
# Seeded bugs, one of which can be let loose: src/base/mutant.h.
mutants) options=(--buildtype=release -Dmutants=true) ;;
*)
    echo "build.sh: unknown kind '$kind'" >&2
    exit 2
    ;;
esac
tests=false
if pkg-config --exists cmocka; then
    tests=true
fi

# Two hundred programs are linked: where there is a quick linker, it is used.
if command -v mold >/dev/null; then
    export CC_LD=mold
fi

dir=build/$kind
wanted="${CC:-cc} ${CC_LD:-ld} ${options[*]}"
if [ "$(cat "$dir.options" 2>/dev/null)" != "$wanted" ] || [ ! -f "$dir/build.ninja" ]; then
    rm -rf "$dir" "$dir.options"
    mkdir -p build
    meson setup "$dir" "${options[@]}" --prefix=/usr -Dtests=$tests >"$dir.log" 2>&1 || {
        cat "$dir.log"
        exit 1
    }
    echo "$wanted" >"$dir.options"
elif [ $tests = true ] && [ ! -d "$dir/test" ]; then
    meson configure "$dir" -Dtests=true
fi
ninja -C "$dir" "$@"
