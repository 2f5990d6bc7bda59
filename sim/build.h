/* build.h: the boundary over which the simulator drives a node.
 *
 * Owns     nothing but shapes. A build is the node's code of one version: today's
 *          (build_today), or that of a release that was kept (sim/past). Nothing of the
 *          node's own headers crosses, so that two versions can run in one process, over
 *          one network and one after the other on one disk.
 *
 * Add to this header only at the end of what is there: releases are compiled against it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_BUILD_H
#define SIM_BUILD_H

#include "quorate/types.h"

#define BUILD_DETAIL_BYTES 512
#define BUILD_HELLO_BYTES_MAX 2048
#define BUILD_OP_NAME_BYTES_MAX 64
#define BUILD_MEMBERS_MAX 64
#define BUILD_NAME_BYTES_MAX 64
#define BUILD_NAMES_BYTES_MAX 240

/* A node's two clocks. */
struct build_time {
    uint64_t now_ns;
    uint64_t wall_ns;
};

struct build_part {
    void *data;
    size_t size_bytes;
};

enum build_op_kind {
    BUILD_WRITE,
    BUILD_READ,
    BUILD_PREPARE,
    BUILD_REMOVE,
    BUILD_STORE,
    BUILD_PUBLISH,
};

/* As struct disk_op in src/wal/disk.h. */
struct build_op {
    enum build_op_kind kind;
    bool is_synced;
    char name[BUILD_OP_NAME_BYTES_MAX];
    uint64_t offset;
    uint64_t size_bytes; /* BUILD_PREPARE only */
    const struct build_part *parts;
    size_t part_count;
    int status;
    void (*done)(struct build_op *op); /* never from within submit() */
    void *context;
    struct build_op *next; /* the disk's, while it has the operation */
};

/* As struct disk in src/wal/disk.h; a release that had one call to replace a file makes it
 * of write_file, sync_file, rename_file and sync_names.
 */
struct build_disk {
    void *context;
    int (*list)(void *context, void (*each)(void *argument, const char *name, uint64_t size_bytes),
                void *argument);
    int (*read)(void *context, const char *name, uint64_t offset, struct build_part part,
                size_t *read_bytes);
    int (*write_file)(void *context, const char *name, const void *data, size_t size_bytes);
    int (*sync_file)(void *context, const char *name);
    int (*rename_file)(void *context, const char *from, const char *to);
    int (*sync_names)(void *context);
    int (*prepare)(void *context, const char *name, uint64_t size_bytes);
    void (*submit)(void *context, struct build_op *op);
};

struct build_member {
    uint64_t id;
    const char *address;
    bool is_voter; /* of any set in force */
};

/* As struct qr_result; release 0.1.0 knows no status of one, and takes each for 0. */
struct build_result {
    const void *data;
    size_t size_bytes;
    int status;
};

/* As struct node_io in src/node/node.h; frames are borrowed until return. */
struct build_world {
    void *context;
    void *(*allocate)(void *context, size_t size_bytes);
    void (*release)(void *context, void *memory, size_t size_bytes);
    bool (*send)(void *context, uint64_t to, const struct build_part *parts, size_t count);
    void (*members)(void *context, const struct build_member *members, size_t count);
    void (*dial_seed)(void *context, const char *address);
    void (*send_seed)(void *context, const struct build_part *parts, size_t count);
    void (*reply)(void *context, uint64_t connection, const struct build_part *parts, size_t count);
    void (*apply)(void *context, const struct qr_entry *entries, size_t count);
    uint64_t (*wake_at)(void *context);
    void (*proposal_done)(void *context, uint64_t token, int status, uint64_t index,
                          const struct build_result *result);
    void (*read_done)(void *context, uint64_t token, int status, uint64_t index);
    void (*failed)(void *context, int status, const char *reason);
    /* An event of the node's log, as text. */
    void (*log)(void *context, int level, const char *line);
    bool is_log_wanted;
    /* Snapshots of the state machine, as in quorate/state_machine.h, with the world's context.
     * snapshot_open NULL: it makes none.
     */
    int (*snapshot_open)(void *context, void **snapshot);
    int (*snapshot_read)(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes);
    void (*snapshot_close)(void *context, void *snapshot);
    int (*restore_begin)(void *context);
    int (*restore_write)(void *context, const void *data, size_t size_bytes);
    int (*restore_end)(void *context);
    /* A change ended; `reason` is borrowed until return. */
    void (*change_done)(void *context, uint64_t token, int status, const char *reason);
    /* As in quorate/state_machine.h; NULL: the state machine lives in memory. */
    uint64_t (*applied_index)(void *context);
    /* A member's message was dropped; the event of the node's log says why. A past release does
     * not tell.
     */
    void (*refused)(void *context, const char *line);
    /* As in struct node_io. */
    void (*gossip_packet)(void *context, const char *address, const uint8_t *data,
                          size_t size_bytes);
    void (*gossip_stream)(void *context, const char *address, uint64_t answers, const uint8_t *data,
                          size_t size_bytes);
    /* As in quorate/state_machine.h; NULL: there is none. */
    uint64_t (*digest)(void *context);
};

/* How the members gossip. */
enum build_gossip {
    BUILD_GOSSIP_NONE,
    BUILD_GOSSIP_DEFAULT,
    BUILD_GOSSIP_FAST,
};

struct build_options {
    const struct build_disk *disk; /* borrowed, like the strings and the world */
    const struct build_world *world;
    const char *name;
    const char *address;
    const char *join; /* or NULL */
    bool is_bootstrap;
    uint64_t fresh_node_id;
    struct qr_id fresh_cluster_id;
    uint64_t seed;
    uint64_t election_timeout_min_ns;
    uint64_t election_timeout_max_ns;
    uint64_t heartbeat_interval_ns;
    uint64_t proposal_timeout_ns;
    uint64_t message_bytes_max;
    uint64_t inflight_bytes_max;
    uint64_t cache_bytes_max;
    uint64_t segment_bytes;
    uint32_t pending_max;
    uint32_t snapshot_chunk_bytes;
    uint64_t log_entries_max; /* 0: the log is never compacted */
    uint64_t log_bytes_max;
    uint64_t snapshot_interval_ns;
    uint64_t sending_bytes_per_second;
    uint64_t member_wait_ns;
    uint64_t lease_ns;             /* 0: none */
    uint64_t stall_timeout_ns;     /* 0: never */
    enum build_gossip gossip;      /* a past release may know none */
    bool has_hints;                /* Raft is told when the leader seems to be gone */
    bool is_observer;              /* hears gossip alone */
    uint64_t remove_dead_after_ns; /* 0: never */
    bool rebuilds;                 /* where its state differs, by a leader's snapshot */
    bool is_waiting;               /* in no cluster: until it is told whom to join; no `join` */
};

enum build_role {
    BUILD_LEARNER,
    BUILD_FOLLOWER,
    BUILD_PRE_CANDIDATE,
    BUILD_CANDIDATE,
    BUILD_LEADER,
};

struct build_status {
    enum build_role role;
    bool is_running; /* takes part in a cluster */
    bool is_stopped;
    bool has_leader;
    bool is_voter; /* by the configuration in force here */
    uint64_t id;
    uint64_t term;
    uint64_t leader;
    uint64_t last_index;
    uint64_t durable_index;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t held_count;     /* proposals that are certainly nowhere yet; of a past release 0 */
    uint64_t first_index;    /* of its log; 0: the build does not say */
    uint64_t snapshot_index; /* durable here; 0: none */
    bool is_restoring;       /* its state machine takes over a snapshot */
    bool is_transferring;
    uint64_t configuration_index; /* of the one in force; 0: none */
    uint64_t configuration_term;  /* of its entry; 0: compacted */
    uint64_t configuration_count; /* that configuration() gives */
    bool has_gossip;
    uint64_t gossip_term; /* who leads, as the members say: the highest term; 0: nobody yet */
    uint64_t gossip_leader;
    uint64_t gossip_hints; /* told to Raft: the leader seems to be gone */
    bool compares;         /* members compare their states; of a past release false */
    bool is_isolated;      /* its own was found to differ */
    bool is_outside;       /* in no cluster, by its hello; of a past release false */
};

struct build_configured {
    uint64_t id;
    bool is_voter;      /* of the set in force, or the one to come */
    bool is_outgoing;   /* voter of the set that a joint configuration leaves */
    bool is_promotable; /* a learner that becomes a voter once it has caught up */
    uint64_t priority;
    char name[BUILD_NAME_BYTES_MAX];
};

struct build_configuration {
    uint64_t index;
    uint64_t term; /* of its entry; 0: compacted */
    bool is_joint;
    size_t count;
    struct build_configured members[BUILD_MEMBERS_MAX];
};

/* As struct wire_change in src/wire/message.h: names, separated by commas; NULL: none. */
struct build_change {
    bool is_forced;
    uint64_t priority; /* of `prioritized` */
    const char *promoted;
    const char *demoted;
    const char *removed;
    const char *prioritized;
    const char *transferee;
};

/* Another node, as one that gossips sees it. */
struct build_gossip_member {
    uint64_t id;
    bool is_live;
};

struct build_node;

/* The functions of src/node/node.h, hellos and messages as bytes. */
struct build {
    const char *version;
    int (*open)(const struct build_options *options, struct build_time time,
                struct build_node **out, char *detail);
    void (*stop)(struct build_node *node);
    /* As node_settle(): true once all is done that a stop in order does. */
    bool (*settle)(struct build_node *node);
    bool (*is_idle)(const struct build_node *node);
    void (*free)(struct build_node *node);
    int (*propose)(struct build_node *node, struct qr_id id, const void *command,
                   size_t command_bytes, const void *payload, size_t payload_bytes, uint64_t token,
                   struct build_time time);
    int (*read)(struct build_node *node, uint64_t token, struct build_time time);

    /* Write the hello's frame to `out` (BUILD_HELLO_BYTES_MAX); returns its bytes. */
    size_t (*hello)(struct build_node *node, bool has_expected, uint64_t expected, uint8_t *out);
    /* Judge a hello that came in: 0 or an error. The answer is written either way, `from` set. */
    int (*hello_check)(struct build_node *node, const uint8_t *hello, size_t hello_bytes,
                       uint8_t *response, size_t *response_bytes, uint64_t *from);
    int (*hello_response_check)(struct build_node *node, const uint8_t *response,
                                size_t response_bytes, bool has_expected, uint64_t expected,
                                char *reason);

    /* One whole frame. Returns 0, or QR_ERR_MALFORMED: it does not decode, and was dropped. */
    int (*receive)(struct build_node *node, uint64_t from, uint64_t connection,
                   const uint8_t *frame, size_t frame_bytes, struct build_time time);
    void (*seed_ready)(struct build_node *node, struct build_time time);
    int (*seed_receive)(struct build_node *node, const uint8_t *frame, size_t frame_bytes,
                        struct build_time time);
    void (*seed_closed)(struct build_node *node, const char *reason, struct build_time time);
    /* As many results as the last apply() had entries. */
    void (*applied)(struct build_node *node, int status, const struct build_result *results,
                    struct build_time time);
    void (*turn)(struct build_node *node, struct build_time time);
    uint64_t (*deadline)(const struct build_node *node); /* UINT64_MAX: none */
    void (*status)(const struct build_node *node, struct build_status *out);
    bool (*term_at)(const struct build_node *node, uint64_t index, uint64_t *term);
    /* As node_change(); NULL: the release knows none. */
    int (*change)(struct build_node *node, const struct build_change *change, uint64_t token,
                  struct build_time time);
    /* A configuration that the log holds: 0 is the one in force, the last one is committed if
     * any is. False behind that.
     */
    bool (*configuration)(const struct build_node *node, size_t back,
                          struct build_configuration *out);
    /* As node_gossip_packet(), or with a `stream` above 0 as node_gossip_stream(); not proved.
     * NULL, like the two below: the release knows none.
     */
    void (*gossip_receive)(struct build_node *node, uint64_t stream, const uint8_t *data,
                           size_t size_bytes, const char *source, struct build_time time);
    void (*member_closed)(struct build_node *node, uint64_t member, bool is_refused,
                          struct build_time time);
    /* The first member at this place or behind it, itself included. Sets *place to its place;
     * false when there is none.
     */
    bool (*gossip_member)(const struct build_node *node, uint32_t *place,
                          struct build_gossip_member *out);
    /* As node_read_stale(); NULL: the release knows none. */
    int (*read_stale)(struct build_node *node, uint64_t age_ns_max, struct build_time time,
                      uint64_t *age_ns);
    /* As node_invite(), node_join() and, where the hello was refused, node_seed_closed(). NULL: the
     * release knows none.
     */
    int (*invite)(struct build_node *node, const char *address, bool is_learner, uint64_t token,
                  struct build_time time);
    int (*join)(struct build_node *node, const char *join, bool is_learner, struct build_time time);
    void (*seed_refused)(struct build_node *node, int status, const char *reason,
                         struct build_time time);
};

extern const struct build build_today;

#endif
