/* node_solo.h: one real node on a memory disk; the rest of its cluster is the test's.
 *
 * Owns     the node, its disk and clocks, what it sent (decoded), what it told whom, and what
 *          it applied. Nothing happens by itself: the test lets time pass and the disk work.
 * Checks   that each proposal and read is told once, that entries are applied in order, and
 *          that a failure is said once.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_NODE_SOLO_H
#define SUPPORT_NODE_SOLO_H

#include "node/node.h"
#include "support/disk_memory.h"
#include "support/heap.h"

#define SOLO_SELF 1 /* the node's id; 2 and 3 are the others */
#define SOLO_PEERS_MAX 3
#define SOLO_TOKENS_MAX 2048
#define SOLO_APPLIED_MAX 32768
#define SOLO_ANY_STATUS 17 /* of a result, which is taken for QR_ERR_REJECTED */
#define SOLO_CLUSTER ((struct cluster_id){7, 7})

/* A message that the node sent. */
struct solo_sent {
    struct solo_sent *next;
    node_id to;    /* a member; else: */
    bool is_seed;  /* to who was dialed for a join */
    bool is_reply; /* on the connection of this number */
    uint64_t connection;
    struct wire_message message;
    struct entry *entries;
    struct chunk *chunk;
};

struct solo_told {
    unsigned count;
    int status;
    raft_index index;
    bool is_rejected; /* by the status of its result */
    uint64_t answer;  /* of the state machine: how many numbers it had with this one */
};

struct solo {
    struct heap heap;    /* the node's memory */
    struct heap outside; /* that of what comes in and was sent */
    struct disk_memory disk;
    struct node_options options; /* for the next solo_open() */
    struct node_time time;
    struct node *node; /* NULL: down */
    char detail[NODE_DETAIL_BYTES];
    struct solo_sent *sent; /* oldest first */
    struct solo_sent **sent_end;
    uint64_t sent_count;  /* ever */
    bool is_send_refused; /* no connection to anybody */
    char dialed[RAFT_ADDRESS_BYTES_MAX];
    unsigned dial_count;
    struct solo_told proposals[SOLO_TOKENS_MAX];
    struct solo_told reads[SOLO_TOKENS_MAX];
    uint64_t applied[SOLO_APPLIED_MAX]; /* numbers, in order */
    size_t applied_count;
    raft_index applied_index;
    uint64_t answers[NODE_APPLY_ENTRIES_MAX]; /* to the batch under way */
    struct qr_result results[NODE_APPLY_ENTRIES_MAX];
    uint64_t rejected;     /* a number that the state machine rejects; 0: none */
    bool is_apply_held;    /* batches wait for solo_applied() */
    bool is_apply_claimed; /* and who waits for them is taken over, to be told by the test */
    size_t claimed_count;
    uint64_t claimed[NODE_APPLY_ENTRIES_MAX]; /* tokens of the last batch */
    size_t held_count;
    bool is_batch_held;
    unsigned digest_count; /* batches whose digest was asked for: how many numbers it had then */
    struct solo_told changes[SOLO_TOKENS_MAX];
    struct node_change_result change_result; /* of the last one */
    unsigned failed_count;
    int failed_status;
    uint64_t sent_at_failure; /* sent_count then */
    uint64_t round;           /* highest seen in an append_entries that it sent */
};

void solo_init(struct solo *solo);
void solo_deinit(struct solo *solo);

/* Open the node on its disk. Returns what node_open() does; solo->detail has the sentence. */
int solo_open(struct solo *solo);

/* As solo_open(), and fail the case when it does not succeed. */
void solo_start(struct solo *solo);

/* The process ends; what was submitted to the disk still happens, and is not lost. */
void solo_stop(struct solo *solo);

/* The machine goes down: what was not synced is lost. */
void solo_crash(struct solo *solo);

/* Turns, at the present moment, until the node wants none. */
void solo_turn(struct solo *solo);

/* The disk does all it was asked, and turns follow, until nothing is left to do. */
void solo_work(struct solo *solo);

/* Let milliseconds pass, with turns when they are due; the disk does nothing. */
void solo_wait(struct solo *solo, unsigned milliseconds);

/* The same, with the disk working at once. */
void solo_run(struct solo *solo, unsigned milliseconds);

/* A member says in a hello that it speaks the protocol up to this version. */
void solo_meet(struct solo *solo, node_id id, uint32_t version);

/* A message comes from a member; the node takes no turn. */
void solo_receive(struct solo *solo, node_id from, const struct wire_message *message);

/* An entry that is not one of the ordinary numbers. */
struct solo_entry {
    uint8_t type;
    struct proposal_id id;
    const char *command; /* NULL: "add" */
    uint64_t payload[2];
    size_t payload_bytes; /* 0: 8 */
    time_ns after_ns;     /* its timestamp, counted from the wall clock's present */
};

/* An append_entries of `count` entries from a leader, numbers first_number and on, or these. */
struct solo_append {
    const struct solo_entry *these;
    node_id from;
    raft_term term;
    struct raft_position prev;
    raft_index commit;
    uint64_t round;
    raft_term entry_term;
    uint64_t first_number;
    size_t count;
    size_t extra_bytes; /* of payload behind each number */
};
void solo_append(struct solo *solo, struct solo_append append);

/* A heartbeat of a leader, for a log that ends at 1/1; and a turn. */
void solo_hear(struct solo *solo, node_id leader, raft_term term);

/* Member `from` forwards `count` proposals with numbers first_number and on. */
struct solo_forward {
    node_id from;
    uint64_t request;
    raft_term term;
    uint64_t number; /* of the frame */
    uint64_t first_number;
    size_t count;
    size_t extra_bytes; /* of payload behind each number */
};
void solo_forward(struct solo *solo, struct solo_forward forward);

/* From `from`, leader of `term`: the proposals of a forward that the node sent, as entries
 * behind `prev`, all committed.
 */
void solo_append_forwarded(struct solo *solo, const struct solo_sent *forward,
                           struct solo_append append);

/* The node, just opened with --join, is taken in and hears from leader 2 in term 1 that the
 * voters are 1, 2 and 3 (index 1, committed). It is durable, applied and answered.
 */
void solo_follow(struct solo *solo);

/* From solo_init(), with whatever options were set since: opened with --join, and solo_follow(). */
void solo_join(struct solo *solo);

/* All of it: a follower of 2 in term 1, whose log ends with the configuration, 1/1. What it sent
 * until then is forgotten.
 */
void solo_begin(struct solo *solo);

/* From solo_follow() or later: the others die, and elect the node. Its no-op is durable here
 * and acknowledged by 2. Returns the term.
 */
raft_term solo_lead(struct solo *solo);

/* A member says that it has the leader's log up to `match`, and heard every round so far. */
void solo_acknowledge(struct solo *solo, node_id from, raft_index match);

/* Member 2 says yes to all that it was sent since solo_forget(), which is forgotten. */
void solo_oblige(struct solo *solo);

/* What was sent since solo_forget(): the last message of a type, or NULL; and how many. */
const struct solo_sent *solo_last(const struct solo *solo, unsigned type);
size_t solo_count(const struct solo *solo, unsigned type);
uint64_t solo_question(const struct solo *solo); /* the request of the last read */
void solo_forget(struct solo *solo);
void solo_sent_free(struct solo_sent *sent); /* all of a list */

/* Propose a number, under an id of the node's choice; returns what node_propose() does. */
int solo_propose(struct solo *solo, uint64_t number);
int solo_read(struct solo *solo, uint64_t token);

/* The batch that waits is applied, or cannot be. */
void solo_applied(struct solo *solo, int status);

struct node_status solo_status(const struct solo *solo);

#endif
