/* handlers.h: who wants to hear of what happens: functions of the program's, by their tokens.
 *
 * Threads  with an application thread the tables stand under its mutex: any thread changes them at
 *          once, however long a handler takes. Without, they are the loop's.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_HANDLERS_H
#define ENGINE_HANDLERS_H

#include <stdatomic.h>

#include "base/types.h"
#include "quorate/membership.h"
#include "quorate/proposal.h"

struct qr_engine;

#define ENGINE_HANDLERS_MAX QR_COMMIT_HANDLERS_MAX
_Static_assert(ENGINE_HANDLERS_MAX == QR_MEMBERSHIP_HANDLERS_MAX, "one kind of table for both");

typedef void engine_handler_function(void); /* cast back to what it is before it is called */

struct engine_handler {
    uint64_t token; /* 0: free */
    uint64_t after; /* called for what is behind this one */
    engine_handler_function *function;
    void *argument;
};

/* Of the loop's thread; under application.mutex where there is an application thread. */
struct engine_handlers {
    atomic_size_t count;
    uint64_t told;  /* the last one that they have, or are being told of */
    uint64_t given; /* the last one that waits for them, if any ever did */
    struct engine_handler slots[ENGINE_HANDLERS_MAX];
};

/* Add a function to those that are told of what comes behind the last one that was told. Returns 0,
 * or with nothing done QR_ERR_BUSY (ENGINE_HANDLERS_MAX) or QR_ERR_STOPPED.
 */
NODISCARD int engine_handlers_add(struct qr_engine *engine, struct engine_handlers *to,
                                  engine_handler_function *function, void *argument,
                                  uint64_t *token);

/* The first of all, before the engine runs: it is told of everything, as long as there is one. */
void engine_handlers_begin(struct qr_engine *engine, struct engine_handlers *to,
                           engine_handler_function *function, void *argument);

/* A token that there is not changes nothing. */
void engine_handlers_remove(struct qr_engine *engine, struct engine_handlers *from, uint64_t token);

/* Tell all of `number`, which is above what they were told before: `call` is called with each.
 *
 * Handlers may add and remove handlers, also themselves: a slot is looked at only when its turn
 * comes, and one that is new waits for what is told next.
 */
void engine_handlers_tell(struct qr_engine *engine, struct engine_handlers *handlers,
                          uint64_t number,
                          void (*call)(const struct engine_handler *handler, const void *what),
                          const void *what);

#endif
