/* resp.h: commands out of the bytes of a connection (RESP arrays of bulk strings, inline).
 *
 * Owns     the progress within a command, so that no byte is looked at twice however the
 *          stream was cut; the bytes stay the caller's.
 * Does not know sockets or what a command means. Announced lengths are checked before
 *          anything is made for them.
 * Format   https://redis.io/docs/reference/protocol-spec: "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
 *          or a line of words, quoted where they hold blanks: GET "my key".
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RESP_H
#define SERVER_RESP_H

#include "base/types.h"
#include "kv/kv.h"

#define RESP_INLINE_BYTES_MAX (64 * 1024)
#define RESP_BULK_BYTES_MAX (UINT64_C(512) << 20) /* announced; more is no command at all */
#define RESP_ARGUMENTS_MAX KV_ARGUMENTS_MAX

enum resp_outcome {
    RESP_MORE,      /* the command is not whole yet */
    RESP_COMMAND,   /* arguments and argument_count are set; no argument: an empty line */
    RESP_TOO_LARGE, /* a command over the limit was skipped to its end */
    RESP_ERROR,     /* `error` says why; nothing after it makes sense */
    RESP_NO_MEMORY, /* likewise */
};

struct resp_parser {
    uint64_t bytes_max; /* of one argument, and of a command's arguments together */

    /* The result of RESP_COMMAND: pointers into the caller's data, or for an inline command
     * into the parser; good until the next call.
     */
    struct kv_argument *arguments;
    size_t argument_count;
    char error[64]; /* "ERR Protocol error: …" */

    /* Progress within the present command. */
    size_t argument_capacity;
    size_t *offsets;        /* of the arguments from the command's start */
    size_t position;        /* of what is looked at next, from the command's start */
    uint64_t total_bytes;   /* of the arguments so far */
    uint32_t missing_count; /* arguments still to come */
    uint32_t bulk_bytes;    /* of the argument that is being read */
    bool has_count;         /* the line "*N" was read */
    bool has_bulk;          /* the line "$N" was read */
    bool is_skipping;       /* over the limit: arguments are dropped as they come */
    uint8_t *inline_words;  /* an inline command, unquoted */
};

/* An empty parser; no memory is taken before there are arguments. */
void resp_parser_init(struct resp_parser *parser, uint64_t bytes_max);

/* Free what the parser took. It goes on as new, its limit kept; only between commands. */
void resp_parser_deinit(struct resp_parser *parser);

/* True when nothing of a command was read. */
bool resp_parser_is_between(const struct resp_parser *parser);

/* Read on.
 *
 * data       the stream from the start of the present command: bytes that were not
 *            consumed come again, at the same place before the new ones.
 * consumed   set to the count of bytes, from the start, that are done with: of the whole
 *            command after RESP_COMMAND and RESP_TOO_LARGE (pointers stay good as long as
 *            the caller keeps the bytes); after RESP_MORE those of skipped arguments.
 */
enum resp_outcome resp_parse(struct resp_parser *parser, const uint8_t *data, size_t size_bytes,
                             size_t *consumed);

#endif
