/* node.h: one node: raft + log + identity + who waits for what, and the order between them.
 *
 * Owns     the identity of the data directory, the Raft machine, the durable log, the
 *          proposals and reads that somebody waits for, joining a cluster, promotion of
 *          learners, ticks of log time, and the SWIM machine (see docs/swim.md, "With Raft").
 * Does not know a clock, a random number, a socket, a file or a thread: time comes with each
 *          call, chance as a seed, disk and network through interfaces.
 * Threads  one caller at a time; interfaces are called on the caller's thread, from within
 *          node calls, and must not call back into the node unless it says so.
 *
 * Calls only take things in; node_turn() lets them happen: one save, one append_entries per
 * peer, one batch to apply for everything that came since the turn before.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "base/allocator.h"
#include "base/log.h"
#include "base/types.h"
#include "node/content.h"
#include "node/divergence.h"
#include "node/gossip.h"
#include "node/identity.h"
#include "node/status.h"
#include "quorate/state_machine.h"
#include "quorate/types.h"
#include "raft/raft.h"
#include "swim/swim.h"
#include "wal/disk.h"
#include "wal/log_store.h"
#include "wire/wire.h"

#define NODE_DETAIL_BYTES 512
#define NODE_APPLY_ENTRIES_MAX QR_APPLY_ENTRIES_MAX
#define NODE_SNAPSHOT_WAITERS_MAX 16
#define NODE_BACKUPS_MAX 2 /* at a time */

/* What machine.snapshot_open, snapshot_read and restore_end return where the state machine is asked
 * on another thread: not yet. A turn of the node follows when there is an answer, in which it asks
 * the same again, or closes with the view NULL what it has not opened yet. Buffers are not kept.
 */
#define NODE_LATER 1

/* Both clocks at one moment. */
struct node_time {
    time_ns now_ns;  /* monotonic, never going back */
    time_ns wall_ns; /* since the Unix epoch */
};

/* What came of a change, or would come of it. */
struct node_change_result {
    uint32_t tolerated_before; /* voters heard lately that may still fail, before the change */
    uint32_t tolerated_after;
    char reason[WIRE_REASON_BYTES_MAX]; /* in words, also of success */
};

/* What a node asks of the world. */
struct node_io {
    void *context;

    /* Send a frame to a member. The frame is given; without a connection, or with its queue
     * full, it is dropped: Raft sends again. Returns false when it was certainly not sent.
     */
    bool (*send)(void *context, node_id to, struct wire_frame *frame);

    /* Keep connections to these members (but this node), and to no other. Borrowed. */
    void (*members)(void *context, const struct raft_configuration *configuration);

    /* Dial a member to join through, or who is invited, instead of any dialed before; NULL: none
     * any more.
     * node_seed_ready() or node_seed_closed() follows, later.
     */
    void (*dial_seed)(void *context, const char *address);
    void (*send_seed)(void *context, struct wire_frame *frame);

    /* Answer on the connection a message came in on; ignored when that is gone. */
    void (*reply)(void *context, uint64_t connection, struct wire_frame *frame);

    /* Apply these, in order. Then node_applied(), once, from within this call or later;
     * entries stay valid until then. Only one batch is under way at a time.
     *
     * wants_digest   the end of the batch tells the digest of the state behind it: asked seldom,
     *                and only where machine.digest is not NULL; then there may be no entries.
     */
    void (*apply)(void *context, const struct qr_entry *entries, size_t count, bool wants_digest);

    /* When the state machine wants a tick (log time), 0 for never. May be NULL. */
    uint64_t (*wake_at)(void *context);

    /* The functions for snapshots, of which nothing is called but its functions, with its own
     * context; and whether there is a digest, which is asked by apply(). All NULL: none are taken,
     * none are taken over, and the log is never compacted.
     */
    struct qr_state_machine machine;

    /* Whether what was given to machine.restore_…() is still being taken over: then no more of it
     * is given, and a turn follows. NULL: it never is, and none of them returns NODE_LATER.
     */
    bool (*is_restore_busy)(void *context);

    /* From here on what this replica gives as results may be wrong, or no longer: its state was
     * found to differ from a majority's, or agrees again. Told before that is made durable. May be
     * NULL.
     */
    void (*isolated)(void *context, bool is_isolated);

    /* node_snapshot() ended: 0, and there is one that stands at `index`. */
    void (*snapshot_done)(void *context, uint64_t token, int status, raft_index index);

    /* node_backup_read() ended: the next bytes of the snapshot, borrowed until return; none at its
     * end. NULL: backups are not asked for.
     */
    void (*backup_read)(void *context, size_t backup, int status, const uint8_t *data,
                        size_t size_bytes);

    /* A proposal ended, see qr_propose_done; `result` is NULL unless status is 0 or
     * QR_ERR_REJECTED.
     */
    void (*proposal_done)(void *context, uint64_t token, int status, raft_index index,
                          const struct qr_result *result);
    void (*read_done)(void *context, uint64_t token, int status, raft_index index);

    /* A change or an invitation ended: 0 or why not; `result` is borrowed until return. NULL: none
     * is asked for.
     */
    void (*change_done)(void *context, uint64_t token, int status,
                        const struct node_change_result *result);

    /* A datagram to HOST:PORT; may be lost. Borrowed, at most SWIM_PACKET_BYTES_MAX. It and the
     * two below may be NULL in a node without gossip; from within node_turn() alone.
     */
    void (*gossip_packet)(void *context, const char *address, const uint8_t *data,
                          size_t size_bytes);

    /* A message on a stream, at most SWIM_PIECE_BYTES_MAX, borrowed: on a new stream to `address`,
     * the messages of one turn to one address on the same; or, address NULL, back on the stream
     * `answers`, a number that node_gossip_stream() had; ignored when that is gone.
     */
    void (*gossip_stream)(void *context, const char *address, uint64_t answers, const uint8_t *data,
                          size_t size_bytes);

    /* News of the members, in order, each borrowed until return; the node has written its own log
     * line already. `profile` is NULL where it is not known. May be NULL.
     */
    void (*gossip_news)(void *context, const struct swim_news *news,
                        const struct swim_profile *profile);

    /* Role, term or leader changed; once a turn at most. */
    void (*changed)(void *context);

    /* The node cannot go on: it no longer votes, answers or leads. Said once. */
    void (*failed)(void *context, int status, const char *reason);
};

struct node_options {
    const struct allocator *allocator; /* borrowed */
    const struct disk *disk;           /* borrowed */
    const struct disk *snapshot_disk;  /* borrowed; where the snapshots are; NULL: on `disk` */
    const struct log_sink *log;        /* borrowed; may be NULL */
    struct node_io io;
    const char *name; /* copied, like the other strings */
    const char *address;
    const char *meta;
    const char *join; /* HOST:PORT,… or NULL */
    bool is_bootstrap;
    bool is_waiting; /* a directory without a cluster waits for node_join(), without join */
    bool is_learner;
    node_id fresh_node_id;              /* random: for a directory that has no identity */
    struct cluster_id fresh_cluster_id; /* random: for a bootstrap */
    uint64_t seed;                      /* random: election timeouts, proposal ids, jitter */
    time_ns election_timeout_min_ns;
    time_ns election_timeout_max_ns;
    time_ns heartbeat_interval_ns;
    time_ns proposal_timeout_ns;
    uint64_t message_bytes_max; /* of a proposal's command and payload, and of a frame's entries */
    uint64_t inflight_bytes_max;
    uint64_t cache_bytes_max;
    uint64_t segment_bytes;
    uint32_t pending_max; /* proposals, and reads, that wait */

    /* When the log is compacted, see snapshot.c. 0 entries: never. */
    uint64_t log_entries_max;
    uint64_t log_bytes_max;
    time_ns snapshot_interval_ns;      /* between two that nobody asked for, at least */
    uint64_t sending_bytes_per_second; /* of snapshots to members, together; 0: any */
    time_ns member_wait_ns; /* how long entries are kept for a member that is not heard of; 0: ten
                               election timeouts */
    uint32_t snapshot_chunk_bytes;     /* of a snapshot on the disk, and on its way; 0: the most */
    const struct content_codec *codec; /* borrowed; NULL: snapshots are not compressed */
    /* A leader whose disk or state machine has not advanced for so long, though it has something
     * to do, hands over (RAFT_EVENT_STALL); 0: never.
     */
    time_ns stall_timeout_ns;
    time_ns lease_ns;   /* of lease reads, see raft_options; 0: none */
    bool keeps_promise; /* on which the leases of others rest, see raft_options */
    /* How often a node asks by itself how old what is applied here is, when no stale read was made
     * lately; 0: only behind one.
     */
    time_ns fresh_interval_ns;

    /* What members say to each other besides Raft: options of the SWIM machine, of which the node
     * sets allocator, self, cluster, incarnation and seed; borrowed until node_open() returns.
     * NULL: none, and the node is as if there were no such thing.
     */
    const struct swim_options *gossip;
    const char *client_address; /* for its profile; copied; may be NULL */
    const char *http_address;   /* likewise */
    bool has_hints;             /* Raft is told when the leader seems to be gone */
    /* As leader, remove a member by itself once gossip has held it for dead, or gone, for so long:
     * see docs/membership.md. 0: never.
     */
    time_ns remove_dead_after_ns;
    enum node_on_divergence on_divergence;
    raft_index apply_alone_until;      /* entries up to there go to the state machine one by one */
    const struct log_store *log_store; /* borrowed; NULL: files of the disk */
    uint8_t stores; /* enum node_stores: what stores of the program's keep; the directory says so */
    bool is_observer; /* hears gossip alone: in no cluster, it never asks to be taken in; needs
                         is_waiting or `join`, whose addresses are its seeds */
};

struct node;

/* Open the data directory behind options->disk and make the node.
 *
 * detail   NODE_DETAIL_BYTES; on failure a sentence with the file and what to do.
 *
 * Returns 0, or with nothing changed on the disk that was there before: QR_ERR_INVALID,
 * QR_ERR_CORRUPT, QR_ERR_VERSION, QR_ERR_FOREIGN, QR_ERR_IO, QR_ERR_DISK_FULL,
 * QR_ERR_NO_MEMORY.
 */
NODISCARD int node_open(const struct node_options *options, struct node_time time,
                        struct node **out, char *detail);

/* Take part no more; who waits is answered QR_ERR_STOPPED. Free it when node_settle(), or at
 * least node_is_idle(), says so.
 */
void node_stop(struct node *node);

/* After node_stop(), whenever something ended: note in the log that its end is durable, once
 * nothing else is under way. Returns true when that is done too.
 */
bool node_settle(struct node *node);
bool node_is_idle(const struct node *node);
void node_free(struct node *node);

struct node_proposal {
    struct proposal_id id; /* all zero: the node makes one; of a session or token: applied once */
    bool is_guarded;       /* not to be applied by members of version 0.1.0; so is all with such
                              an id */
    const char *command;
    size_t command_bytes;
    const void *payload;
    size_t payload_bytes;
    time_ns timeout_ns; /* 0: options.proposal_timeout_ns */
    uint64_t ticket;    /* for node_cancel(), no other's; 0: none */
};

/* Commands of control proposals, whose id.high is QR_SESSION_BIT alone (id.low 0: the node makes
 * one): open a session (payload: its timeout, u64, nanoseconds), end one (its id.high, u64), or
 * settle an id (high, low, u64 each). See docs/exactly-once.md.
 */
#define NODE_SESSION_OPEN "open"
#define NODE_SESSION_END "end"
#define NODE_SESSION_SETTLE "settle"

/* Take a proposal; io.proposal_done(token) follows in some later turn.
 * Returns 0, or, then nothing follows, QR_ERR_INVALID, QR_ERR_TOO_LARGE, QR_ERR_BUSY (a limit,
 * or a proposal with this id is under way), QR_ERR_VERSION (guarded, and a member is too old),
 * QR_ERR_DISK_FULL, QR_ERR_NO_MEMORY, QR_ERR_DIVERGED (its result would be wrong here) or
 * QR_ERR_STOPPED.
 */
NODISCARD int node_propose(struct node *node, const struct node_proposal *proposal, uint64_t token,
                           struct node_time time);

/* Give up a proposal: io.proposal_done() says in the next turn QR_ERR_WITHDRAWN, if no leader has
 * it, or else QR_ERR_CANCELLED. This may be called from within another call of the node. False: it
 * was told already, or there never was such a one. Cost: linear in what is pending.
 */
bool node_cancel(struct node *node, uint64_t ticket);

/* Take a read; io.read_done(token) follows in some later turn. Where there are leases it is
 * answered by one. Returns as node_propose().
 */
NODISCARD int node_read(struct node *node, uint64_t token, struct node_time time);

/* The same by a round, whatever leases there are: no clock is trusted. A leader of version 0.1.0
 * knows no leases.
 */
NODISCARD int node_read_by_round(struct node *node, uint64_t token, struct node_time time);

/* Whether what is applied here may be read as it is, now, by who takes it however old it is, up to
 * `age_ns_max`; TIME_NEVER: also when its age is not known.
 *
 * age_ns   at most so long ago everything that had been acknowledged anywhere was applied here,
 *          by this node's clock, and by leases' where there are any; TIME_NEVER: it is not known,
 *          since no question was answered in this life.
 *
 * Allowed from within callbacks. Returns 0, or, with nothing done but that the age is found out
 * again soon, QR_ERR_STALE (older, or of unknown age), QR_ERR_BUSY (the state machine is taking
 * over a snapshot), QR_ERR_NO_LEADER (in no cluster yet), QR_ERR_DIVERGED or QR_ERR_STOPPED.
 */
NODISCARD int node_read_stale(struct node *node, time_ns age_ns_max, struct node_time time,
                              time_ns *age_ns);

/* That age, for who looks at the node. */
time_ns node_age(const struct node *node, time_ns now_ns);

/* Take a snapshot now, whatever the limits say, of at least all that is applied here by now, with
 * the batch that is being applied: when one that is under way has less, the next one follows at
 * once. io.snapshot_done(token) follows in some later turn. Returns 0, or, then nothing follows,
 * QR_ERR_INVALID (the state machine makes none), QR_ERR_BUSY (NODE_SNAPSHOT_WAITERS_MAX wait),
 * QR_ERR_DIVERGED or QR_ERR_STOPPED.
 */
NODISCARD int node_snapshot(struct node *node, uint64_t token, struct node_time time);

/* Begin to read the newest snapshot as a backup. Its file stays until node_backup_close().
 *
 * least    index at which the snapshot must stand, or above.
 * backup   set: 0..NODE_BACKUPS_MAX - 1.
 * head     BACKUP_HEAD_BYTES of room: the beginning of the backup.
 *
 * Returns 0, QR_ERR_NOT_FOUND (there is none such: ask for one by node_snapshot()), QR_ERR_BUSY
 * (too many are read), QR_ERR_TOO_LARGE (its index or term is beyond what a backup holds),
 * QR_ERR_DIVERGED (it may hold what is wrong here) or QR_ERR_STOPPED.
 */
NODISCARD int node_backup_open(struct node *node, raft_index least, struct node_time time,
                               size_t *backup, uint8_t *head);

/* Read on; io.backup_read() follows in some later turn, no faster than snapshots are sent. One at a
 * time. Returns 0, or QR_ERR_STOPPED, and nothing follows: the node has stopped or failed since.
 */
NODISCARD int node_backup_read(struct node *node, size_t backup, struct node_time time);

/* End it. What is under way is not told any more. */
void node_backup_close(struct node *node, size_t backup);

/* Change the members, or who leads: the fields of a wire_change but from and request, which are
 * the node's. All of it is one change: done as a whole or not at all. The leader is asked,
 * wherever that is; io.change_done(token) follows in some later turn, with status
 *
 *   0                  done and committed, or there was nothing to do; with is_dry_run: it would be
 *   QR_ERR_NOT_FOUND   no member has one of the names.
 *   QR_ERR_INVALID     it contradicts itself, or leaves no voter that may lead.
 *   QR_ERR_BEHIND      a learner to be promoted has not caught up; the transferee is not heard, or
 *                      differs from the others, or another took over; is_forced insists on a
 *                      promotion.
 *   QR_ERR_QUORUM      too few of the voters that are left are heard; is_forced insists.
 *   QR_ERR_BUSY        other changes took too long.
 *   QR_ERR_NO_LEADER, QR_ERR_STOPPED, QR_ERR_DISK_FULL   not done.
 *   QR_ERR_TIMEOUT     unknown: look who is a member; or the transferee did not take over within
 *                      an election timeout, and may yet.
 *
 * Returns 0, or, then nothing follows, QR_ERR_INVALID (nothing to change is named, or leadership
 * together with members), QR_ERR_BUSY (too many at once) or QR_ERR_STOPPED.
 */
NODISCARD int node_change(struct node *node, const struct wire_change *change, uint64_t token,
                          struct node_time time);

/* Of a node in no cluster that was made with is_waiting: join the cluster of these, whatever it was
 * told before. The same as before leaves what is under way alone.
 *
 * join         HOST:PORT,…, not empty and well-formed; copied.
 * is_learner   never asks for a vote; one that was made so stays so, whatever it is told here.
 *
 * Returns 0, and it goes on trying until it is let in or ends; or, with nothing changed,
 * QR_ERR_FOREIGN (it belongs to a cluster, is just being taken in, or does not wait),
 * QR_ERR_NO_MEMORY or QR_ERR_STOPPED.
 */
NODISCARD int node_join(struct node *node, const char *join, bool is_learner,
                        struct node_time time);

/* What this node says first on a connection it dials. */
void node_hello(const struct node *node, bool has_expected, node_id expected,
                struct wire_hello *out);

/* Judge the hello of who dialed us, and note its version. Returns 0 or the error in
 * response->status: then send the response and close.
 */
NODISCARD int node_hello_check(struct node *node, const struct wire_hello *hello,
                               struct wire_hello_response *response);

/* Judge the answer to our hello; has_expected as in node_hello(), false: of the connection of
 * io.dial_seed, or one for gossip to who knows it and is in a cluster. Returns 0, or an error:
 * then close. `reason` (static or in the response) says why.
 */
NODISCARD int node_hello_response_check(struct node *node,
                                        const struct wire_hello_response *response,
                                        bool has_expected, node_id expected, const char **reason);

/* A message came from `from`, who proved to be of this cluster (or, for a join, to be
 * nobody's yet). Its entries' chunks are held, not copied.
 *
 * connection   of one that is nobody's yet, or invites: its answer goes there, by io.reply(). 0: of
 *              a member, whose join tells of its address and meta, and adds nobody.
 */
void node_receive(struct node *node, node_id from, uint64_t connection,
                  const struct wire_message *message, struct node_time time);

/* Of a member: tell a node that waits in no cluster, at `address`, to ask this one to be taken in,
 * and see it taken in; one at a time. io.change_done(token) follows in some later turn or event,
 * within proposal_timeout_ns, with nothing tolerated and status
 *
 *   0                it is a member, or was one: a learner, which gets a vote as any that joins.
 *   QR_ERR_ADDRESS   nobody was met there.
 *   QR_ERR_FOREIGN   it belongs to another cluster, does not wait, or one of both lacks the secret.
 *   QR_ERR_VERSION   it is of a release that takes no invitations.
 *   QR_ERR_BUSY      another cluster invites it, or memory ran out here or there.
 *   QR_ERR_STOPPED   this node stopped before it was told.
 *   QR_ERR_TIMEOUT   unknown: it may yet be taken in; the reason is what was heard of it last.
 *
 * address      HOST:PORT, shorter than RAFT_ADDRESS_BYTES_MAX; copied.
 * is_learner   it never asks for a vote.
 *
 * Returns 0, or, then nothing follows, QR_ERR_BUSY (another is under way), QR_ERR_NO_LEADER (this
 * node is in no cluster itself, or no member of it any more) or QR_ERR_STOPPED.
 */
NODISCARD int node_invite(struct node *node, const char *address, bool is_learner, uint64_t token,
                          struct node_time time);

/* The connection of io.dial_seed: its hello was accepted; a message came; it is gone.
 *
 * status   with what either end refused the other's hello; QR_ERR_NO_MEMORY: it ran out here; 0: it
 *          is another reason.
 */
void node_seed_ready(struct node *node, struct node_time time);
void node_seed_receive(struct node *node, const struct wire_message *message,
                       struct node_time time);
void node_seed_closed(struct node *node, int status, const char *reason, struct node_time time);

/* Who leads this term seems to be gone; a hint, be it true or false: RAFT_EVENT_LEADER_LOST. */
void node_hint_leader_lost(struct node *node, node_id leader, raft_term term,
                           struct node_time time);

/* How the batch of io.apply ended. */
struct node_batch_end {
    int status;                      /* not 0: the state machine cannot go on, and the node fails */
    const struct qr_result *results; /* [i] is of entries[i]; borrowed until return */
    uint64_t digest;                 /* behind the batch, where it was asked for */
};

/* Returns whether the batch counts. It does not when the node had stopped, nor when the state
 * machine cannot go on, with which the node stops: status and digests stay those of before it.
 */
bool node_applied(struct node *node, const struct node_batch_end *end, struct node_time time);

#define NODE_NO_WAITER UINT64_MAX

/* From within io.apply: take over who waits for the entries of this batch, to tell them at once
 * where they are applied, on whichever thread that is. From then on they are the caller's: with
 * status 0 each is told its result, else QR_ERR_STOPPED, and io.proposal_done is not called.
 *
 * tokens   one for each entry: of its proposal here; NODE_NO_WAITER: of none.
 *
 * Returns false, with nothing taken over and `tokens` untouched, where the session table has a say
 * in what they are told: then the node tells them, behind node_applied().
 */
bool node_claim_waiters(struct node *node, uint64_t *tokens);

/* Let everything that came in happen, and all that is due by now. */
void node_turn(struct node *node, struct node_time time);

/* When node_turn() must be called at the latest; TIME_NEVER for none. */
time_ns node_deadline(const struct node *node);

/* Log time now, see raft_log_time(). */
time_ns node_log_time(const struct node *node, struct node_time time);

#endif
