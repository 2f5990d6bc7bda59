/* snapshot_internal.h: what a node keeps of snapshots: its own, and those on their way. Never
 * leaves src/node; a part of internal.h.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_SNAPSHOT_INTERNAL_H
#define NODE_SNAPSHOT_INTERNAL_H

#include "node/content.h"
#include "node/node.h"
#include "wal/snapshot_store.h"
#include "wal/wal.h"

#define NODE_SENDINGS_MAX 4 /* snapshots being sent at a time */
#define NODE_SENDING_WINDOW_BYTES_MAX (UINT64_C(4) << 20)
#define NODE_RESTORE_TOKEN UINT64_MAX
#define NODE_BACKUP_TOKEN (UINT64_MAX - NODE_BACKUPS_MAX) /* of the first backup */
/* That came and are not written yet: two windows of whole pieces. */
#define NODE_INSTALL_PIECES_MAX 128
#define NODE_SESSIONS_BYTES_MAX (UINT64_C(256) << 20) /* of the table in a snapshot */

/* A configuration as its entry has it, and where that stands. */
struct node_configuration {
    raft_index index; /* 0: none */
    size_t size_bytes;
    uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
};

/* The snapshot that this node takes of its own state. */
struct node_taking {
    bool is_active;
    bool is_opening;   /* the view is asked for: meanwhile nothing is applied */
    bool is_open_late; /* and was not there when it was */
    bool is_waiting;   /* bare, and the state machine does not stand there durably yet */
    bool is_late;      /* the next slice is not there yet */
    bool is_ended;     /* the last block is made */
    bool is_given;     /* all of it, to the store */
    void *view;        /* of the state machine; NULL: bare, or it was read to its end */
    struct content_writer writer;
    struct content_head head;
    uint8_t *sessions; /* the table as it was then */
    size_t sessions_bytes;
    size_t sessions_given;
    uint8_t *slice; /* CONTENT_BLOCK_BYTES_MAX: as the state machine gave it */
    uint8_t *block; /* CONTENT_STORED_BYTES_MAX: what is on its way to the store */
    size_t block_bytes;
    size_t block_given;
    time_ns began_ns;
};

/* Who asked for a snapshot, and where it must stand at least: it has all that was applied then. */
struct node_snapshot_waiter {
    uint64_t token;
    raft_index index_min;
};

/* What is kept for all that has to do with snapshots of our own making. */
struct node_snapshots {
    struct snapshot_store *store;
    bool has_newest;
    bool is_newest_bare; /* nothing to send to a member */
    struct snapshot_info newest;
    struct node_taking taking;
    bool is_asked;
    bool is_state_asked;  /* a member is to be sent the state, and the newest has nothing of it */
    time_ns state_due_ns; /* the next one that holds the state not before */
    struct node_snapshot_waiter waiters[NODE_SNAPSHOT_WAITERS_MAX];
    size_t waiter_count;
    time_ns due_ns;         /* the next one not before; when one failed, or by the interval */
    time_ns compact_due_ns; /* the next look at what may go */
    uint64_t written_bytes; /* by the log, when the last one began */
    struct node_configuration *applied; /* configuration in force at applied_index */
    time_ns applied_timestamp_ns;
    uint64_t taken_count;
};

/* A snapshot on its way to a member. */
struct node_sending {
    bool is_used;
    bool is_reading;
    bool is_answered; /* the member said where it stands */
    bool is_rebuild;  /* Raft knows nothing of it */
    node_id peer;
    uint64_t number; /* of this reading: tells late answers of the disk apart */
    struct snapshot_reader *reader;
    struct snapshot_info info;
    uint64_t next_offset;   /* to be read next */
    uint64_t wanted_offset; /* by the member, as it said last */
    uint64_t gap_offset;    /* gone back to already */
    time_ns heard_ns;
    time_ns sent_ns;
};

struct node_sendings {
    struct node_sending slots[NODE_SENDINGS_MAX];
    uint64_t next_number;
    int64_t budget_bytes; /* what the rate lets go now */
    time_ns budget_ns;    /* when it was counted last */
    uint64_t sent_count;
    uint64_t sent_bytes;
};

/* A backup that somebody takes. */
struct node_backup {
    struct snapshot_reader *reader; /* NULL: none */
    bool is_wanted;                 /* the next piece; when the rate lets it go */
    bool is_reading;
};

_Static_assert(NODE_SENDINGS_MAX + 1 + NODE_BACKUPS_MAX + 1 <= SNAPSHOT_READERS_MAX,
               "each has a reader, and one that seeks two; one that is closed while the disk reads "
               "has its own until then: so who must have one waits for it");

enum node_install_state {
    NODE_INSTALL_NONE,
    NODE_INSTALL_RECEIVING,
    NODE_INSTALL_SYNCING,   /* all is there, and is made durable */
    NODE_INSTALL_WAITING,   /* durable; a batch is being applied */
    NODE_INSTALL_RESTORING, /* the state machine takes it over */
};

/* The state machine takes over the newest snapshot. */
struct node_restore {
    bool is_active;
    bool is_machine_ahead; /* it is durable by itself, and not behind: only the rest is taken */
    bool lacks_state;      /* it is behind, and a bare snapshot does not help it */
    bool is_read;          /* all of it was taken */
    struct snapshot_reader *reader; /* NULL at a start */
    struct chunk *piece;            /* that was read, and is held; NULL: one is being read */
    const uint8_t *piece_at;        /* what of it is still to be taken */
    size_t piece_bytes;
    struct content_reader content;
    struct content_head head; /* its configuration is the next one */
    uint8_t *sessions;        /* what came of the table */
    size_t sessions_bytes;
    size_t sessions_capacity;
    struct node_configuration *configuration; /* in force there */
};

/* A snapshot that comes from a leader. */
struct node_install {
    enum node_install_state state;
    node_id from;
    struct raft_position position;
    uint64_t size_bytes;
    uint64_t offset; /* of the next byte wanted */
    struct content_reader check;
    bool has_check;
    struct raft_data pieces[NODE_INSTALL_PIECES_MAX]; /* ring; their chunks are held */
    size_t piece_head;
    size_t piece_count;
    size_t piece_given; /* bytes of the first one that the store has */
    bool is_answer_due; /* where it stands; the leader sends no more until it hears that */
    time_ns heard_ns;
    uint64_t installed_count;
};

_Static_assert(NODE_INSTALL_PIECES_MAX / 2 * CONTENT_BLOCK_BYTES_MAX >=
                   NODE_SENDING_WINDOW_BYTES_MAX,
               "a window fits in the half that is free when it is opened");

/* snapshot.c */
NODISCARD int node_snapshots_open(struct node *node, struct snapshot_found *found, char *detail);
void node_snapshots_turn(struct node *node);
time_ns node_snapshots_deadline(const struct node *node);
void node_snapshots_stop(struct node *node);
void node_snapshots_deinit(struct node *node);
bool node_snapshots_are_idle(const struct node *node);
void node_snapshots_refuse(struct node *node);
void node_snapshots_want_state(struct node *node);
void node_snapshots_want(struct node *node); /* with the state, whatever kind that is */

/* Tell those who asked for one. */
void node_snapshots_tell(struct node *node, int status, raft_index index);

/* The one that is being taken failed: it is given up, and another tried later. */
void node_taking_failed(struct node *node, int status);

/* taking.c */

/* Begin one that stands at `index`, where the state machine stands. */
void node_taking_begin(struct node *node, raft_index index, bool is_bare);

/* One slice; the next with the next turn, when the store has room. */
void node_taking_advance(struct node *node);
void node_taking_end(struct node *node); /* all of it is durable, or none of it will be */
void node_taking_abandon(struct node *node);

/* backup.c */
void node_backups_turn(struct node *node);
time_ns node_backups_deadline(const struct node *node);
void node_backups_read(struct node *node, uint64_t token, int status, const uint8_t *data,
                       size_t size_bytes);
void node_backups_stop(struct node *node);

/* compact.c */
void node_compact(struct node *node);
time_ns node_compact_deadline(const struct node *node);

/* restore.c */
NODISCARD int node_restore_at_start(struct node *node, const struct wal_recovered *recovered,
                                    const struct snapshot_found *found, char *detail);
NODISCARD int node_restore_tell(struct node *node);
bool node_restore_begin(struct node *node); /* false: too many are read, nothing was done */
void node_restore_read(struct node *node, int status, struct chunk *chunk, const uint8_t *data,
                       size_t size_bytes);
void node_restore_turn(struct node *node);
void node_restore_stop(struct node *node);

/* sending.c */
void node_sendings_take(struct node *node, const struct raft_sending *wanted, size_t wanted_count,
                        const struct raft_piece_answer *answers, size_t answer_count);
void node_sendings_turn(struct node *node);
time_ns node_sendings_deadline(const struct node *node);
void node_sendings_stop(struct node *node);
void node_sendings_read(struct node *node, uint64_t token, int status, struct chunk *chunk,
                        const uint8_t *data, size_t size_bytes);

/* A member wants a snapshot at or above an index in the place of its state, though the log leads
 * there; 0: not any more.
 */
void node_sendings_rebuild(struct node *node, node_id peer, raft_index wanted);
void node_sendings_answered(struct node *node, const struct raft_message *message);
raft_index node_sendings_floor(const struct node *node, node_id peer);

/* install.c */
void node_install_turn(struct node *node);
time_ns node_install_deadline(const struct node *node);
bool node_is_restoring(const struct node *node);
void node_install_take(struct node *node, const struct raft_piece *piece);
void node_install_written(struct node *node, int status, const struct snapshot_info *info);
void node_install_stop(struct node *node);
void node_install_restored(struct node *node);

#endif
