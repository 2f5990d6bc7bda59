#!/bin/bash
# archive.sh: makes a static library that lets out nothing but its public names.
#
# usage: archive.sh OUTPUT PATTERN LD OBJCOPY AR WHOLE [PART...]
#
# All of the archive WHOLE, and what it needs of the archives PART, becomes one object, in which
# every name but those that PATTERN matches is local: no name of ours can meet one of the program's.
# What somebody links statically has all of the library in it; most of it needs the rest anyway.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

output=$1 pattern=$2 ld=$3 objcopy=$4 ar=$5 whole=$6
shift 6
object=$output.o
rm -f "$output" "$object"
"$ld" -r -o "$object" --whole-archive "$whole" --no-whole-archive "$@"
"$objcopy" --wildcard --keep-global-symbol="$pattern" "$object"
"$ar" rcsD "$output" "$object"
rm -f "$object"
