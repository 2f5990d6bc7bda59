/* internal.h: what the files of the engine share.
 *
 * Owns     the engine: one node, its disk, its transport, and its place on a loop.
 * Threads  everything belongs to the loop's thread, but what stands under the mutex, and what is
 *          the application thread's (application.h): the state machine and all callbacks, unless
 *          the engine is inline. Locks, in the order in which they are taken: engine.mutex,
 *          application.mutex, small_mutex. Code of the program is called under none, but its
 *          allocator, and the loop's thread waits for nobody.
 *
 * The node must not be called from within its own calls. So whatever a program asks for
 * from within a callback is queued, like what comes from another thread, and taken in at
 * the beginning of the next turn, in order.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/log.h"
#include "base/pool.h"
#include "engine/application.h"
#include "engine/handlers.h"
#include "engine/log_store.h"
#include "engine/poison.h"
#include "engine/sized.h"
#include "engine/snapshot_store.h"
#include "engine/waiters.h"
#include "node/backup_file.h"
#include "node/node.h"
#include "quorate/backup.h"
#include "quorate/engine.h"
#include "quorate/keys.h"
#include "quorate/membership.h"
#include "runtime/disk_posix.h"
#include "runtime/gossip.h"
#include "runtime/keyring.h"
#include "runtime/transport.h"
#include "swim/swim.h"

#define ENGINE_QUEUE_BYTES_MAX (UINT64_C(64) << 20) /* of requests; one message may pass it */
#define ENGINE_SUSPECT_NS (5 * NS_PER_S)            /* without a connection; then dead */
#define ENGINE_STOP_TELLING_NS (100 * NS_PER_MS)    /* so long who stops tells the members, */
#define ENGINE_LEAVE_TELLING_NS (600 * NS_PER_MS)   /* and so long who leaves: a few rounds of it */
#define ENGINE_TRIM_NS NS_PER_S                  /* how often memory that lies idle is given back */
#define ENGINE_LOOP_KEPT_BYTES ((size_t)4 << 20) /* at most, of frames and chunks */
#define ENGINE_SMALL_KEPT_BYTES ((size_t)16 << 20) /* at most, of requests and results */
#define ENGINE_FRESH_NS NS_PER_S /* how often the age of what is applied is asked */

enum request_kind {
    REQUEST_PROPOSE,
    REQUEST_READ,
    REQUEST_SNAPSHOT,
    REQUEST_CHANGE,
    REQUEST_KEYS,
    REQUEST_CALL, /* on the stack of a thread that waits for it */
};

struct request {
    enum request_kind kind;
    struct request *next;
    size_t size_bytes; /* of this struct with its data */
    union {
        struct {
            qr_propose_done *done;
            void *argument;
            struct qr_id id;
            bool is_guarded;
            bool is_cancelled;
            uint32_t timeout_ms;
            uint64_t ticket; /* 0: none */
            size_t command_bytes;
            size_t payload_bytes;
        } propose;
        struct {
            qr_read_done *done;
            void *argument;
            struct qr_read_options options;
        } read;
        struct {
            qr_snapshot_done *done;
            void *argument;
        } snapshot;
        struct {
            qr_change_done *done;
            void *argument;
        } change;
        struct {
            qr_keys_done *done;
            void *argument;
            enum qr_keys_action action;
            size_t key_bytes;
        } keys;
        struct {
            void (*run)(struct qr_engine *engine, void *argument);
            void *argument;
            bool is_done;
        } call;
    };
    uint8_t data[]; /* propose: command, then payload; change: a struct wire_change; keys: a key */
};

/* What is told of this node's role: under application.mutex. */
struct engine_roles {
    struct engine_handlers handlers;
    struct qr_role_event latest;
    uint64_t number; /* of it */
    bool is_given;   /* the application thread is to tell it */
};

/* How far a departure has come. */
enum engine_leave_state {
    ENGINE_STAYING,
    ENGINE_LEAVE_ASKED,
    ENGINE_HANDING_OVER, /* a transfer of leadership is waited for */
    ENGINE_HANDED_OVER,  /* or nobody took it: the members are told */
};

/* What makes snapshots smaller. */
struct engine_codec {
    struct content_codec codec;
    struct ZSTD_CCtx_s *compressor; /* NULL: not yet needed */
    struct ZSTD_DCtx_s *expander;
};

/* The change of the keys that is under way, and where they stand. */
struct engine_keys {
    char path[KEYRING_PATH_BYTES_MAX];
    bool is_busy;
    struct qr_engine *engine;
    qr_keys_done *done;
    void *argument;
    const char *reason; /* of its success; static */
    uv_work_t work;     /* what follows belongs to its thread while is_busy */
    struct keyring_key before[KEYRING_KEYS_MAX];
    struct keyring_key after[KEYRING_KEYS_MAX];
    size_t before_count;
    size_t after_count;
    int status;
    char detail[KEYRING_DETAIL_BYTES];
};

/* A backup that is being taken. */
struct qr_backup {
    struct qr_engine *engine;
    bool is_used;
    bool is_closing;
    bool is_called; /* a barrier or a snapshot will be answered */
    bool is_due;    /* one was: look for the snapshot */
    bool is_open;   /* the node has a reader for it: `at` and `head` are set */
    bool is_head_given;
    bool is_wanted; /* the next piece */
    bool is_reading;
    unsigned tries;
    int status; /* of the first failure */
    raft_index least;
    size_t at;
    qr_backup_done *done;
    void *argument;
    uint8_t head[BACKUP_HEAD_BYTES];
};

#define ENGINE_MAGIC UINT64_C(0x51756f7261746521) /* "Quorate!" */

struct qr_engine {
    uint64_t magic;             /* ENGINE_MAGIC while it lives */
    struct allocator allocator; /* of any thread; what comes from it in small pieces has pools: */
    struct pool pool;           /* of the loop's thread */
    struct pool small;          /* of all threads, under small_mutex */
    pthread_mutex_t small_mutex;
    time_ns trim_ns; /* when what lies idle in them is given back */
    struct qr_state_machine state_machine;
    struct qr_limits limits;
    void (*on_stopped)(void *argument, int status, const char *reason);
    void *argument;
    char name[QR_NAME_BYTES_MAX];
    bool is_observer;
    struct log_sink log;

    bool has_thread; /* of its own, with own_loop */
    bool is_thread_started;
    pthread_t thread;
    uv_loop_t own_loop;
    uv_loop_t *loop;
    uv_check_t check;
    uv_prepare_t prepare;
    uv_idle_t idle;
    uv_timer_t timer;
    uv_async_t async; /* with a thread, or a store of the program's */
    bool has_async;
    uint32_t open_handles;
    time_ns armed_ns; /* when the timer fires; TIME_NEVER: it is off */

    struct disk_posix *disk;
    struct engine_log *log_store;            /* NULL: the log is files of the disk */
    struct engine_snapshots *snapshot_store; /* NULL: snapshots are on the disk */
    struct transport *transport;
    struct keyring *keyring; /* NULL: without a secret. Of the loop's thread, as all of these */
    struct engine_keys keys;
    struct gossip *gossip;
    bool is_gossip_due; /* packets have arrived */
    time_ns leave_ns;   /* when leaving is waited for no longer; 0: it has not begun */
    struct node *node;  /* NULL once it is closing */
    node_id self;
    bool is_dirty;    /* something came in since the last turn; then `idle` is active */
    uint32_t in_node; /* node calls under way: it must not be called */
    struct waiters proposals;
    struct waiters reads;
    struct waiters snapshots;
    struct engine_codec codec;
    struct waiters changes;
    struct qr_backup backups[NODE_BACKUPS_MAX];
    struct qr_result results[NODE_APPLY_ENTRIES_MAX];
    raft_index applied_index; /* the last entry that the state machine has */
    uint64_t settled_digest;  /* of the state machine behind the last batch that the node ended */
    struct application application;
    struct poison poison;
    struct engine_handlers commit_handlers;
    struct engine_handlers membership_handlers;
    struct engine_roles roles;
    uint64_t last_token;
    enum engine_leave_state leave_state;
    enum qr_leave_reason leave_reason;
    struct qr_counters counters; /* the engine's own part */

    struct request *taking;       /* those that this turn has still to take */
    atomic_uint_fast64_t tickets; /* given out so far */

    atomic_bool is_leader;
    atomic_bool is_refusing; /* it takes nothing any more: handlers neither */
    atomic_bool is_stop_asked;
    bool is_stopping;
    int stop_status;
    char stop_reason[NODE_DETAIL_BYTES];

    pthread_mutex_t mutex;
    pthread_cond_t answered; /* some call is done */
    struct request *first;   /* under the mutex, like all below */
    struct request *last;
    uint64_t queued_count;
    uint64_t queued_bytes;
    bool is_on_loop; /* the handles are there */
    bool is_closed;  /* takes nothing any more; the final values stand */
    bool is_finished;
    struct qr_status final_status;
    struct qr_counters final_counters;
};

/* options.c */

/* Take what a program of any version gave. Returns 0, QR_ERR_INVALID or QR_ERR_VERSION. */
NODISCARD int engine_options_read(const struct qr_engine_options *given,
                                  struct qr_engine_options *out, char *detail);
NODISCARD int engine_options_check(const struct qr_engine_options *options, char *detail);

/* HOST:PORT of another node, short enough. Returns 0 or QR_ERR_ADDRESS, with `detail` set. */
NODISCARD int engine_address_check(const char *address, char *detail);

/* HOST:PORT,… to join through. Returns 0, QR_ERR_INVALID or QR_ERR_ADDRESS, with `detail` set. */
NODISCARD int engine_join_check(const char *list, char *detail);
NODISCARD int engine_name_check(const char *name, char *detail);
NODISCARD int engine_advertised_check(const char *option, const char *text, char *detail);

/* limits.c: what options and limits, checked, mean to SWIM; the node sets what it knows itself. */
struct swim_options engine_swim_options(const struct qr_engine_options *options);

/* stop.c: whether a program gave an engine: NULL is none. In CHECKS builds one that was freed, or
 * is none at all, is noticed as far as that can be.
 */
bool engine_is_given(const struct qr_engine *engine);

/* turn.c: when the node gets its turn. */
struct node_time engine_time(void);
void engine_mark(struct qr_engine *engine);
void engine_start_turns(struct qr_engine *engine);
void engine_close_turns(struct qr_engine *engine);
/* One handle less; the last lets the engine be finished. */
void engine_handle_closed(struct qr_engine *engine);

/* memory.c: what every call needs, without asking the program's allocator. */
void engine_memory_init(struct qr_engine *engine);
void engine_memory_deinit(struct qr_engine *engine);
/* Memory for what one thread makes and another ends; NULL: it ran out. Any thread, any lock. */
void *engine_small_new(struct qr_engine *engine, size_t size_bytes);
void engine_small_free(struct qr_engine *engine, void *memory, size_t size_bytes);

/* Each turn: give back what lies idle. */
void engine_memory_turn(struct qr_engine *engine, time_ns now_ns);

/* queue.c: requests that wait for the next turn. */

/* A request with its data's room, of a kind, and nothing else set; NULL: memory ran out. */
struct request *engine_request_new(struct qr_engine *engine, enum request_kind kind,
                                   size_t data_bytes);

/* Queue one, which is given. Returns 0, QR_ERR_BUSY or QR_ERR_STOPPED: then it is not taken. */
NODISCARD int engine_queue(struct qr_engine *engine, struct request *request);
bool engine_queue_is_empty(struct qr_engine *engine);
void engine_take_requests(struct qr_engine *engine);

/* Have the loop take a turn. Any thread, but the loop's own. */
void engine_wake(struct qr_engine *engine);

/* A store of the program's has told something, which the next turn takes: see that there is one.
 * Any thread, also from within a call of the loop's; while the engine is being opened, its first
 * turn will do.
 */
void engine_store_told(struct qr_engine *engine);

/* Whether this is the thread that everything of the engine belongs to. */
bool engine_is_on_loop(const struct qr_engine *engine);

/* Run on the loop's thread and wait for it; at once on that thread, or when it has ended. */
void engine_call(struct qr_engine *engine, void (*run)(struct qr_engine *engine, void *argument),
                 void *argument);
void engine_request_free(struct qr_engine *engine, struct request *request);

/* ends.c: how calls end: at once, or on the application thread. The loop's thread. */
void engine_end_proposal(struct qr_engine *engine, const struct waiter_call *waiter, int status,
                         raft_index index, const struct qr_result *result);
void engine_end_read(struct qr_engine *engine, const struct waiter_call *waiter, int status,
                     raft_index index);
void engine_end_snapshot(struct qr_engine *engine, const struct waiter_call *waiter, int status,
                         raft_index index);
void engine_end_change(struct qr_engine *engine, const struct waiter_call *waiter, int status,
                       const struct qr_change_result *result);
void engine_end_keys(struct qr_engine *engine, const struct waiter_call *waiter, int status,
                     const char *reason, const struct qr_keys *keys);

/* Whether a callback is the engine's own, which has no room reserved for it. */
bool engine_is_own(void (*done)(void));

/* machine.c: the state machine as the node sees it. */
struct qr_state_machine engine_machine(struct qr_engine *engine);
bool engine_is_restore_busy(void *context);

/* calls.c */

/* What the node may answer, as what qr_propose() and qr_read_barrier() promise. */
int engine_refusal(int status);
NODISCARD int engine_propose(struct qr_engine *engine, const struct qr_proposal *proposal,
                             qr_propose_done *done, void *argument);

/* As qr_propose(), whatever the id says. */
NODISCARD int engine_submit(struct qr_engine *engine, const struct qr_proposal *proposal,
                            qr_propose_done *done, void *argument);
NODISCARD int engine_snapshot(struct qr_engine *engine, qr_snapshot_done *done, void *argument);
void engine_snapshot_done(void *context, uint64_t token, int status, raft_index index);
void engine_proposal_done(void *context, uint64_t token, int status, raft_index index,
                          const struct qr_result *result);
void engine_read_done(void *context, uint64_t token, int status, raft_index index);

/* read.c */
void engine_take_read(struct qr_engine *engine, const struct request *request);

/* Queue a request that has no data of its own; a copy is made. */
NODISCARD int engine_queue_small(struct qr_engine *engine, const struct request *filled);

/* The loop's thread may ask the node at once, unless it would overtake, or is inside it. */
bool engine_is_direct(struct qr_engine *engine);

/* In milliseconds, not less than it is. */
uint64_t engine_age_ms(time_ns age_ns);

/* codec.c */
const struct content_codec *engine_codec_init(struct engine_codec *self);
void engine_codec_deinit(struct engine_codec *self);

/* change.c */
NODISCARD int engine_change(struct qr_engine *engine, const struct wire_change *change,
                            qr_change_done *done, void *argument);
void engine_take_change(struct qr_engine *engine, const struct request *request);

/* Have the node invite who waits at `address`; done() follows as behind engine_change(), with
 * nothing tolerated, unless this returns an error.
 */
NODISCARD int engine_invite(struct qr_engine *engine, const char *address, bool is_learner,
                            qr_change_done *done, void *argument);
void engine_change_done(void *context, uint64_t token, int status,
                        const struct node_change_result *result);

/* keys.c */
NODISCARD int engine_keys_open(struct qr_engine *engine, const struct qr_engine_options *options,
                               char *detail);
void engine_take_keys(struct qr_engine *engine, struct request *request);

/* backup.c */
void engine_backups_turn(struct qr_engine *engine);
void engine_backups_stop(struct qr_engine *engine); /* answer who waits: nothing comes any more */
void engine_backup_passed(void *argument, int status, uint64_t index); /* the barrier */
void engine_backup_taken(void *argument, int status, uint64_t index);  /* a snapshot */
void engine_backup_read(void *context, size_t at, int status, const uint8_t *data,
                        size_t size_bytes);

/* apply.c */
void engine_apply(void *context, const struct qr_entry *entries, size_t count, bool wants_digest);
uint64_t engine_wake_at(void *context);

/* The batch that the application thread has ended, if any, back to the node. */
void engine_take_applied(struct qr_engine *engine);

/* What the state machine said of itself last. Any thread. */
struct application_facts engine_facts(struct qr_engine *engine);

/* Ask it anew: on the thread that calls it, or before there is one. */
void engine_note_facts(struct qr_engine *engine);

/* world.c: what the node asks of the transport, and what the transport tells the node. */
struct node_io engine_node_io(struct qr_engine *engine);
struct transport_events engine_transport_events(struct qr_engine *engine);
void engine_set_members(struct qr_engine *engine);

/* gossip.c: what SWIM says, and hears. packets: given, if this returns 0; NULL: UDP. */
NODISCARD int engine_gossip_open(struct qr_engine *engine, const struct qr_engine_options *options,
                                 struct packets *packets, char *detail);

/* Before a turn: what has arrived. `is_polled`: the loop has just looked at its sockets. */
void engine_gossip_take(struct qr_engine *engine, bool is_polled);
void engine_gossip_packet(void *context, const char *address, const uint8_t *data,
                          size_t size_bytes);
void engine_gossip_stream(void *context, const char *address, uint64_t answers, const uint8_t *data,
                          size_t size_bytes);
void engine_gossip_received(void *context, const struct transport_gossip *gossip);
void engine_member_closed(void *context, node_id member, bool is_refused);

/* Leave, or go on with it; whether it is done, or took `limit_ns`, which counts from the first
 * call with it; the shortest holds, and of reasons the first.
 */
bool engine_gossip_leave(struct qr_engine *engine, enum swim_reason reason, time_ns limit_ns);

/* status.c */
void engine_status_fill(struct qr_engine *engine, struct qr_status *out);
void engine_counters_fill(struct qr_engine *engine, struct qr_counters *out);
void engine_publish_role(struct qr_engine *engine);

/* status_members.c: the members, as the configuration, the connections and gossip have them. */
void engine_members_fill(const struct qr_engine *engine, const struct node_status *status,
                         struct qr_status *out);

/* Who leads, and what gossip knows; ahead of engine_members_fill(). */
void engine_gossip_fill(const struct qr_engine *engine, const struct node_status *status,
                        struct qr_status *out);
enum qr_health engine_health(const struct qr_engine *engine, node_id id);

/* Milliseconds since a moment of the loop's clock; QR_AGE_UNKNOWN: it is 0, never. */
uint64_t engine_since_ms(time_ns then_ns);
void engine_copy(char *out, size_t out_bytes, const char *string);

/* role.c: if it is another one than was told last. */
void engine_tell_role(struct qr_engine *engine, const struct qr_role_event *event);

/* membership.c */
void engine_gossip_news(void *context, const struct swim_news *news,
                        const struct swim_profile *profile);

/* leave.c: at the end of a turn: go on with leaving, if that is asked for. */
void engine_leave_handed_over(void *argument, int status, const struct qr_change_result *result);
void engine_leave_turn(struct qr_engine *engine);

/* stop.c */

/* The node cannot go on, or is told to stop; the first reason stays. */
void engine_note_stop(struct qr_engine *engine, int status, const char *reason);

/* At the end of a turn: go on with stopping, if that is asked for. */
void engine_stop_turn(struct qr_engine *engine);

/* On a loop of its own: run it until everything is closed. */
void engine_run(struct qr_engine *engine);

/* Free the memory of an engine that has nothing open. */
void engine_free_memory(struct qr_engine *engine);

#endif
