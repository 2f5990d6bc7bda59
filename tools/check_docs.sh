#!/bin/bash
# check_docs.sh: every relative link of the documents leads somewhere, and every `make X` that
# they name exists.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

mapfile -t documents < <(find . -path ./build -prune -o -name '*.md' -print | sort)
bad=0
links=0
commands=0

# The text without fenced blocks and inline code, for links.
prose() {
    awk '/^ *```/ { fenced = !fenced; next } !fenced { gsub(/`[^`]*`/, ""); print }' "$1"
}

# Inline code and the lines of fenced and indented blocks, for commands.
code() {
    awk '/^ *```/ { fenced = !fenced; next } fenced { print; next }
        /^    / { sub(/^ +/, ""); print; next }
        { while (match($0, /`[^`]+`/)) {
            print substr($0, RSTART + 1, RLENGTH - 2); $0 = substr($0, RSTART + RLENGTH) } }' "$1"
}

for document in "${documents[@]}"; do
    folder=$(dirname "$document")
    while read -r target; do
        [ -n "$target" ] || continue
        links=$((links + 1))
        path=${target%%#*}
        if [ -n "$path" ] && [ ! -e "$folder/$path" ]; then
            echo "$document: no such file: $target"
            bad=1
        fi
    done < <(prose "$document" | grep -oE '\]\([^) ]+' | cut -c 3- |
        grep -Ev '^[a-z]+:' || true)
    while read -r target; do
        [ -n "$target" ] || continue
        commands=$((commands + 1))
        if ! grep -qE "^$target:" Makefile; then
            echo "$document: no such target: make $target"
            bad=1
        fi
    done < <(code "$document" | grep -oE '(^|[;&|$] *)make +[a-z][a-z-]*' |
        sed -E 's/.*make +//' || true)
done
echo "docs: ${#documents[@]} documents, $links links, $commands commands"
exit $bad
