#!/bin/bash
# test.sh: builds one build folder, runs its tests, and counts them.
#
# usage: test.sh KIND [MESON_TEST_OPTION...]      as in: test.sh asan --suite unit
#
# With options only what the chosen tests need is built. The last line is `N passed,
# N failed`; the exit code is 0 when nothing failed.
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
cd "$(dirname "$0")/.."

kind=${1:?usage: test.sh KIND}
shift
dir=build/$kind
rm -f "$dir"/meson-logs/testlog.json

# GCC 12's ThreadSanitizer cannot start under the address layouts of newer kernels.
run=()
if [ "$kind" = tsan ] && setarch "$(uname -m)" -R true 2>/dev/null; then
    run=(setarch "$(uname -m)" -R)
fi
# Shadow of big blocks is cleared by writing it: mapping it anew, as is done by default, has each
# other core flush what it knows of addresses, and then faults page by page.
# What was freed is kept until 64 MB more were: with the 256 of the default, pages that nobody has
# touched yet are a fifth of the work.
asan_options=abort_on_error=1:detect_stack_use_after_return=1:quarantine_size_mb=64
asan_options+=:clear_shadow_mmap_threshold=16777216
export ASAN_OPTIONS=${ASAN_OPTIONS:-$asan_options}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-abort_on_error=1:halt_on_error=1:print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:abort_on_error=1:suppressions=$PWD/tools/tsan.supp}

# Sanitizers cost several times as much; the plain build runs the whole samples.
if [ "$kind" = asan ]; then
    export SWEEP=${SWEEP:-few}
fi

# Two for each core: half of the tests wait, for processes, timers or the disk. Of those that are
# run under sanitizers the first, which take longest, do little but wait.
processes=$((2 * $(nproc)))
if [ "$kind" != release ]; then
    processes=$((3 * $(nproc)))
fi

status=0
build=(tools/build.sh "$kind")
rebuild=(--no-rebuild)
if [ $# != 0 ]; then
    build+=(quorate)
    rebuild=()
fi
"${build[@]}" || status=$?
if [ $status = 0 ]; then
    "${run[@]}" meson test -C "$dir" "${rebuild[@]}" --num-processes $processes \
        --print-errorlogs "$@" || status=$?
fi
python3 tools/test_summary.py "$dir" $status
