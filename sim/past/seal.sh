#!/bin/bash
# seal.sh: links a kept release into one object that shares no name with today's code.
#
# usage: seal.sh LIBRARY NAME OUTPUT LD OBJCOPY NM
#
# Out come build_NAME and layout_NAME; in go the functions that pure code may need, and no other.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

library=$1 name=$2 output=$3 ld=$4 objcopy=$5 nm=$6
# strlen and bcmp are what compilers make of loops and of memcmp; __cpu_* is libgcc's answer to
# which instructions the processor has.
allowed='^(memcpy|memmove|memset|memcmp|strlen|bcmp|assert_fail)$'
allowed+='|^(__cpu_model|__cpu_indicator_init|_GLOBAL_OFFSET_TABLE_)$'

"$ld" -r --whole-archive "$library" -o "$output.open"
"$objcopy" --keep-global-symbol="build_$name" --keep-global-symbol="layout_$name" \
    "$output.open" "$output"
rm "$output.open"
# Nothing left over is what is wanted, and makes grep fail.
foreign=$("$nm" -u "$output" | awk '{ print $2 }' | grep -Ev "$allowed" || true)
if [ -n "$foreign" ]; then
    echo "seal.sh: $name needs what a release may not take from today's code:" $foreign >&2
    rm "$output"
    exit 1
fi
