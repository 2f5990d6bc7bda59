#!/bin/bash
# fuzz.sh: fuzzes every decoder for a while, each from its corpus on.
#
# usage: fuzz.sh SECONDS [NAME...]         fuzz all, or those named; 0: only run the corpus
#        fuzz.sh merge FOLDER [NAME...]    take what a run kept in FOLDER into the corpus
#
# NAME is a file test/fuzz/NAME.c, with test/fuzz/corpus/NAME and perhaps test/fuzz/dictionary/NAME.
# As many run at a time as there are cores. What they find is kept in FUZZ_FOLDER, or in a new
# folder of /tmp, whose name is printed; the working copy does not change. To merge is to make the
# seeds anew (test/fuzz/seeds.c), to keep them and all else that has a name, because it once showed
# something, and to choose the fewest other inputs that reach what is reached beyond.
#
# What is tried is drawn from FUZZ_SEED, or from a new seed, which is printed: the same seed, program
# and corpus try the same inputs in the same order, as many of them as the time is good for.
#
# The last line is `N passed, N failed`, one for each fuzzer.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1:?usage: fuzz.sh SECONDS [NAME...] | merge FOLDER [NAME...]}
shift
if [ "$mode" = merge ]; then
    folder=$(realpath "${1:?usage: fuzz.sh merge FOLDER [NAME...]}")
    shift
else
    folder=${FUZZ_FOLDER:-$(mktemp -d "${TMPDIR:-/tmp}/quorate-fuzz.XXXXXX")}
    mkdir -p "$folder"
fi
names=("$@")
if [ $# = 0 ]; then
    mapfile -t names < <(cd test/fuzz/corpus && ls)
fi
bin=build/asan/test/fuzz
corpus=test/fuzz/corpus
checksum='.*/[0-9a-f]*' # libFuzzer's name for an input that it made
seed=${FUZZ_SEED:-$((1 + RANDOM * 32768 + RANDOM))}
# What was freed is kept long enough for one input; more of it costs half of the speed.
export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=4:thread_local_quarantine_size_kb=256}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

# Fuzz one. Leaves NAME/status in the folder; prints a line, and what is known of a failure.
fuzz() {
    local name=$1 status=0 log=$folder/$1/log
    local limit=(-max_total_time="$mode")
    mkdir -p "$folder/$name/corpus"
    if [ "$mode" = 0 ]; then
        limit=(-runs=0)
    fi
    if [ -f "test/fuzz/dictionary/$name" ]; then
        limit+=(-dict="test/fuzz/dictionary/$name")
    fi
    "$bin/$name" "${limit[@]}" -seed="$seed" -timeout=30 -artifact_prefix="$folder/$name/" \
        -print_final_stats=1 "$folder/$name/corpus" "$corpus/$name" >"$log" 2>&1 || status=$?
    echo $status >"$folder/$name/status"
    if [ $status = 0 ]; then
        printf '%-14s %9s runs, %5s covered, %4s new inputs\n' "$name" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
            "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)" \
            "$(find "$folder/$name/corpus" -type f | wc -l)"
        return
    fi
    grep -aE 'assertion failed|runtime error|^==[0-9]+==|SUMMARY|^    #[0-9] ' "$log" | head -n 30
    for input in "$folder/$name"/*-*; do
        echo "$name failed; to see it again: $bin/$name $input"
    done
}

# Keep what has a name of its own; choose anew what that does not reach.
merge() {
    local name=$1 chosen
    chosen=$(mktemp -d)
    mkdir -p "$folder/$name/corpus"
    find "$corpus/$name" -type f -not -regex "$checksum" -exec cp {} "$chosen" \;
    "$bin/$name" -set_cover_merge=1 -use_counters=0 "$chosen" "$corpus/$name" \
        "$folder/$name/corpus" >"$folder/$name/merge.log" 2>&1
    find "$corpus/$name" -type f -regex "$checksum" -delete
    cp "$chosen"/* "$corpus/$name/"
    rm -rf "$chosen"
    echo "$name: $(find "$corpus/$name" -type f | wc -l) inputs," \
        "$(find "$corpus/$name" -type f -exec cat {} + | wc -c) bytes"
}

targets=("${names[@]/#/test/fuzz/}")
if [ "$mode" = merge ]; then
    tools/build.sh asan "${targets[@]}" test/fuzz/fuzz_seeds >/dev/null
    "$bin/fuzz_seeds" "$corpus"
    for name in "${names[@]}"; do
        merge "$name"
    done
    exit 0
fi
echo "fuzz: FUZZ_SEED=$seed, kept in $folder"
rm -f "$folder"/*/status
if tools/build.sh asan "${targets[@]}" >"$folder/build.log" 2>&1; then
    export mode folder bin corpus seed
    export -f fuzz
    printf '%s\n' "${names[@]}" | xargs -P "$(nproc)" -I NAME bash -c 'fuzz NAME'
else
    tail -n 30 "$folder/build.log"
fi
passed=$(cat "$folder"/*/status 2>/dev/null | grep -cx 0 || true)
echo "$passed passed, $((${#names[@]} - passed)) failed"
[ "$passed" = ${#names[@]} ]
