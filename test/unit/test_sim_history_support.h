/* test_sim_history_support.h: histories written as lines, and one register that obeys.
 *
 * An operation is: client, command and its arguments, from, to, and what it replied but for
 * SET. `-` is a reply of nothing. Instead of `to` may stand `?` for an unknown outcome, `x`
 * for a refusal, `~` for no answer yet; then there is no reply. Commas separate operations.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_HISTORY_SUPPORT_H
#define TEST_SIM_HISTORY_SUPPORT_H

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "sim/linear/history.h"
#include "support/heap.h"
#include "support/unit.h"

static inline int64_t number_at(const char **at)
{
    char *end;
    int64_t number = strtoll(*at, &end, 10);
    ASSERT(end != *at);
    *at = end;
    return number;
}

static inline enum history_kind kind_at(const char **at)
{
    *at += strspn(*at, " ");
    size_t length = strcspn(*at, " ");
    for (int kind = 0; kind <= HISTORY_INCR; kind++) {
        const char *text = history_kind_text((enum history_kind)kind);
        if (strlen(text) == length && memcmp(text, *at, length) == 0) {
            *at += length;
            return (enum history_kind)kind;
        }
    }
    fail_msg("no command: %s", *at);
    return HISTORY_GET;
}

static inline bool has_argument(enum history_kind kind)
{
    return kind == HISTORY_SET || kind == HISTORY_GETSET || kind == HISTORY_CAS ||
           kind == HISTORY_SETNX;
}

static inline uint32_t history_call(struct history *history, const struct history_call *call,
                                    uint64_t invoked_at)
{
    uint32_t number;

    assert_int_equal(history_add(history, call, invoked_at, &number), 0);
    return number;
}

/* Read one operation on key 7. */
static inline void history_read_one(struct history *history, const char **at)
{
    struct history_call call = {.key = 7, .client = (uint32_t)number_at(at), .kind = kind_at(at)};
    call.expected = call.kind == HISTORY_CAS ? number_at(at) : 0;
    call.argument = has_argument(call.kind) ? number_at(at) : 0;
    uint32_t number = history_call(history, &call, (uint64_t)number_at(at));

    *at += strspn(*at, " ");
    if (**at == '?' || **at == 'x' || **at == '~') {
        char outcome = *(*at)++;
        if (outcome == '?') {
            history_unknown(history, number);
        } else if (outcome == 'x') {
            history_refused(history, number);
        }
        return;
    }
    uint64_t returned_at = (uint64_t)number_at(at);
    struct history_value reply = history_none();
    *at += strspn(*at, " ");
    if (**at == '-' && ((*at)[1] == ',' || (*at)[1] == '\0')) {
        (*at)++;
    } else if (call.kind != HISTORY_SET) {
        reply = history_number(number_at(at));
    }
    history_done(history, number, reply, returned_at);
}

static inline void history_read(struct history *history, const char *text)
{
    while (*text != '\0') {
        history_read_one(history, &text);
        ASSERT(*text == ',' || *text == '\0');
        text += *text == ',';
    }
    history_invariants(history);
}

/* Do what a client asks; returns the reply. Apart from key_rule.c, so as to judge it. */
static inline struct history_value register_do(struct history_value *state,
                                               const struct history_call *call)
{
    struct history_value before = *state;

    switch (call->kind) {
    case HISTORY_GET:
        return before;
    case HISTORY_SET:
        *state = history_number(call->argument);
        return history_none();
    case HISTORY_GETSET:
        *state = history_number(call->argument);
        return before;
    case HISTORY_CAS:
        if (before.is_present && before.number == call->expected) {
            *state = history_number(call->argument);
            return history_number(1);
        }
        return history_number(0);
    case HISTORY_SETNX:
        if (!before.is_present) {
            *state = history_number(call->argument);
        }
        return history_number(before.is_present ? 0 : 1);
    case HISTORY_DEL:
        *state = history_none();
        return history_number(before.is_present ? 1 : 0);
    case HISTORY_INCR:
        *state = history_number((before.is_present ? before.number : 0) + 1);
        return *state;
    }
    return history_none();
}

#endif
