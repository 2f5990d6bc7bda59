/* explain.h: from what the nodes tell of themselves to sentences about it.
 *
 * Owns     the facts, as they were gathered, and the sentences, bounded in number and length.
 * Does not know how facts are gathered, nor the time: ages are among the facts.
 * Rule     a sentence is true for what it says. That a node did not answer is a fact; that it is
 *          down is none. What only may be is said so.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "cli/node_status.h"

#define EXPLAIN_NODES_MAX (QR_MEMBERS_MAX + 16) /* members, and whom the user named besides */
#define EXPLAIN_TOPIC_SENTENCES_MAX 128         /* the last of more says how many more */
#define EXPLAIN_SENTENCE_BYTES_MAX 640

/* A node that was asked, or could not be. */
struct explain_node {
    char address[QR_ADDRESS_BYTES_MAX + sizeof("[]:65535")]; /* of its /status; "": not told */
    char name[QR_NAME_BYTES_MAX]; /* the member that is to be there; "": only an address */
    char id[NODE_WORD_BYTES_MAX]; /* of that member */
    bool is_reached;
    struct node_status status; /* when it was reached */
};

struct explain_facts {
    size_t node_count;
    struct explain_node nodes[EXPLAIN_NODES_MAX];
    /* How far members were some time before, as the same leader told; 0 ms: it was not asked. */
    uint64_t earlier_ms;
    struct node_status earlier;
};

/* X(NAME, "key", "heading") */
#define EXPLAIN_TOPIC_MAP(X)                                                                       \
    X(EXPLAIN_LEADER, "leader", "The leader")                                                      \
    X(EXPLAIN_WRITES, "writes", "Writes")                                                          \
    X(EXPLAIN_MEMBERS, "members", "Members")                                                       \
    X(EXPLAIN_CHANGES, "changes", "Changes")                                                       \
    X(EXPLAIN_FAILURES, "failures", "Failures")

enum explain_topic {
#define X(name, key, heading) name,
    EXPLAIN_TOPIC_MAP(X)
#undef X
        EXPLAIN_TOPICS /* how many there are */
};

#define EXPLAIN_SENTENCES_MAX (EXPLAIN_TOPICS * EXPLAIN_TOPIC_SENTENCES_MAX)

struct explain_sentence {
    enum explain_topic topic;
    char text[EXPLAIN_SENTENCE_BYTES_MAX];
};

struct explain_report {
    size_t count;
    size_t said[EXPLAIN_TOPICS]; /* of each topic, with those that found no room */
    struct explain_sentence sentences[EXPLAIN_SENTENCES_MAX];
};

/* Say all that follows from the facts, topic after topic. At least one node was reached. */
void explain(const struct explain_facts *facts, struct explain_report *out);

/* For explain*.c alone. */

/* What the sentences are about: the cluster as the node that knows best tells it. */
struct explain_view {
    const struct explain_facts *facts;
    const struct explain_node *best;   /* the leader of the latest term, else who has most */
    const struct explain_node *leader; /* NULL: no node that was reached leads */
    struct explain_report *report;
};

__attribute__((format(printf, 3, 4))) void
explain_say(const struct explain_view *view, enum explain_topic topic, const char *format, ...);

struct explain_text {
    char data[EXPLAIN_SENTENCE_BYTES_MAX / 2];
};

/* "420 ms", "5.2 s", "3 min" */
struct explain_text explain_duration(uint64_t ms);
/* "512 bytes", "1.5 MiB" */
struct explain_text explain_bytes(uint64_t bytes);

/* The node that was reached for this member, or NULL; and whether it is the one that was meant. */
const struct explain_node *explain_reached(const struct explain_view *view,
                                           const struct node_status_member *member);
bool explain_is_of_cluster(const struct explain_view *view, const struct explain_node *node);

bool explain_is_voter(const struct node_status_member *member);

typedef bool explain_test(const struct explain_view *view, const struct node_status_member *member);

/* "n1, n2 and n3": the members of which this is true. */
struct explain_text explain_names(const struct explain_view *view, explain_test *test);
size_t explain_count(const struct explain_view *view, explain_test *test);

/* How many voters of whom this is true may be lost before too few are left to agree: -1 when they
 * are too few already, in the old set of voters or in the new one.
 */
int explain_spare(const struct explain_view *view, explain_test *test);

/* How many of the voters must agree. */
size_t explain_majority(const struct explain_view *view);

/* Whether the leader has heard this member within two of the longest election timeouts; itself,
 * always.
 */
explain_test explain_is_heard;

/* Whether it is heard, and nothing is known that keeps it from acknowledging entries: a full disk,
 * one that does not advance, or a snapshot that it needs first.
 */
explain_test explain_can_acknowledge;
bool explain_leader_takes_writes(const struct explain_view *view);

void explain_leader(const struct explain_view *view);
void explain_writes(const struct explain_view *view);
void explain_members(const struct explain_view *view);
void explain_changes(const struct explain_view *view);
void explain_failures(const struct explain_view *view);

#endif
