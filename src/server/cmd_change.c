/* cmd_change.c: QUORATE.CHANGE: who is a member, who votes, and who leads.
 *
 *   QUORATE.CHANGE [PROMOTE NAMES] [DEMOTE NAMES] [REMOVE NAMES] [PRIORITY NAME NUMBER]
 *                  [TRANSFER NAME] [DRYRUN] [FORCE]
 *
 * NAMES are separated by commas; all of it is one change, done as a whole or not at all. The
 * answer is how many voters could fail before and can now, and a sentence.
 *   QUORATE.JOIN HOST:PORT,... [LEARNER]
 *   QUORATE.STATUS
 *   QUORATE.LEAVE [SHUTDOWN | RESTART | REMOVED]
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "server/internal.h"

#define NAMES_BYTES_MAX 240
#define JOIN_BYTES_MAX (QR_MEMBERS_MAX * QR_ADDRESS_BYTES_MAX)

struct parsed {
    struct qr_change change;
    char promote[NAMES_BYTES_MAX];
    char demote[NAMES_BYTES_MAX];
    char remove[NAMES_BYTES_MAX];
    char prioritize[QR_NAME_BYTES_MAX];
    char transfer[QR_NAME_BYTES_MAX];
};

struct option {
    const char *word;
    char *to;
    size_t to_bytes;
    const char **field;
};

/* A name that is given once, fits, and holds no NUL. */
static bool take_name(const struct kv_argument *argument, const struct option *option)
{
    if (argument->size_bytes == 0 || argument->size_bytes >= option->to_bytes ||
        option->to[0] != '\0' || memchr(argument->data, '\0', argument->size_bytes) != NULL) {
        return false;
    }
    memcpy(option->to, argument->data, argument->size_bytes);
    option->to[argument->size_bytes] = '\0';
    *option->field = option->to;
    return true;
}

/* How many arguments from `at` on were one option of the command; 0: they are none. */
static size_t take_option(const struct kv_argument *at, size_t left, struct parsed *out)
{
    const struct option options[] = {
        {"PROMOTE", out->promote, sizeof(out->promote), &out->change.promote},
        {"DEMOTE", out->demote, sizeof(out->demote), &out->change.demote},
        {"REMOVE", out->remove, sizeof(out->remove), &out->change.remove},
        {"PRIORITY", out->prioritize, sizeof(out->prioritize), &out->change.prioritize},
        {"TRANSFER", out->transfer, sizeof(out->transfer), &out->change.transfer},
    };
    if (word_is(at, "DRYRUN")) {
        out->change.is_dry_run = true;
        return 1;
    }
    if (word_is(at, "FORCE")) {
        out->change.is_forced = true;
        return 1;
    }
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        bool has_number = options[i].to == out->prioritize;
        size_t taken = has_number ? 3 : 2;
        uint64_t number = 0;
        if (!word_is(at, options[i].word)) {
            continue;
        }
        if (left < taken || !take_name(&at[1], &options[i]) ||
            (has_number && (!word_number(&at[2], &number) || number > UINT8_MAX))) {
            return 0;
        }
        out->change.priority = has_number ? (uint32_t)number : out->change.priority;
        return taken;
    }
    return 0;
}

enum dispatch_outcome cmd_quorate_change(struct client *client, const struct kv_argument *arguments,
                                         size_t count)
{
    struct parsed parsed = {.change = {.size_bytes = sizeof(parsed.change)}};
    size_t at = 1;

    ASSERT(count >= 2);
    while (at < count) {
        size_t taken = take_option(&arguments[at], count - at, &parsed);
        if (taken == 0) {
            struct reply reply = pipeline_reply(client);
            reply_error(&reply, "ERR syntax error");
            return DISPATCH_DONE;
        }
        at += taken;
    }
    if (client->pipeline.read_count > 0) {
        return DISPATCH_HOLD;
    }
    pipeline_change(client, &parsed.change);
    return DISPATCH_DONE;
}

/* QUORATE.JOIN HOST:PORT,... [LEARNER]: of a node in no cluster yet: join the cluster of these. */
enum dispatch_outcome cmd_quorate_join(struct client *client, const struct kv_argument *arguments,
                                       size_t count)
{
    char join[JOIN_BYTES_MAX];
    struct reply reply = pipeline_reply(client);
    const struct kv_argument *list = &arguments[1];
    bool is_learner = count == 3 && word_is(&arguments[2], "LEARNER");

    if (count > 3 || (count == 3 && !is_learner) || list->size_bytes == 0 ||
        list->size_bytes >= sizeof(join) || memchr(list->data, '\0', list->size_bytes) != NULL) {
        reply_error(&reply, "ERR syntax error");
        return DISPATCH_DONE;
    }
    memcpy(join, list->data, list->size_bytes);
    join[list->size_bytes] = '\0';
    switch (qr_join(client->server->options.engine, join, is_learner)) {
    case 0:
        reply_status(&reply, "OK");
        break;
    case QR_ERR_FOREIGN:
        reply_error(&reply,
                    "ERR this node belongs to a cluster already, or was not started with --wait; "
                    "nothing was changed");
        break;
    case QR_ERR_INVALID:
    case QR_ERR_ADDRESS:
        reply_error(&reply, "ERR these are no addresses, HOST:PORT,...; nothing was changed");
        break;
    default:
        reply_error(&reply,
                    "TRYAGAIN this node has stopped, or memory ran out; nothing was changed");
        break;
    }
    return DISPATCH_DONE;
}

/* QUORATE.STATUS: what /status says, for who has no way to the HTTP port. */
enum dispatch_outcome cmd_quorate_status(struct client *client, const struct kv_argument *arguments,
                                         size_t count)
{
    struct buffer body = {0};
    struct reply reply = pipeline_reply(client);

    (void)arguments;
    (void)count;
    status_json(client->server, &body);
    if (body.failed) {
        reply_error(&reply, "TRYAGAIN memory ran out; nothing was changed");
    } else {
        reply_bulk(&reply, buffer_at(&body), buffer_bytes(&body));
    }
    buffer_free(&body);
    return DISPATCH_DONE;
}

/* QUORATE.LEAVE: hand leadership over, tell the members, and stop. */
enum dispatch_outcome cmd_quorate_leave(struct client *client, const struct kv_argument *arguments,
                                        size_t count)
{
    static const char *const words[] = {"SHUTDOWN", "RESTART", "REMOVED"};
    struct reply reply = pipeline_reply(client);
    unsigned reason = 0;

    while (count == 2 && reason <= QR_LEAVE_REMOVED && !word_is(&arguments[1], words[reason])) {
        reason++;
    }
    if (count > 2 || reason > QR_LEAVE_REMOVED) {
        reply_error(&reply, "ERR syntax error");
    } else if (qr_leave(client->server->options.engine, (enum qr_leave_reason)reason) != 0) {
        reply_error(&reply, "CLUSTERDOWN this node has stopped; nothing was changed");
    } else {
        reply_status(&reply, "OK");
    }
    return DISPATCH_DONE;
}
