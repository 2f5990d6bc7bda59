#!/bin/bash
# unpack.sh: unpacks a kept release and names its C files, one a line.
#
# usage: unpack.sh TARBALL FOLDER
#
# What is there from the same tarball already stays as it is, so that nothing is compiled anew.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

tarball=$1
folder=$2
if ! cmp -s "$tarball" "$folder/kept.tar.xz"; then
    command -v xz >/dev/null || {
        echo "unpack.sh: xz is not here (xz-utils)" >&2
        exit 1
    }
    rm -rf "$folder"
    mkdir -p "$folder"
    tar --touch -C "$folder" -xJf "$tarball"
    cp "$tarball" "$folder/kept.tar.xz"
fi
find "$folder" -name '*.c' | sort
