/* transport_pair.h: two transports, each on a loop of its own, and what they were told.
 *
 * Owns     both, and the entries that the second one keeps.
 * Threads  the test's.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_TRANSPORT_PAIR_H
#define SUPPORT_TRANSPORT_PAIR_H

#include "runtime/clock.h"
#include "runtime/keyring.h"
#include "runtime/transport.h"

#define TRANSPORT_PAIR_FRAME_BYTES_MAX (UINT64_C(1) << 20)
#define TRANSPORT_PAIR_QUEUE_BYTES_MAX (UINT64_C(4) << 20)
#define TRANSPORT_PAIR_WAIT_NS (20 * NS_PER_S)
#define TRANSPORT_PAIR_KEPT_MAX 2048
#define TRANSPORT_PAIR_DATA_MAX 64

/* One end: a transport on a loop of its own, and what it was told. */
struct transport_side {
    node_id id;
    struct cluster_id cluster;
    struct keyring *keyring;           /* NULL: plain */
    const struct allocator *allocator; /* NULL: the runtime's */
    uint64_t hello_timeout_ns;
    uint64_t idle_ns;
    struct log_sink log;
    char logged[256]; /* the last warning */
    int logged_count;
    int disconnected_count; /* peer_disconnected, which is no warning */
    uv_loop_t loop;
    struct transport *transport;
    char address[32];
    char detail[TRANSPORT_DETAIL_BYTES];
    int received_count;
    node_id received_from;
    uint64_t received_connection;
    uint64_t last_term;
    bool is_in_order;
    int refused_count; /* hellos of others that we refused */
    int answered_no;   /* refusals that we got */
    char reason[256];
    int seed_ready_count;
    int seed_received_count;
    int seed_closed_count;
    int seed_status;                            /* it was closed with */
    int invited_count;                          /* answers to an invitation */
    struct entry kept[TRANSPORT_PAIR_KEPT_MAX]; /* their chunks are held */
    size_t kept_count;
    struct raft_data kept_data[TRANSPORT_PAIR_DATA_MAX]; /* likewise */
    size_t kept_data_count;
    bool keeps;
    uint32_t version; /* that it speaks at most; 0: WIRE_VERSION_MAX */
    int gossip_count;
    uint64_t gossip_stream; /* of the last, like the following */
    size_t gossip_bytes;
    uint8_t gossip[WIRE_GOSSIP_BYTES_MAX];
    char gossip_source[QR_ADDRESS_BYTES_MAX];
    node_id closed_member;
    int closed_count; /* connections with members that ended */
    int refused_member_count;
    time_ns closed_ns; /* when the last did */
    time_ns refused_ns;
};

struct transport_pair {
    struct transport_side a; /* id 1 */
    struct transport_side b; /* id 2 */
};

/* For cmocka: two sides that listen and do not know each other; and their end. */
int transport_pair_setup(void **state);
int transport_pair_teardown(void **state);

/* The same, with one key that both have; or with the keys of these numbers, 0: none. */
int transport_pair_setup_sealed(void **state);
int transport_pair_setup_keys(void **state, uint8_t a, uint8_t b);
struct keyring_key transport_pair_key(uint8_t number);

/* Open at an address. Returns as transport_open(). */
int transport_side_open(struct transport_side *side, const char *address);

/* Close, and run the loop until it is empty. */
void transport_side_close(struct transport_side *side);

/* Make the second side a peer of the first. */
void transport_pair_join(struct transport_pair *pair);
bool transport_side_is_connected(const struct transport_side *side, node_id id);

/* Give both loops a round; or rounds for so long. */
void transport_pair_step(struct transport_pair *pair);
void transport_pair_run_for(struct transport_pair *pair, uint64_t duration_ns);

/* Run until the condition holds, and fail after a while. */
#define WAIT_FOR(pair, condition)                                                                  \
    for (time_ns limit_ns = runtime_now_ns() + TRANSPORT_PAIR_WAIT_NS; !(condition);               \
         transport_pair_step(pair)) {                                                              \
        assert_true(runtime_now_ns() < limit_ns);                                                  \
    }

/* A request_vote of this term, from 1 to 2. */
struct wire_frame *vote_frame(uint64_t term);

/* The bytes of a frame, which is given; returns how many. */
size_t frame_flatten(struct wire_frame *frame, uint8_t *out);

/* The hello of this side, as bytes; returns how many. */
size_t transport_side_flat_hello(struct transport_side *side, uint8_t *out);

/* A plain socket, connected to this side. */
int transport_side_dial_raw(const struct transport_side *side);

/* Whether the other end has closed, after what it may have sent. */
bool socket_is_closed(int descriptor);

#endif
