#!/bin/bash
# mutants.sh: proves that the tests test: lets each seeded bug loose, and shows what catches it.
#
# usage: mutants.sh [--tests] [--seeds N] [NAME...]      all of them unless some are named
#
# By the simulator, for those of SWIM by quorate_swim, seed after seed, until one fails; those of
# stale reads by a unit test; or, with --tests, all by the unit and scenario tests. A run without
# any bug must pass. The last line is `N passed, N failed`, where
# a mutant that was caught has passed; the exit code is 0 when all were.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

tools/build.sh mutants
exec python3 tools/mutants.py "$@"
