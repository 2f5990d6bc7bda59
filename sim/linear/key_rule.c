/* key_rule.c: what each command, with its reply, says about the register. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/key_rule.h"

#include "base/assert.h"

static struct key_rule impossible(void)
{
    return (struct key_rule){.need = KEY_NEED_NEVER};
}

static struct key_rule read_rule(struct history_value reply)
{
    return (struct key_rule){.need = KEY_NEED_IS, .needed = reply};
}

/* Replies 1 and writes if the key is (or is not) `tested`, else replies 0. */
static struct key_rule test_rule(enum key_need need, struct history_value tested,
                                 struct history_value written, struct history_value reply)
{
    ASSERT(need == KEY_NEED_IS || need == KEY_NEED_IS_NOT);
    enum key_need opposite = need == KEY_NEED_IS ? KEY_NEED_IS_NOT : KEY_NEED_IS;

    if (!reply.is_present || reply.number < 0 || reply.number > 1) {
        return impossible();
    }
    if (reply.number == 0) {
        return (struct key_rule){.need = opposite, .needed = tested};
    }
    return (struct key_rule){need, tested, true, written};
}

static struct key_rule increment_rule(struct history_value reply)
{
    if (!reply.is_present || reply.number == INT64_MIN) {
        return impossible();
    }
    return (struct key_rule){
        .need = reply.number == 1 ? KEY_NEED_ZERO : KEY_NEED_IS,
        .needed = history_number(reply.number - 1),
        .is_effective = true,
        .written = reply,
    };
}

static bool is_same(struct history_value a, struct history_value b)
{
    return a.is_present == b.is_present && (!a.is_present || a.number == b.number);
}

static struct key_rule command_rule(const struct history_operation *operation)
{
    const struct history_call *call = &operation->call;
    struct history_value argument = history_number(call->argument);
    struct history_value reply = operation->reply;

    switch (call->kind) {
    case HISTORY_GET:
        return read_rule(reply);
    case HISTORY_SET:
        return (struct key_rule){.need = KEY_NEED_ANY, .is_effective = true, .written = argument};
    case HISTORY_GETSET:
        return (struct key_rule){KEY_NEED_IS, reply, true, argument};
    case HISTORY_CAS:
        return test_rule(KEY_NEED_IS, history_number(call->expected), argument, reply);
    case HISTORY_SETNX:
        return test_rule(KEY_NEED_IS, history_none(), argument, reply);
    case HISTORY_DEL:
        return test_rule(KEY_NEED_IS_NOT, history_none(), history_none(), reply);
    case HISTORY_INCR:
        return increment_rule(reply);
    }
    return impossible();
}

struct key_rule key_rule_of(const struct history_operation *operation)
{
    ASSERT(operation->outcome == HISTORY_DONE);
    struct key_rule rule = command_rule(operation);

    /* What writes what is there reads. */
    if (rule.need == KEY_NEED_IS && rule.is_effective && is_same(rule.needed, rule.written)) {
        rule.is_effective = false;
    }
    return rule;
}

bool key_effect_of(const struct history_call *call, struct key_effect *effect)
{
    struct history_value argument = history_number(call->argument);

    switch (call->kind) {
    case HISTORY_GET:
        return false;
    case HISTORY_SET:
    case HISTORY_GETSET:
        *effect = (struct key_effect){.kind = KEY_WRITE, .to = argument};
        return true;
    case HISTORY_DEL:
        *effect = (struct key_effect){.kind = KEY_WRITE, .to = history_none()};
        return true;
    case HISTORY_CAS:
        *effect = (struct key_effect){KEY_TRANSITION, history_number(call->expected), argument};
        return call->argument != call->expected;
    case HISTORY_SETNX:
        *effect = (struct key_effect){KEY_TRANSITION, history_none(), argument};
        return true;
    case HISTORY_INCR:
        *effect = (struct key_effect){.kind = KEY_INCREMENT};
        return true;
    }
    return false;
}

bool key_operation_is_effective(const struct history_operation *operation)
{
    struct key_effect effect;

    if (!key_effect_of(&operation->call, &effect)) {
        return false;
    }
    if (operation->outcome != HISTORY_DONE) {
        return true;
    }
    struct key_rule rule = key_rule_of(operation);
    return rule.is_effective || rule.need == KEY_NEED_NEVER;
}
