/* program.h: what a program has that engines call: a state machine around a tally, and callbacks.
 *
 * Owns     nothing of the tally's. Each function notes on which thread it came, and waits while its
 *          kind is held.
 * Threads  any.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_PROGRAM_H
#define SUPPORT_PROGRAM_H

#include <pthread.h>
#include <stdbool.h>

#include "quorate/engine.h"
#include "support/tally.h"

/* What code of the program can come by; each notes its thread. */
enum program_kind {
    PROGRAM_APPLY,
    PROGRAM_DIGEST,
    PROGRAM_WAKE_AT,
    PROGRAM_OPEN,
    PROGRAM_READ_VIEW,
    PROGRAM_CLOSE,
    PROGRAM_RESTORE,
    PROGRAM_PROPOSED,
    PROGRAM_READ,
    PROGRAM_SNAPSHOT,
    PROGRAM_CHANGE,
    PROGRAM_KEYS,
    PROGRAM_BACKUP,
    PROGRAM_COMMIT,
    PROGRAM_MEMBER,
    PROGRAM_STOPPED,
    PROGRAM_KINDS,
};

/* A state machine around a tally, and callbacks, that can be held: until they are let go. */
struct program {
    struct tally *tally; /* what is done with entries */
    struct qr_state_machine machine;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_held[PROGRAM_KINDS];
    bool is_inside[PROGRAM_KINDS]; /* one waits there */
    int counts[PROGRAM_KINDS];
    pthread_t threads[PROGRAM_KINDS]; /* on which it came last */
    bool is_elsewhere[PROGRAM_KINDS]; /* it came on two */
    int inside_count;                 /* functions of the state machine under way: one at a time */
    int ok_count;                     /* proposals, and */
    int failed_count;
    uint64_t last_index;
    uint64_t read_index;
    struct qr_engine *engine;
    uint64_t tokens[4];
    uint64_t missed_count;
};

void program_init(struct program *program, struct tally *tally);
void program_deinit(struct program *program);

/* Code of this kind is called, on this thread: returns once it is not held. */
void program_note(struct program *program, enum program_kind kind);

void program_hold(struct program *program, enum program_kind kind, bool is_held);
int program_count(struct program *program, enum program_kind kind);

/* Whether one is under way, and may be held. */
bool program_is_inside(struct program *program, enum program_kind kind);

/* Callbacks; a program is their argument. */
void program_on_stopped(void *argument, int status, const char *reason);
void program_on_proposed(void *argument, int status, uint64_t index,
                         const struct qr_result *result);
void program_on_read(void *argument, int status, uint64_t index);
void program_on_snapshot(void *argument, int status, uint64_t index);
void program_on_commit(void *argument, const struct qr_entry *entry);
void program_on_member(void *argument, const struct qr_membership_event *event);

#endif
