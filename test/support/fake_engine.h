/* fake_engine.h: the engine's interface over one state machine and no cluster, for tests.
 *
 * Owns     the proposals and barriers that wait, and a session table. A test decides when, in
 *          which order and how each ends, and what status the server sees; nothing is ever
 *          done within a call.
 * Does not know Raft. Link it in the place of the engine: it defines engine.h, and qr_log()
 *          to count events by name.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_FAKE_ENGINE_H
#define SUPPORT_FAKE_ENGINE_H

#include <uv.h>

#include "node/sessions.h"
#include "quorate/backup.h"
#include "quorate/engine.h"
#include "quorate/keys.h"
#include "quorate/membership.h"

struct fake_request {
    struct fake_request *next;
    bool is_read;
    bool is_change;
    qr_change_done *change_done;
    qr_keys_done *keys_done; /* NULL: it is something else */
    qr_propose_done *propose_done;
    qr_read_done *read_done;
    void *argument;
    struct qr_id id;
    char command[QR_COMMAND_BYTES_MAX];
    size_t command_bytes;
    size_t payload_bytes;
    uint8_t payload[];
};

/* The one backup that can be taken. */
struct qr_backup {
    struct qr_engine *engine; /* NULL: none is */
    bool is_wanted;           /* its next piece */
    qr_backup_done *done;
    void *argument;
};

struct qr_engine {
    const struct qr_state_machine *state_machine;
    struct fake_request *first; /* what waits, in the order it came */
    struct fake_request *last;
    size_t proposal_count; /* taken so far */
    size_t barrier_count;
    size_t change_count;
    char change[512];     /* the last one, in words */
    char keys[64];        /* the last qr_keys(), in words */
    size_t waiting_count; /* of both, now */
    bool is_automatic;    /* a timer ends everything that waits, in order, with success */
    uv_timer_t timer;
    int refusal;                 /* what qr_propose() and qr_read() return, when not 0 */
    enum qr_read_kind read_kind; /* of the last qr_read() */
    char join[256];              /* what the last qr_join() was told, in words */
    int join_status;             /* what it returns */
    int age_status;              /* what qr_read_age() returns, when not 0 */
    size_t stale_count;          /* else: how often it was asked */
    uint64_t index;
    uint64_t time_ns; /* log time */
    struct qr_status status;
    struct qr_counters counters;
    qr_commit_handler *handlers[QR_COMMIT_HANDLERS_MAX];
    void *handler_arguments[QR_COMMIT_HANDLERS_MAX];
    size_t handler_count;
    qr_membership_handler *listener; /* NULL: none; a server has one at most */
    void *listener_argument;
    size_t listener_count; /* ever added */
    int leave_status;      /* what qr_leave() returns */
    char leave[32];        /* the reason that the last one was told */
    struct sessions sessions;
    struct qr_backup backup;
    bool is_last_guarded; /* the last proposal was; so is one under a token */
};

/* An automatic engine that leads, alone, with the name "n1" and id 1. */
void fake_engine_init(struct qr_engine *engine, uv_loop_t *loop,
                      const struct qr_state_machine *state_machine);

/* End what waits with QR_ERR_STOPPED, and close the timer: the loop must run once more. */
void fake_engine_stop(struct qr_engine *engine);

/* End the request at `position` of those that wait, from 0, with `status`; a proposal that
 * succeeds is applied now.
 */
void fake_engine_end(struct qr_engine *engine, size_t position, int status);

/* Give the piece of a backup that is waited for. */
void fake_engine_give(struct qr_engine *engine, int status, const void *data, size_t size_bytes);

/* Apply an entry that came from elsewhere. */
void fake_engine_apply(struct qr_engine *engine, const char *command, const void *payload,
                       size_t payload_bytes);

/* One more member, alive and a voter. */
void fake_engine_add_member(struct qr_engine *engine, uint64_t id, const char *name,
                            const char *meta);

/* Tell the server's handler, if there is one. */
void fake_engine_tell(struct qr_engine *engine, const struct qr_membership_event *event);

/* For fake_engine_calls.c: something more that waits, and that the timer is to look at it. */
struct fake_request *fake_engine_add(struct qr_engine *engine, size_t payload_bytes);
void fake_engine_wake(struct qr_engine *engine);

/* How often an event was logged since the process began. */
size_t fake_log_count(const char *name);

#endif
