#!/bin/bash
# sim_builds.sh: shows that a seed of the simulator gives the same run in every build.
#
# usage: sim_builds.sh SEEDS PROGRAM...
# as in: sim_builds.sh 20 build/release/quorate build/asan/quorate
#
# Runs seeds 1 to SEEDS with each program and compares the trace hashes with those of the first, as
# many runs at a time as there are cores. The last line is `N passed, N failed`, one for each seed
# and further program. It builds nothing, so that it may run while others build.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=${1:?usage: sim_builds.sh SEEDS PROGRAM...}
shift

# Prints `SEED HASH` for each seed, in any order.
hashes() {
    seq "$seeds" | xargs -P "$(nproc)" -I SEED sh -c \
        'echo "SEED $("$1" sim --seed SEED 2>&1 | tail -n 1)"' - "$1"
}

first=$1
shift
expected=$(hashes "$first")
passed=0
failed=0
for program in "$@"; do
    found=$(hashes "$program")
    while read -r line; do
        if grep -qxF "$line" <<<"$expected" && [[ $line == *"trace hash "* ]]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "$program: seed $line; $first: $(grep "^${line%% *} " <<<"$expected")"
        fi
    done <<<"$found"
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
