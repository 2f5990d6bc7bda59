/* reply.h: replies as RESP2 or RESP3 bytes.
 *
 * Owns     nothing: it writes to a buffer, which keeps a failure of memory for later.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_REPLY_H
#define SERVER_REPLY_H

#include "kv/kv.h"
#include "server/buffer.h"

struct reply {
    struct buffer *buffer; /* borrowed */
    uint8_t protocol;      /* 2 or 3 */
};

/* Line ends within the text are written as blanks. */
void reply_status(const struct reply *reply, const char *text);

/* The same behind a dash: a code in capitals, then words. */
void reply_error(const struct reply *reply, const char *text);
void reply_integer(const struct reply *reply, int64_t value);
void reply_bulk(const struct reply *reply, const void *data, size_t size_bytes);
void reply_string(const struct reply *reply, const char *string);
void reply_null(const struct reply *reply);

/* A null in the place of an array. */
void reply_null_array(const struct reply *reply);

/* Begin an array; its elements follow. */
void reply_array(const struct reply *reply, size_t count);

/* Begin a map of `count` pairs: in RESP2 an array of twice as many. */
void reply_map(const struct reply *reply, size_t count);

/* Lines of text for people: verbatim in RESP3, a bulk string in RESP2. */
void reply_verbatim(const struct reply *reply, const char *data, size_t size_bytes);

/* The sink for src/kv; borrowed as long as `reply`. */
struct kv_reply_sink reply_sink(struct reply *reply);

/* A reply that becomes an error when its strings are too long together. */
struct bounded_reply {
    struct reply reply;
    size_t begin_bytes; /* what the buffer had before */
    size_t bytes_max;
    bool is_over;
};

struct bounded_reply reply_bounded(const struct reply *reply, size_t bytes_max);

/* The sink for it; borrowed as long as `bounded`. */
struct kv_reply_sink reply_bounded_sink(struct bounded_reply *bounded);

/* Put KV_REPLY_TOO_LONG in the place of what was written, if that was too long. */
void reply_bounded_end(struct bounded_reply *bounded);

#endif
