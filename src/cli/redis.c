/* redis.c: a Redis connection of a subcommand. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/redis.h"

#include <errno.h>
#include <string.h>

#include "cli/cli.h"

static struct timeval timeval_of(unsigned milliseconds)
{
    return (struct timeval){.tv_sec = (time_t)(milliseconds / 1000),
                            .tv_usec = (suseconds_t)(milliseconds % 1000) * 1000};
}

redisContext *redis_connect_one(const struct cli_address *address, unsigned connect_timeout_ms,
                                unsigned answer_timeout_ms)
{
    redisContext *context =
        redisConnectWithTimeout(address->host, address->port, timeval_of(connect_timeout_ms));
    if (context == NULL) {
        return NULL;
    }
    if (context->err != 0 ||
        (answer_timeout_ms > 0 &&
         redisSetTimeout(context, timeval_of(answer_timeout_ms)) != REDIS_OK)) {
        redisFree(context);
        return NULL;
    }
    return context;
}

redisContext *redis_connect_any(const struct cli_addresses *addresses)
{
    for (size_t i = 0; i < addresses->count; i++) {
        redisContext *context = redis_connect_one(&addresses->items[i], REDIS_CONNECT_TIMEOUT_MS,
                                                  REDIS_ANSWER_TIMEOUT_MS);
        if (context != NULL) {
            return context;
        }
    }
    cli_complain(CLI_UNREACHABLE, "no node answers at %s:%u%s; is it running? (--client)",
                 addresses->items[0].host, (unsigned)addresses->items[0].port,
                 addresses->count > 1 ? " or the others" : "");
    return NULL;
}

redisReply *redis_ask(redisContext *context, int count, const char **arguments, const size_t *sizes)
{
    return redisCommandArgv(context, count, arguments, sizes);
}

bool redis_is_outcome_unknown(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "TIMEOUT", 7) == 0;
}

int redis_reply_code(const redisContext *context, const redisReply *reply, bool is_write)
{
    if (reply == NULL) {
        bool is_late = context->err == REDIS_ERR_IO && (errno == EAGAIN || errno == ETIMEDOUT);
        const char *why =
            is_late || context->errstr[0] == '\0' ? "no answer in time" : context->errstr;
        if (is_write) {
            return cli_complain(CLI_UNKNOWN,
                                "the connection is cut after the command was sent "
                                "(%s); the outcome is unknown",
                                why);
        }
        return cli_complain(CLI_UNREACHABLE, "the connection is cut: %s", why);
    }
    if (reply->type != REDIS_REPLY_ERROR) {
        return CLI_DONE;
    }
    bool is_unknown = is_write && redis_is_outcome_unknown(reply);
    return cli_complain(is_unknown ? CLI_UNKNOWN : CLI_FAILED, "%s", reply->str);
}
