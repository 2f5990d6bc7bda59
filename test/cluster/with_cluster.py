#!/usr/bin/env python3
# with_cluster.py: runs a test program against a cluster that lives as long as it does.
#
# usage: with_cluster.py QUORATE TEST_PROGRAM
#
# The program gets the client port of a follower as its argument, and prints its own TAP.
# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import tap
from cluster import Cluster

LIMIT_S = 100


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: with_cluster.py QUORATE TEST_PROGRAM")
    tap.end_on_signals()
    with Cluster() as cluster:
        port = cluster.nodes[cluster.follower()].client_port
        done = subprocess.run([sys.argv[2], str(port)], timeout=LIMIT_S, check=False)
        if done.returncode != 0:
            cluster.tell_logs()
    sys.exit(done.returncode)


main()
