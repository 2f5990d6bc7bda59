/* swim_cluster.h: SWIM machines on a virtual clock and network, moved by hand.
 *
 * Owns     the hosts, what each says of itself, and what is in flight between them. Every
 *          message goes through src/wire and back.
 * Does not know what a scenario is: it acts on calls and prints what happens to `out`.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCENARIO_SWIM_CLUSTER_H
#define SCENARIO_SWIM_CLUSTER_H

#include <stdio.h>

#include "scenario/cluster.h"
#include "swim/swim.h"

#define FLIGHTS_MAX 4096
#define SEQUENCES_MAX 4096 /* that one scenario shows */

/* A member's process, which may be down, and where it runs. */
struct swim_host {
    bool exists;
    struct swim *swim; /* NULL while it is down */
    unsigned lives;
    uint64_t incarnation; /* of its life's begin */
    struct swim_profile profile;
    raft_term leader_term; /* that it knew last: it never goes back */
};

/* A packet, or a message on a stream, under way. */
struct swim_flight {
    node_id from;
    node_id to;
    bool is_stream;
    uint8_t type;
    char source[SWIM_ADDRESS_BYTES_MAX];
    uint8_t *bytes;
    size_t size_bytes;
};

struct swim_cluster {
    struct heap heap;
    FILE *out;
    enum verbosity verbosity; /* SAY_ROLES: news only */
    time_ns now_ns;
    time_ns said_ns; /* the moment that was printed last */
    struct swim_options options;
    struct swim_host hosts[NODES_MAX];
    bool is_cut[NODES_MAX][NODES_MAX]; /* nothing gets from the one to the other */
    struct swim_flight flights[FLIGHTS_MAX];
    size_t flight_count;
    uint32_t sequences[SEQUENCES_MAX]; /* in the order in which they were shown */
    size_t sequence_count;
    struct swim_update updates[SWIM_UPDATES_MAX];
    uint8_t bytes[SWIM_PIECE_BYTES_MAX];
};

struct swim_cluster *swim_cluster_new(FILE *out);
void swim_cluster_free(struct swim_cluster *cluster);

/* The machine of this id, or NULL: there is none, or it is down. */
struct swim *swim_cluster_running(const struct swim_cluster *cluster, node_id id);

/* A host of this id, down: name mID, address hID:7700, in its first life at incarnation 1. */
struct swim_host *swim_cluster_add(struct swim_cluster *cluster, node_id id);

/* Start its machine, which is alone and looks for these addresses. */
void swim_cluster_start(struct swim_cluster *cluster, node_id id, const char *const *seeds,
                        size_t seed_count);

/* All that run hear of all others, as if they had been together for long. */
void swim_cluster_introduce(struct swim_cluster *cluster);

/* Its process is gone; what is in flight to it arrives nowhere. */
void swim_cluster_crash(struct swim_cluster *cluster, node_id id);

/* Step a running machine, print its error if it gave one, and do what it asks for. */
void swim_cluster_step(struct swim_cluster *cluster, node_id id, struct swim_event event);

/* Move time on; each machine is ticked when it asks for it. is_delivering: all arrives at once. */
void swim_cluster_pass(struct swim_cluster *cluster, uint64_t ms, bool is_delivering);

/* swim_network.c */
struct swim_filter {
    bool has_from;
    bool has_to;
    bool has_way; /* packets or streams only */
    bool is_stream;
    node_id from;
    node_id to;
    uint8_t type; /* 0: any */
    size_t count; /* at most so many */
};

/* `address` is "" for an answer to `to`. */
void swim_network_send(struct swim_cluster *cluster, node_id from, node_id to, const char *address,
                       const struct swim_message *message, bool is_stream);
/* Do it to all that is in flight now and matches; returns to how many. */
size_t swim_network_act(struct swim_cluster *cluster, enum packet_action action,
                        const struct swim_filter *filter);
/* Deliver until nothing is in flight. */
void swim_network_settle(struct swim_cluster *cluster);
/* Lose what is under way and cannot arrive any more. */
void swim_network_cut(struct swim_cluster *cluster);
void swim_network_clear(struct swim_cluster *cluster);

/* swim_print.c */
void swim_print_line(struct swim_cluster *cluster, enum verbosity least, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* address: where it goes; "" when that goes without saying. */
void swim_print_message(struct swim_cluster *cluster, const char *verb, const char *address,
                        const struct swim_message *message);
void swim_print_news(struct swim_cluster *cluster, node_id id, const struct swim_news *news);
void swim_print_members(struct swim_cluster *cluster, node_id id);

#endif
