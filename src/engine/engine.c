/* engine.c: opening: disk, listening socket, node, and a place on a loop, in this order.
 *
 * All that can fail for the world's reasons comes before the first handle on the loop, so
 * that a failed opening leaves nothing there to wait for.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/state_machine.h"
#include "engine/carrier.h"
#include "engine/internal.h"
#include "runtime/address.h"
#include "runtime/logger.h"
#include "runtime/memory.h"
#include "runtime/random.h"

/* A frame's entries may pass max_message_bytes by one entry's header and the frame's own. */
#define FRAME_SLACK_BYTES 65536
#define SNAPSHOT_INTERVAL_NS NS_PER_S
#define PORT_ATTEMPTS_MAX 16
#define NO_THREAD "no thread to be had"
#define QUEUE_MESSAGES 2 /* what may wait for a peer: so many times what may be in flight */

static void before_completions(void *context)
{
    struct qr_engine *engine = context;
    engine->in_node++;
}

static void after_completions(void *context)
{
    struct qr_engine *engine = context;
    engine->in_node--;
    engine_mark(engine);
}

_Static_assert((int)QR_DISK_AUTO == (int)DISK_DRIVER_AUTO &&
                   (int)QR_DISK_DIRECT == (int)DISK_DRIVER_DIRECT &&
                   (int)QR_DISK_THREADS == (int)DISK_DRIVER_THREADS,
               "the same words");

static int open_disk(struct qr_engine *engine, const struct qr_engine_options *options,
                     char *detail)
{
    struct disk_posix_options given = {
        .allocator = &engine->allocator,
        .log = &engine->log,
        .directory = options->data_directory,
        .driver = (enum disk_driver)options->disk_driver,
        .completing = before_completions,
        .completed = after_completions,
        .context = engine,
    };
    return disk_posix_open(&given, &engine->disk, detail);
}

static int open_transport(struct qr_engine *engine, const struct qr_engine_options *options,
                          struct streams *streams, char *detail)
{
    struct transport_options given = {
        .allocator = &engine->pool.allocator,
        .log = &engine->log,
        .keyring = engine->keyring,
        .events = engine_transport_events(engine),
        .streams = streams,
        .address = options->peer_address,
        .seed = runtime_random(),
        .frame_bytes_max = options->limits.max_message_bytes + FRAME_SLACK_BYTES,
        .queue_bytes_max = options->limits.max_inflight_bytes * QUEUE_MESSAGES,
    };
    return transport_open(&given, &engine->transport, detail);
}

/* What the program's transport carries. */
static int open_carried(struct qr_engine *engine, const struct qr_engine_options *options,
                        char *detail)
{
    struct streams *streams = NULL;
    struct packets *packets = NULL;
    int status = carrier_open(&engine->allocator, options->transport, options->peer_address,
                              &streams, &packets, detail);
    if (status != 0) {
        return status;
    }
    status = open_transport(engine, options, streams, detail);
    if (status != 0) {
        streams->table->free(streams);
        packets->table->free(packets);
        return status;
    }
    status = engine_gossip_open(engine, options, packets, detail);
    if (status != 0) {
        packets->table->free(packets); /* the streams are the transport's, to be freed with it */
    }
    return status;
}

/* TCP and UDP have the same port. Whichever is asked for by 0 is free for TCP alone. */
static int open_sockets(struct qr_engine *engine, const struct qr_engine_options *options,
                        char *detail)
{
    int status = QR_ERR_ADDRESS;
    for (int i = 0; i < PORT_ATTEMPTS_MAX && status == QR_ERR_ADDRESS; i++) {
        transport_free(engine->transport);
        engine->transport = NULL;
        status = open_transport(engine, options, NULL, detail);
        if (status != 0) {
            return status;
        }
        status = engine_gossip_open(engine, options, NULL, detail);
        if (!address_is_any_port(options->peer_address)) {
            return status;
        }
    }
    return status;
}

static void store_told(void *context)
{
    engine_store_told(context);
}

static int open_snapshot_store(struct qr_engine *engine, const struct qr_engine_options *options,
                               char *detail)
{
    struct qr_snapshot_store store;
    if (options->snapshot_store == NULL) {
        return 0;
    }
    const char *wrong;
    int status = engine_snapshots_read(options->snapshot_store, &store, &wrong);
    ASSERT(status == 0);
    struct engine_snapshots_options given = {
        .allocator = &engine->allocator,
        .log = &engine->log,
        .store = &store,
        .told = store_told,
        .context = engine,
    };
    return engine_snapshots_open(&given, &engine->snapshot_store, detail);
}

static uint8_t stores_of(const struct qr_engine_options *options)
{
    return (uint8_t)((options->log_store == NULL ? 0U : NODE_STORES_LOG) |
                     (options->snapshot_store == NULL ? 0U : NODE_STORES_SNAPSHOTS));
}

static int open_node(struct qr_engine *engine, const struct qr_engine_options *options,
                     char *detail)
{
    const struct qr_limits *limits = &options->limits;
    struct swim_options gossip = engine_swim_options(options);
    struct node_options given = {
        .allocator = &engine->pool.allocator,
        .disk = disk_posix_disk(engine->disk),
        .snapshot_disk =
            engine->snapshot_store == NULL ? NULL : engine_snapshots_disk(engine->snapshot_store),
        .log = &engine->log,
        .io = engine_node_io(engine),
        .name = options->name,
        .address =
            options->advertise_address == NULL ? options->peer_address : options->advertise_address,
        .meta = options->meta == NULL ? "" : options->meta,
        .join = options->join,
        .is_bootstrap = options->is_bootstrap,
        .is_waiting = options->is_waiting,
        .is_learner = options->is_learner,
        .fresh_node_id = runtime_random(),
        .fresh_cluster_id = {runtime_random(), runtime_random()},
        .seed = runtime_random(),
        .election_timeout_min_ns = limits->election_timeout_min_ms * NS_PER_MS,
        .election_timeout_max_ns = limits->election_timeout_max_ms * NS_PER_MS,
        .heartbeat_interval_ns = limits->heartbeat_interval_ms * NS_PER_MS,
        .proposal_timeout_ns = limits->proposal_timeout_ms * NS_PER_MS,
        .message_bytes_max = limits->max_message_bytes,
        .inflight_bytes_max = limits->max_inflight_bytes,
        .cache_bytes_max = limits->log_cache_bytes,
        .segment_bytes = limits->segment_bytes,
        .pending_max = (uint32_t)limits->max_pending_proposals,
        .log_entries_max = limits->max_log_entries,
        .log_bytes_max = limits->max_log_bytes,
        .snapshot_interval_ns = SNAPSHOT_INTERVAL_NS,
        .sending_bytes_per_second = limits->max_snapshot_rate,
        .codec = engine_codec_init(&engine->codec),
        .stall_timeout_ns = limits->stall_timeout_ms * NS_PER_MS,
        .lease_ns = options->has_leases
                        ? raft_lease_ns_max(limits->election_timeout_min_ms * NS_PER_MS)
                        : 0,
        .keeps_promise = true, /* whatever reads it answers itself: others may have leases */
        .fresh_interval_ns = ENGINE_FRESH_NS,
        .gossip = &gossip,
        .client_address = options->client_address,
        .http_address = options->http_address,
        .has_hints = !options->has_no_hints,
        .remove_dead_after_ns = limits->remove_dead_after_ms * NS_PER_MS,
        .is_observer = options->is_observer,
        .log_store = engine->log_store == NULL ? NULL : engine_log_table(engine->log_store),
        .stores = stores_of(options),
        .apply_alone_until = poison_alone_until(&engine->poison),
        .on_divergence = (enum node_on_divergence)options->on_divergence,
    };
    char why[NODE_DETAIL_BYTES] = "";
    engine->in_node++;
    int status = node_open(&given, engine_time(), &engine->node, why);
    engine->in_node--;
    if (status != 0) {
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES, "%.200s: %.300s", options->data_directory,
                       why);
    }
    return status;
}

static struct allocator allocator_of(const struct qr_engine_options *options)
{
    const struct qr_allocator *given = options->allocator;
    return given == NULL ? runtime_allocator
                         : (struct allocator){given->context, given->allocate, given->release};
}

static void on_store_told(void *context)
{
    engine_store_told(context);
}

static int make_log_store(struct qr_engine *engine, const struct qr_engine_options *options)
{
    const struct engine_log_waker waker = {engine, on_store_told};
    return options->log_store == NULL
               ? 0
               : engine_log_new(&engine->allocator, options->log_store, waker, &engine->log_store);
}

static struct qr_engine *make(const struct qr_engine_options *options)
{
    struct allocator allocator = allocator_of(options);
    struct qr_engine *engine = allocate_zeroed(&allocator, sizeof(*engine));
    if (engine == NULL) {
        return NULL;
    }
    engine->magic = ENGINE_MAGIC;
    engine->allocator = allocator;
    engine_memory_init(engine);
    const char *wrong = state_machine_read(options->state_machine, &engine->state_machine);
    ASSERT(wrong == NULL);
    engine->limits = options->limits;
    engine->is_observer = options->is_observer;
    engine->on_stopped = options->on_stopped;
    engine->argument = options->argument;
    engine->log = logger_sink(options->logger);
    engine->poison.note.descriptor = -1;
    engine->has_thread = options->loop == NULL;
    engine->has_async = engine->has_thread || stores_of(options) != 0;
    engine->loop = engine->has_thread ? &engine->own_loop : options->loop;
    if (options->on_commit != NULL) {
        engine_handlers_begin(engine, &engine->commit_handlers,
                              (engine_handler_function *)options->on_commit,
                              options->on_commit_argument);
    }
    struct text text = text_of(engine->name, sizeof(engine->name));
    text_string(&text, options->name);
    size_t limit = (size_t)options->limits.max_pending_proposals;
    waiters_init(&engine->proposals, &engine->allocator, limit);
    waiters_init(&engine->reads, &engine->allocator, limit);
    waiters_init(&engine->snapshots, &engine->allocator, NODE_SNAPSHOT_WAITERS_MAX);
    waiters_init(&engine->changes, &engine->allocator, limit);
    int failed = pthread_mutex_init(&engine->mutex, NULL);
    failed |= pthread_cond_init(&engine->answered, NULL);
    ASSERT(failed == 0);
    if (application_init(&engine->application, &engine->allocator,
                         engine->has_thread && !options->is_inline) != 0 ||
        make_log_store(engine, options) != 0) {
        engine_free_memory(engine);
        return NULL;
    }
    return engine;
}

static void *run_thread(void *argument)
{
    struct qr_engine *engine = argument;
    (void)pthread_mutex_lock(&engine->mutex); /* until engine->thread is written */
    (void)pthread_mutex_unlock(&engine->mutex);
    engine_run(engine);
    if (engine->application.is_on) {
        application_end(&engine->application);
    } else if (engine->on_stopped != NULL) {
        engine->on_stopped(engine->argument, engine->stop_status, engine->stop_reason);
    }
    return NULL;
}

static int start_loop_thread(struct qr_engine *engine)
{
    (void)pthread_mutex_lock(&engine->mutex);
    engine->is_thread_started = pthread_create(&engine->thread, NULL, run_thread, engine) == 0;
    (void)pthread_mutex_unlock(&engine->mutex);
    return engine->is_thread_started ? 0 : QR_ERR_NO_MEMORY;
}

/* End what has begun without a thread, or without both: nothing was asked of it yet, and nobody
 * hears of it.
 */
static void give_up(struct qr_engine *engine)
{
    engine->on_stopped = NULL;
    qr_engine_stop(engine);
    engine_run(engine);
    application_end(&engine->application);
    application_join(&engine->application);
}

/* Signals are for the program's own threads. */
static int start_threads(struct qr_engine *engine)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (engine->application.is_on) {
        engine_note_facts(engine);
        engine->settled_digest = engine->application.facts.digest;
    }
    int status = engine->application.is_on ? application_start(engine) : 0;
    if (status == 0) {
        status = start_loop_thread(engine);
    } else {
        application_off(&engine->application); /* what comes is done by who gives up */
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != 0) {
        give_up(engine);
    }
    return status;
}

/* What is on the loop only afterwards. On failure none of it is. */
static int start(struct qr_engine *engine)
{
    int failed = disk_posix_start(engine->disk, engine->loop);
    ASSERT(failed == 0); /* its threads are there, and the loop can be woken */
    transport_start(engine->transport, engine->loop);
    gossip_start(engine->gossip, engine->loop);
    engine_start_turns(engine);
    engine_set_members(engine);
    engine_publish_role(engine);
    return engine->has_thread ? start_threads(engine) : 0;
}

static int open_parts(struct qr_engine *engine, const struct qr_engine_options *options,
                      char *detail)
{
    int status = engine_keys_open(engine, options, detail);
    if (status == 0) {
        status = open_disk(engine, options, detail);
    }
    if (status == 0) {
        status = poison_open(&engine->poison, options->data_directory, options->ignores_poison,
                             &engine->log, detail);
    }
    if (status == 0) {
        status = options->transport != NULL ? open_carried(engine, options, detail)
                                            : open_sockets(engine, options, detail);
    }
    if (status == 0) {
        status = disk_posix_reserve(engine->disk); /* the node submits, and is not idle then */
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES, "%s", status == 0 ? "" : NO_THREAD);
    }
    if (status == 0) {
        status = open_snapshot_store(engine, options, detail);
    }
    if (status == 0) {
        status = open_node(engine, options, detail);
    }
    if (status == 0) {
        struct node_status node;
        node_status(engine->node, &node);
        engine->self = node.id;
        poison_watch(&engine->poison, node.raft.last_index);
        status = start(engine);
        if (status != 0) {
            (void)snprintf(detail, QR_ERROR_DETAIL_BYTES, NO_THREAD);
        }
    }
    return status;
}

static int open_engine(const struct qr_engine_options *options, struct qr_engine **out,
                       char *detail)
{
    _Static_assert(QR_ERROR_DETAIL_BYTES >= NODE_DETAIL_BYTES &&
                       QR_ERROR_DETAIL_BYTES >= DISK_DETAIL_BYTES &&
                       QR_ERROR_DETAIL_BYTES >= TRANSPORT_DETAIL_BYTES &&
                       QR_ERROR_DETAIL_BYTES >= QR_TRANSPORT_DETAIL_BYTES &&
                       QR_ERROR_DETAIL_BYTES >= KEYRING_DETAIL_BYTES &&
                       QR_ERROR_DETAIL_BYTES >= ENGINE_SNAPSHOTS_DETAIL_BYTES,
                   "every part's detail fits");
    int status = engine_options_check(options, detail);
    if (status != 0) {
        return status;
    }
    struct qr_engine *engine = make(options);
    if (engine == NULL || (engine->has_thread && uv_loop_init(&engine->own_loop) != 0)) {
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES, "memory or descriptors ran out");
        if (engine != NULL) {
            engine_free_memory(engine);
        }
        return QR_ERR_NO_MEMORY;
    }
    status = open_parts(engine, options, detail);
    if (status == 0) {
        *out = engine;
        return 0;
    }
    node_free(engine->node);
    engine_snapshots_free(engine->snapshot_store);
    gossip_free(engine->gossip);
    transport_free(engine->transport);
    disk_posix_free(engine->disk);
    if (engine->has_thread) {
        int failed = uv_loop_close(&engine->own_loop);
        ASSERT(failed == 0);
    }
    engine_free_memory(engine);
    return status;
}

int qr_engine_open(const struct qr_engine_options *options, struct qr_engine **out, char *detail)
{
    struct qr_engine_options read;
    char unwanted[QR_ERROR_DETAIL_BYTES];
    detail = detail == NULL ? unwanted : detail;
    int status = engine_options_read(options, &read, detail);
    if (status == 0 && out == NULL) {
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES, "out: missing");
        status = QR_ERR_INVALID;
    }
    return status != 0 ? status : open_engine(&read, out, detail);
}
