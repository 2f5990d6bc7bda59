/* application.h: the thread on which the program's code runs, and what waits for it.
 *
 * Owns     a thread, and one queue to it, in which everything is carried out in order: batches for
 *          the state machine, ends of calls (done callbacks), events for handlers, and what else
 *          is asked of the state machine.
 * Does not know the node, nor what an end means.
 * Threads  tasks are put in by the loop's thread alone; who calls what is said at each function.
 *
 * Without a thread of the engine's own, or with options.is_inline, it is off: whatever is given
 * to it is called at once, on the loop's thread.
 *
 * The loop's thread never waits for it, and holds no lock while code of the program runs.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_APPLICATION_H
#define ENGINE_APPLICATION_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/types.h"
#include "engine/waiters.h"
#include "node/node.h"
#include "quorate/engine.h"
#include "quorate/membership.h"

#define APPLICATION_TAKEN_MAX 64   /* tasks between two looks at the lock */
#define APPLICATION_EVENTS_MAX 128 /* of members, that wait; then the oldest are counted only */

/* Besides the ends of calls there is room for: the events; a batch; the role; what is asked of the
 * state machine for snapshots, at most so many at a time; a piece of each backup.
 */
#define APPLICATION_ASKS_MAX 32
#define APPLICATION_TASKS_SPARE                                                                    \
    (APPLICATION_EVENTS_MAX + 2 + APPLICATION_ASKS_MAX + NODE_BACKUPS_MAX)

struct qr_engine;

/* One thing to be done there. */
struct application_task {
    /* Called with this task, on the application thread; the task is the caller's. */
    void (*run)(struct qr_engine *engine, const struct application_task *task);
    void (*done)(void); /* the program's function, cast back by `run`, and its argument */
    void *argument;
    bool is_owed; /* somebody's call ends with it: room was reserved */
    bool has_result;
    int status;
    raft_index index;
    size_t place; /* of a backup */
    struct qr_result result;
    void *data; /* given to `run`, which releases it; may be NULL */
    size_t data_bytes;
};

/* What the state machine said last of itself: taken behind each batch. */
struct application_facts {
    raft_index applied_index; /* of the last entry it was given in this life */
    uint64_t digest;
    uint64_t wake_at;
    raft_index durable_index; /* its own applied_index(); 0 without one */
};

/* The batch under way: filled on the loop's thread, then the application thread's until it ends. */
struct application_batch {
    const struct qr_entry *entries;
    size_t count;
    bool is_claimed; /* who waits is told there */
    int status;
    size_t failed_count;                                /* of those that were told there */
    struct waiter_call waiters[NODE_APPLY_ENTRIES_MAX]; /* of each entry; done NULL: nobody */
};

/* An event for the handlers of members, with its strings. */
struct application_event {
    struct qr_membership_event event;
    uint64_t number;
    char name[QR_NAME_BYTES_MAX];
    char address[QR_ADDRESS_BYTES_MAX];
    char client_address[QR_ADDRESS_BYTES_MAX];
    char http_address[QR_ADDRESS_BYTES_MAX];
};

/* How far the view for a snapshot is. */
enum application_view {
    APPLICATION_VIEW_NONE,
    APPLICATION_VIEW_BUSY,   /* being opened, read or closed */
    APPLICATION_VIEW_OPENED, /* and not told yet */
    APPLICATION_VIEW_IDLE,   /* open */
    APPLICATION_VIEW_READ,   /* a slice is there, and not told yet */
};

/* What is asked for snapshots, and how far it is: machine.c. */
struct application_machine {
    enum application_view view_state;
    bool is_view_closing; /* as soon as it is not busy any more */
    int view_status;
    void *view; /* of the state machine */
    uint8_t *slice;
    size_t slice_bytes;

    size_t restore_count; /* asked, and not done */
    int restore_status;   /* the first failure since it began */
    bool is_restore_end_asked;
    bool is_fact_asked; /* its durable index is being asked for */
};

struct application {
    const struct allocator *allocator;
    bool is_on;      /* fixed when the engine is opened */
    bool is_started; /* the thread is there */
    pthread_t thread;
    bool has_given; /* the loop's: something was put in since the thread was woken last */

    pthread_mutex_t mutex;
    pthread_cond_t wake;   /* there is something to do */
    pthread_cond_t called; /* a call of the program's code ended for which somebody waits */

    /* Under the mutex, all that follows. */
    bool is_asleep;
    bool is_ending;                 /* the loop has ended: nothing comes any more */
    struct application_task *tasks; /* ring */
    size_t capacity;
    size_t first;
    size_t count;
    bool is_batch_done;
    struct application_facts facts;
    struct application_machine machine;
    struct application_event *events; /* ring of APPLICATION_EVENTS_MAX */
    size_t event_first;
    size_t event_count;
    uint64_t events_missed; /* since the last that was told */
    uint64_t calling;       /* token of the handler that is being called; 0: none */
    uint64_t backup_lives[NODE_BACKUPS_MAX]; /* of each place: one more with each that is closed */
    bool has_piece[NODE_BACKUPS_MAX];        /* one of it waits to be told */

    struct application_batch batch;
    atomic_bool is_isolated; /* results may be wrong: the replica was found to differ */
    atomic_size_t owed;      /* ends of calls that were taken, and are not told */
    atomic_size_t ended;     /* those of them that wait in the queue */
};

/* Make it; on: it is to have a thread. Returns 0 or QR_ERR_NO_MEMORY. */
NODISCARD int application_init(struct application *application, const struct allocator *allocator,
                               bool is_on);
void application_deinit(struct application *application);

/* Room for the ends of so many calls. Any thread, under the engine's mutex.
 * Returns 0 or QR_ERR_NO_MEMORY.
 */
NODISCARD int application_reserve(struct application *application, size_t owed);

/* The loop's thread: put a task in; the thread is woken by application_wake(). */
void application_give(struct application *application, const struct application_task *task);

/* The loop's thread, at the end of a turn: one wake-up for all that was put in. */
void application_wake(struct application *application);

/* Start the thread. Returns 0 or QR_ERR_NO_MEMORY. */
NODISCARD int application_start(struct qr_engine *engine);

/* There is no thread to be had: what was put in is forgotten, and what comes is called at once.
 * Before anybody's call can be in it, nor data of anybody's.
 */
void application_off(struct application *application);

/* The loop's thread, last of all: what is left is still done, then on_stopped is called. */
void application_end(struct application *application);
void application_join(struct application *application);

/* Whether the caller is the application thread. */
bool application_is_here(const struct application *application);

#endif
