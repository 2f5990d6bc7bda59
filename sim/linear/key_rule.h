/* key_rule.h: what each command, with its reply, says about the register. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LINEAR_KEY_RULE_H
#define SIM_LINEAR_KEY_RULE_H

#include "sim/linear/history.h"

enum key_need {
    KEY_NEED_ANY,
    KEY_NEED_IS,
    KEY_NEED_IS_NOT,
    KEY_NEED_ZERO, /* absent or 0: an INCR that returned 1 */
    KEY_NEED_NEVER /* no register gives that reply */
};

/* An operation that was answered: what it found, and what it left. */
struct key_rule {
    enum key_need need;
    struct history_value needed; /* IS, IS_NOT, ZERO */
    bool is_effective;           /* may change the key */
    struct history_value written;
};

enum key_effect_kind {
    KEY_WRITE,      /* whatever was there */
    KEY_TRANSITION, /* if it was `from` */
    KEY_INCREMENT,
};

/* A call of which no reply tells whether and when it took effect: what it would do. */
struct key_effect {
    enum key_effect_kind kind;
    struct history_value from; /* TRANSITION */
    struct history_value to;   /* WRITE, TRANSITION */
};

/* The rule of an operation that is DONE. */
struct key_rule key_rule_of(const struct history_operation *operation);

/* The effect of a call; returns whether it can have any. */
bool key_effect_of(const struct history_call *call, struct key_effect *effect);

/* Whether the operation may have changed the key, as far as is known. */
bool key_operation_is_effective(const struct history_operation *operation);

#endif
