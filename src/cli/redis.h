/* redis.h: a Redis connection of a subcommand, and what its failures mean.
 *
 * Owns     the translation of errors into exit codes.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_REDIS_H
#define CLI_REDIS_H

#include <hiredis/hiredis.h>

#include "cli/address.h"

#define REDIS_CONNECT_TIMEOUT_MS 3000
#define REDIS_ANSWER_TIMEOUT_MS 20000 /* a node answers within its proposal timeout */

/* Connect to the first address that answers. Complains and returns NULL when none does. */
redisContext *redis_connect_any(const struct cli_addresses *addresses);

/* Connect to one address without a complaint: NULL when nobody answers in time. */
redisContext *redis_connect_one(const struct cli_address *address, unsigned connect_timeout_ms,
                                unsigned answer_timeout_ms);

/* Send one command and wait for its reply.
 *
 * arguments   `count` of them, `sizes[i]` bytes long.
 *
 * Returns the reply, for freeReplyObject(), or NULL when the connection is cut.
 */
redisReply *redis_ask(redisContext *context, int count, const char **arguments,
                      const size_t *sizes);

/* Whether an error reply leaves the outcome open. */
bool redis_is_outcome_unknown(const redisReply *reply);

/* Complain about what is wrong and return the exit code, or CLI_DONE when nothing is.
 *
 * reply      NULL: the connection was cut.
 * is_write   a cut connection leaves the outcome of a write open.
 */
int redis_reply_code(const redisContext *context, const redisReply *reply, bool is_write);

#endif
