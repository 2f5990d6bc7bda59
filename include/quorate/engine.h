/* engine.h: a node of a Quorate cluster inside a C program.
 *
 * Owns     one data directory, the connections to the other members, and threads (or a
 *          place on the caller's event loop). The state machine stays the program's.
 * Threads  with a thread of its own every function may be called from any thread, callbacks
 *          included, but that those which wait return QR_ERR_INVALID there. The state machine
 *          and all callbacks come on one thread for them, the application thread, one at a time
 *          and in order: they may block, and only the program itself waits. With is_inline they
 *          come on the engine's thread and must not block. On a caller's loop all calls are made,
 *          and all callbacks come, on the loop's thread, and must not block; such a program must
 *          ignore SIGPIPE. Rules and bounds: docs/threads.md.
 * Versions a struct that begins with size_bytes may have more members in a later version, always
 *          behind those it has, so that programs need not be compiled anew. Whoever makes one
 *          sets size_bytes to its sizeof, and what is not said to 0:
 *              struct qr_proposal proposal = {.size_bytes = sizeof(proposal), .payload = "x", …};
 *          In what a program gives, members that its version does not have count as 0, which is
 *          what the library did before; QR_ERR_VERSION is returned where a library that is older
 *          than the program is told something it does not know. What a program has filled is
 *          filled as far as its own version goes, and 0 behind what the library knows. A size
 *          that no version has is QR_ERR_INVALID, 0 among them. Structs within others, and in
 *          tables, have words that are reserved instead. All others never change.
 * Mistakes NULL for an engine, a callback, or what is to be read or filled is QR_ERR_INVALID,
 *          unless its line allows it; functions that return nothing then do nothing, and questions
 *          are answered with false or 0. An engine that was freed must not be used: builds with
 *          CHECKS assert that as far as they can.
 * Cost     where a docstring says nothing else: what is asked of the engine is checked and copied,
 *          under a lock that is held briefly, and its thread is woken where it sleeps; what is
 *          asked about it, and handlers that come and go, wait for its turn, which no code of the
 *          program prolongs but with is_inline. Neither waits for the disk or the network.
 * Source   Raft: Ongaro and Ousterhout, In Search of an Understandable Consensus Algorithm, 2014,
 *          and Ongaro's dissertation, 2014, which a docstring names where a rule is from there.
 *          docs/embedding.md says which function to use when.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_ENGINE_H
#define QUORATE_ENGINE_H

#include "quorate/error.h"
#include "quorate/log.h"
#include "quorate/log_store.h"
#include "quorate/membership.h"
#include "quorate/proposal.h"
#include "quorate/read.h"
#include "quorate/snapshot_store.h"
#include "quorate/state_machine.h"
#include "quorate/status.h"
#include "quorate/transport.h"
#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QR_ERROR_DETAIL_BYTES 512

#define QR_VERSION_TEXT "0.1.0"

struct qr_engine;

/* X(type of number, name, default, least, most, unit in words): every number an engine can
 * be told, its default and its bounds, for headers, configuration files and command lines.
 */
/* clang-format off */
#define QR_LIMIT_MAP(X)                                                                            \
    X(election_timeout_min_ms, 150,          10,        60000,               "milliseconds")       \
    X(election_timeout_max_ms, 300,          10,        120000,              "milliseconds")       \
    X(heartbeat_interval_ms,   50,           1,         30000,               "milliseconds")       \
    X(proposal_timeout_ms,     5000,         100,       600000,              "milliseconds")       \
    X(max_log_entries,         10000,        100,       UINT64_C(1000000000), "entries")           \
    X(max_log_bytes,           UINT64_C(1) << 30, UINT64_C(1) << 20, UINT64_C(1) << 40, "bytes")   \
    X(max_message_bytes,       UINT64_C(10) << 20, 65536, UINT64_C(512) << 20, "bytes")            \
    X(max_snapshot_rate,       UINT64_C(64) << 20, 65536, UINT64_C(1) << 40, "bytes a second")     \
    X(max_pending_proposals,   65536,        16,        1048576,             "proposals")          \
    X(max_inflight_bytes,      UINT64_C(8) << 20, 65536, UINT64_C(1) << 30,  "bytes per peer")     \
    X(log_cache_bytes,         UINT64_C(8) << 20, 65536, UINT64_C(1) << 34,  "bytes")              \
    X(segment_bytes,           UINT64_C(16) << 20, 65536, UINT64_C(1) << 30, "bytes")              \
    X(stall_timeout_ms,        10000,        100,       600000,              "milliseconds")       \
    X(swim_protocol_period_ms, 1000,         50,        600000,              "milliseconds")       \
    X(swim_ping_timeout_ms,    500,          5,         300000,              "milliseconds")       \
    X(swim_indirect_pings,     3,            0,         8,                   "members")            \
    X(swim_suspicion_timeout_ms, 5000,       100,       3600000,             "milliseconds")       \
    X(swim_piggyback_max,      10,           1,         32,                  "updates")            \
    X(swim_dead_quorum,        2,            1,         8,                   "members")            \
    X(remove_dead_after_ms,    0,            0,   UINT64_C(31536000000), "milliseconds, 0: never")
/* clang-format on */

/* Made by qr_limits_default(), which knows those of its own version: new ones come at the end, in
 * what is reserved, and is 0.
 */
struct qr_limits {
#define X(name, value, least, most, unit) uint64_t name;
    QR_LIMIT_MAP(X)
#undef X
#define X(name, value, least, most, unit) -1
    uint64_t reserved[64 QR_LIMIT_MAP(X)];
#undef X
};

/* The defaults. */
struct qr_limits qr_limits_default(void);

/* How quickly members that fail are found: docs/swim.md. */
enum qr_swim_profile {
    QR_SWIM_DEFAULT, /* what fits a data centre */
    QR_SWIM_FAST,    /* for one LAN: a killed process is seen in under a second */
};

/* "default" or "fast"; "?" for what is none. Static. */
const char *qr_swim_profile_name(enum qr_swim_profile profile);

/* Set the six limits of SWIM (swim_…) to those of a profile. */
void qr_limits_set_profile(struct qr_limits *limits, enum qr_swim_profile profile);

/* Check every limit and the relations between them (heartbeat below the election timeout,
 * minimum below maximum, a message fits a segment, a ping times out within its period, a suspicion
 * lasts a period at least, nobody is removed for being dead before a suspicion could end).
 *
 * detail   of QR_ERROR_DETAIL_BYTES; on failure "name: value is out of bounds, least..most"; NULL:
 *          not wanted.
 *
 * Returns 0, QR_ERR_INVALID, or QR_ERR_VERSION: one is set that a later version of the library has.
 */
int qr_limits_check(const struct qr_limits *limits, char *detail);

/* Where an engine has its memory from: all that it allocates itself, from before qr_engine_open()
 * returns until qr_engine_free() does. Not so what libuv, OpenSSL, zstd and the threads' stacks
 * take, what the logger takes, and the tools for directories without an engine (backup.h, doctor.h,
 * wal.h).
 *
 * Where memory runs out, opening returns QR_ERR_NO_MEMORY, a call QR_ERR_BUSY, and an engine that
 * cannot do without stops with QR_ERR_NO_MEMORY, by on_stopped: what is durable stays.
 *
 * Threads: any, several at once; the functions must not call the engine, nor wait for long.
 */
struct qr_allocator {
    void *context;
    /* `size_bytes`, above 0, of memory aligned for any type; NULL: there is none. */
    void *(*allocate)(void *context, size_t size_bytes);
    /* Take back what allocate() gave, with the same size; NULL is allowed, whatever the size. */
    void (*release)(void *context, void *memory, size_t size_bytes);
};

/* What an engine does when the state of its state machine is found to differ from that of a
 * majority of the voters: docs/divergence.md.
 */
enum qr_on_divergence {
    QR_DIVERGENCE_ISOLATE, /* it answers no read, takes no proposal, leads no more; default */
    QR_DIVERGENCE_REBUILD, /* likewise, until a snapshot of the leader took its state's place */
    QR_DIVERGENCE_STOP,    /* it stops, with QR_ERR_DIVERGED */
};

/* Who writes the log. What is durable when is the same (docs/durability.md, Two ways to the disk).
 */
enum qr_disk_driver {
    /* Where a trial at the start shows that the file system can, the kernel by itself (AIO,
     * O_DIRECT, synced), which spares a proposal waking a thread on each node; large writes, and
     * all where it cannot, as QR_DISK_THREADS. Default.
     */
    QR_DISK_AUTO,
    QR_DISK_DIRECT,  /* the same, with a warning in the log where it cannot */
    QR_DISK_THREADS, /* a thread, with pwritev() and fdatasync() */
};

struct qr_engine_options {
    size_t size_bytes;                            /* sizeof(struct qr_engine_options) */
    const struct qr_state_machine *state_machine; /* kept; outlives the engine */
    const char *name;                             /* 1..63 of [a-z0-9.-] */
    const char *data_directory;                   /* made when missing; locked while in use */
    const char *peer_address;                     /* HOST:PORT to listen on for members */
    const char *advertise_address;                /* what others dial; NULL: peer_address */
    const char *meta; /* told to every member, not looked into; NULL: "" */
    /* Where clients and /status are, told to every member, observers included; NULL: nowhere. */
    const char *client_address;
    const char *http_address;
    const char *join;  /* HOST:PORT,… of members to join through, or NULL */
    bool is_bootstrap; /* a directory without a cluster begins one, alone */
    bool is_waiting;   /* a directory without a cluster waits for qr_add(), qr_join() */
    bool is_learner;   /* joins without ever asking for a vote; contradicts is_bootstrap */
    /* The file of the cluster's secret (docs/security.md): members prove to each other that they
     * have it, and encrypt; NULL: none, and then peer_address must be loopback, unless
     * is_insecure says that everybody who reaches it may take part.
     */
    const char *secret_file;
    bool is_insecure;
    /* Takes part in membership alone: it knows who is alive and who leads, is in no configuration,
     * gets no entry of the log and never votes. Needs `join`; contradicts is_bootstrap,
     * is_waiting and is_learner.
     */
    bool is_observer;
    /* That a leader was found dead, or unreachable, does not hasten an election: it waits for its
     * timeout.
     */
    bool has_no_hints;
    enum qr_swim_profile swim_profile; /* for what no limit says */
    struct qr_limits limits;           /* from qr_limits_default() */
    struct qr_logger *logger;          /* borrowed; NULL: silent */
    void *loop; /* a uv_loop_t of the caller's to live on; NULL: a thread of its own */

    /* Read barriers cost the leader no round while the answers of a majority to the last one
     * are young: 9/11 of election_timeout_min_ms, which clocks that each go wrong by up to 10 %
     * cannot make wrong. One that stands still, as that of a virtual machine may while its host
     * holds it, can. A lease rests on the other voters, which keep their promise whether they
     * have leases or not; but those of release 0.1.0 do not: have none beside them.
     */
    bool has_leases;

    /* Called once, when the engine has stopped: after qr_engine_stop() (status 0), or
     * because it cannot go on (a failed disk, say): then status and reason say why. From
     * then on the engine can only be freed. May be NULL.
     */
    void (*on_stopped)(void *argument, int status, const char *reason);
    void *argument;

    /* No code of the program ever blocks: it is called on the engine's own thread, which spares
     * waking another one. Without it, the engine has a thread for that: docs/threads.md. On a
     * caller's loop all is called there, whatever this says.
     */
    bool is_inline;
    enum qr_on_divergence on_divergence;

    /* Forget that an entry has ended the process again and again (QR_ERR_POISON), and try it:
     * with a program that was mended.
     */
    bool ignores_poison;

    /* As by qr_on_commit(), but before anything is applied, so that it misses no entry: for who
     * follows the log. It stays as long as the engine. May be NULL.
     */
    qr_commit_handler *on_commit;
    void *on_commit_argument;

    const struct qr_allocator *allocator; /* copied; NULL: malloc() and free() */
    enum qr_disk_driver disk_driver;      /* who writes the log, see above */

    /* Where the log is kept, for life: see quorate/log_store.h. It outlives the engine. NULL: files
     * of the data directory.
     */
    const struct qr_log_store *log_store;

    /* Where snapshots are kept, for life: see quorate/snapshot_store.h. It outlives the engine.
     * NULL: files of the data directory.
     */
    const struct qr_snapshot_store *snapshot_store;

    /* What carries bytes between members (transport.h); copied. NULL: TCP, and UDP. With one of the
     * program's, who reaches it is not known here: secret_file, or is_insecure, must be given.
     */
    const struct qr_transport *transport;
};

/* Open the data directory, replay nothing yet, listen, and take part in the cluster.
 *
 * detail   of QR_ERROR_DETAIL_BYTES; on failure a sentence: what, where, what to do; NULL: not
 *          wanted.
 *
 * Returns 0, or with nothing left behind
 *   QR_ERR_INVALID    an option out of bounds, named in `detail`; a secret file without a key,
 *                     or that others may read.
 *   QR_ERR_VERSION    an option of a later version of the library, see the head of this file.
 *   QR_ERR_LOCKED     another process has the directory.
 *   QR_ERR_CORRUPT, QR_ERR_VERSION, QR_ERR_FOREIGN   what the directory holds cannot be used;
 *                     not one byte of it changed.
 *   QR_ERR_ADDRESS    the address does not parse, is in use, or is not loopback (is_insecure).
 *   QR_ERR_POISON     the process ended three times in a row while one entry was applied, which
 *                     `detail` names: mend the program, see options.ignores_poison.
 *   QR_ERR_IO, QR_ERR_DISK_FULL, QR_ERR_NO_MEMORY; or what options.transport returned.
 *
 * Cost: reads the whole log once.
 */
int qr_engine_open(const struct qr_engine_options *options, struct qr_engine **out, char *detail);

/* Stop: what waits is answered QR_ERR_STOPPED, what is durable stays; on_stopped follows. It waits
 * for nothing, and may be called from a callback.
 */
void qr_engine_stop(struct qr_engine *engine);

/* Stop if that was not done, wait for the engine's own threads, and free: also for callbacks that
 * are under way or still to come, however long they take. So do not call it from one, or while
 * holding a lock that one wants. On a caller's loop it may be called only after on_stopped. NULL is
 * allowed.
 */
void qr_engine_free(struct qr_engine *engine);

/* status 0: a snapshot that stands at `index` is durable here, and the log may be compacted; else
 * why not: QR_ERR_IO, QR_ERR_DISK_FULL, QR_ERR_NO_MEMORY, QR_ERR_DIVERGED, QR_ERR_STOPPED.
 */
typedef void qr_snapshot_done(void *argument, int status, uint64_t index);

/* Take a snapshot of this node's state machine now, in the background, and compact its log as
 * the limits have it. It has at least all that is applied here by now: when one that is under way
 * has less, the next one follows at once. Without this call one is taken whenever the log has
 * grown enough. That of a state machine that is durable by itself has nothing of its state, and
 * waits until it durably stands there.
 *
 * done   called exactly once, never from within this call, unless it returns an error.
 *
 * Returns 0, or with nothing done
 *   QR_ERR_INVALID   the state machine makes no snapshots.
 *   QR_ERR_BUSY      many wait for one already.
 *   QR_ERR_STOPPED   the engine has stopped.
 */
int qr_snapshot(struct qr_engine *engine, qr_snapshot_done *done, void *argument);

#ifdef __cplusplus
}
#endif

#endif
