/* cluster.h: Raft machines on a virtual clock, network and disk, all moved by hand.
 *
 * Owns     the nodes, what each has durably, the saves under way, the messages in flight, and
 *          the checks over all of them. Every message goes through src/wire and back.
 * Does not know what a scenario is: it acts on calls and prints what happens to `out`.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCENARIO_CLUSTER_H
#define SCENARIO_CLUSTER_H

#include <stdio.h>

#include "raft/raft.h"
#include "support/heap.h"
#include "wire/wire.h"

#define NODES_MAX 16      /* ids 0..15 */
#define LOG_MAX 4096      /* entries of a node's durable log */
#define SAVES_MAX 128     /* saves under way on one node */
#define TERMS_MAX 4096    /* terms whose leader is remembered */
#define NETWORK_MAX 65536 /* messages in flight */
#define LINE_BYTES 16384  /* of one line of output */
#define STATE_BYTES 64    /* of a snapshot's content */
#define WALL_NS_AT_START UINT64_C(1000000000000000000)

/* How much of what happens is printed. */
enum verbosity {
    SAY_NOTHING,
    SAY_ROLES, /* roles, commits, reads */
    SAY_ALL,
};

/* What a ready asked to be written, until it is durable. */
struct save {
    uint64_t number;
    struct hard_state hard_state;
    bool has_reset;
    struct raft_position reset;
    struct entry *entries; /* count; a reference each */
    size_t count;
};

/* The state machine at an index, the same on every node; its content as bytes is a line of
 * text that names it.
 */
struct state {
    struct raft_position position; /* {0, 0}: nobody took a snapshot there */
    time_ns timestamp_ns;
    struct entry configuration; /* in force there; a reference */
};

/* A snapshot on its way to a node. */
struct incoming {
    struct raft_position position; /* {0, 0}: none */
    char content[STATE_BYTES];
    size_t received_bytes;
    bool is_whole;
    bool is_answer_due; /* tell the leader what is wanted next */
    bool is_refused;
};

struct node {
    bool exists;
    bool is_saving_by_hand; /* saves end only when told to */
    struct raft *raft;      /* NULL while it is down */
    unsigned restart_count; /* changes the seed */

    /* Its disk. */
    struct hard_state hard_state;
    struct raft_position base; /* nothing of log[] up to it is there */
    struct entry log[LOG_MAX]; /* log[i] is index i + 1 */
    size_t log_count;
    struct raft_position snapshot; /* {0, 0}: none */
    struct save saves[SAVES_MAX];
    size_t save_count;
    struct hard_state handed; /* the last one given to a save */

    /* Snapshots under way. */
    struct incoming incoming;
    bool is_sending[NODES_MAX];  /* a piece is due to this peer */
    uint64_t offsets[NODES_MAX]; /* that it wants */

    /* What was printed last, to print changes only. */
    struct raft_status said;
    raft_index applied_index;
    raft_index committed_index; /* of this life: it never goes back */
};

/* A message in flight, as its frame. */
struct packet {
    node_id from;
    node_id to;
    uint8_t type;
    struct chunk *chunk;
};

/* Room for what is too large for a stack, used within one call at a time. */
struct scratch {
    struct raft_term_run runs[LOG_MAX];
    struct entry configurations[LOG_MAX];
    struct entry received[WIRE_ENTRIES_MAX];
    struct raft_configuration configuration;
    uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
};

struct cluster {
    struct heap heap;
    struct scratch scratch;
    FILE *out;
    enum verbosity verbosity;
    time_ns now_ns;
    struct raft_options options;
    bool is_fetching_by_hand;
    bool is_sending_by_hand;
    struct node nodes[NODES_MAX];
    unsigned side[NODES_MAX]; /* of a partition; the same: connected */
    struct packet packets[NETWORK_MAX];
    size_t packet_count;
    struct raft_fetch fetches[NODES_MAX][NODES_MAX];
    size_t fetch_counts[NODES_MAX];

    /* What must never change. */
    bool has_leader[TERMS_MAX];
    node_id leaders[TERMS_MAX];
    raft_term committed_terms[LOG_MAX]; /* by index; 0: not known to be committed */
    uint32_t applied_checksums[LOG_MAX];
    struct state states[LOG_MAX]; /* by index */
};

/* cluster.c: nodes and their lives. */
struct cluster *cluster_new(FILE *out);
void cluster_free(struct cluster *cluster);

/* The node with this id, or NULL when there is none or it is down. */
struct node *cluster_running(struct cluster *cluster, node_id id);

/* Nodes first..first+count-1, with a configuration entry at 1/1, durable, as if applied. */
void cluster_add_nodes(struct cluster *cluster, node_id first, size_t count,
                       const struct raft_configuration *configuration);

/* A node with nothing on its disk. */
void cluster_add_empty(struct cluster *cluster, node_id id);

/* Take away all that is not durable, and the messages in flight from and to it. */
void cluster_crash(struct cluster *cluster, node_id id);

/* Start a node from its disk, with everything up to `commit_index` known to be committed. */
void cluster_restart(struct cluster *cluster, node_id id, raft_index commit_index);

/* Step a running node, print its error if it gave one, and do what it asks for. */
int cluster_step(struct cluster *cluster, node_id id, struct raft_event event);

/* The two halves of it: several events may come before one ready. */
int cluster_take(struct cluster *cluster, node_id id, struct raft_event event);
void cluster_ready(struct cluster *cluster, node_id id);

/* disk.c */
void disk_save(struct cluster *cluster, node_id id, const struct raft_ready *ready);
/* Make the oldest save durable and say so to the node; false when none is under way. */
bool disk_saved(struct cluster *cluster, node_id id);
/* The oldest save fails: the node is down for good, or until it is restarted. */
bool disk_fail_save(struct cluster *cluster, node_id id);
void disk_drop_saves(struct cluster *cluster, node_id id);
void disk_truncate(struct cluster *cluster, node_id id, size_t count);
void disk_append(struct cluster *cluster, node_id id, const struct entry *entry);
/* Apply all that is applicable; false when there was nothing. */
bool disk_apply(struct cluster *cluster, node_id id);
/* Answer the node's oldest fetch from its disk, or with `status`; false when none waits. */
bool disk_fetched(struct cluster *cluster, node_id id, int status);

/* snapshot.c */
/* Make what the node has applied durable; false when there is nothing new. */
bool snapshot_take(struct cluster *cluster, node_id id);
/* Forget the log up to `index`, on the disk and in the machine; a snapshot is there. */
void snapshot_compact(struct cluster *cluster, node_id id, raft_index index);
/* Send a peer up to `count` bytes of the node's snapshot. */
int snapshot_send(struct cluster *cluster, node_id id, node_id peer, uint64_t offset, size_t count);
/* Take what a ready says of sendings, and then do what the node owes for it. */
void snapshot_note(struct cluster *cluster, node_id id, const struct raft_ready *ready);
void snapshot_answer(struct cluster *cluster, node_id id);
/* What was received is durable, the state machine stands there; false when it is not whole. */
bool snapshot_install(struct cluster *cluster, node_id id);
/* It could not be written: the leader is told. */
bool snapshot_fail(struct cluster *cluster, node_id id);
/* Step what is durable as installed, as at every start. */
void snapshot_restore(struct cluster *cluster, node_id id);
/* Send and install what is due; false when nothing was. */
bool snapshot_serve(struct cluster *cluster, node_id id);
void snapshot_states_deinit(struct cluster *cluster);

/* network.c */
struct packet_filter {
    bool has_from;
    bool has_to;
    node_id from;
    node_id to;
    uint8_t type; /* 0: any */
    size_t count; /* at most so many */
};

enum packet_action {
    PACKET_DELIVER,
    PACKET_DROP,
    PACKET_DUPLICATE, /* put a second copy behind the last message */
    PACKET_REORDER,   /* turn the order of those that match around */
};

void network_send(struct cluster *cluster, const struct raft_message *message);
/* Do it to every message in flight now that the filter lets through; returns how many. */
size_t network_act(struct cluster *cluster, enum packet_action action,
                   const struct packet_filter *filter);
/* Lose what is in flight between nodes that cannot reach one another. */
void network_cut(struct cluster *cluster);
bool network_is_connected(const struct cluster *cluster, node_id a, node_id b);
/* Lose what is in flight from and to a node. */
void network_forget(struct cluster *cluster, node_id id);
void network_clear(struct cluster *cluster);

/* check.c: asserts what Raft promises (Raft, figure 3), over all nodes. */
void check_node(struct cluster *cluster, node_id id);
void check_cluster(struct cluster *cluster);
void check_applied(struct cluster *cluster, const struct entry *entry);
/* What a message promises must be durable before it leaves. */
void check_promise(const struct cluster *cluster, const struct raft_message *message);

/* pace.c: many steps at once. */
/* Deliver, save and apply until nothing is left to do. */
void pace_stabilize(struct cluster *cluster);
/* Move time on by `ms`; each node is ticked when it asks for it. With `is_alive` messages
 * and saves go through at once.
 */
void pace_advance(struct cluster *cluster, uint64_t ms, bool is_alive);
/* Let the node's election timeouts pass until it leads and has committed in its term. */
bool pace_elect(struct cluster *cluster, node_id id);

/* print.c */
void print_line(struct cluster *cluster, enum verbosity least, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void print_error(struct cluster *cluster, node_id id, const char *what, int error);
void print_changes(struct cluster *cluster, node_id id);
void print_save(struct cluster *cluster, node_id id, const struct raft_ready *ready);
void print_message(struct cluster *cluster, const char *verb, node_id who,
                   const struct raft_message *message);
void print_status(struct cluster *cluster, node_id id);
void print_log(struct cluster *cluster, node_id id);

#endif
