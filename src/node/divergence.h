/* divergence.h: a replica whose state differs, as others see it: docs/divergence.md.
 *
 * Owns     nothing but shapes.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DIVERGENCE_H
#define NODE_DIVERGENCE_H

#include "base/types.h"

/* What a node does when its state is found to differ from that of a majority. */
enum node_on_divergence {
    NODE_DIVERGENCE_ISOLATE, /* it answers no read, leads no more, and waits for people */
    NODE_DIVERGENCE_REBUILD, /* likewise, and takes a snapshot from the leader */
    NODE_DIVERGENCE_STOP,    /* it fails */
};

/* A state that differs. */
struct node_difference {
    raft_index index;   /* behind this entry; 0: none is known */
    uint64_t differing; /* its digest there, */
    uint64_t agreed;    /* and that of a majority of the voters */
};

#endif
