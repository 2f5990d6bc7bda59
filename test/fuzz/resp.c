/* resp.c: fuzzes the parser of Redis commands.
 *
 * Input    a byte that says where the stream is cut and what is too long, then the stream.
 * Asserts  that the commands and errors found do not depend on where the stream was cut, that
 *          no byte behind what came is looked at, and that each command found is found again
 *          in its own encoding.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp.h"

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "fuzz/fuzz.h"

#define FOUND_BYTES_MAX (512 * 1024)

/* What was found, in order: an outcome, then counts and bytes. */
struct found {
    struct writer writer;
    uint8_t bytes[FOUND_BYTES_MAX];
};

static void put_command(struct writer *out, const struct resp_parser *parser)
{
    write_u32(out, (uint32_t)parser->argument_count);
    for (size_t i = 0; i < parser->argument_count; i++) {
        write_u32(out, (uint32_t)parser->arguments[i].size_bytes);
        write_bytes(out, parser->arguments[i].data, parser->arguments[i].size_bytes);
    }
}

/* The command as an array of bulk strings is that command. */
static void check_encoding(const struct resp_parser *parser)
{
    static uint8_t bytes[FOUND_BYTES_MAX];
    struct text text = text_of((char *)bytes, sizeof(bytes));
    struct resp_parser other;
    size_t consumed;
    text_char(&text, '*');
    text_u64(&text, parser->argument_count);
    text_string(&text, "\r\n");
    for (size_t i = 0; i < parser->argument_count; i++) {
        text_char(&text, '$');
        text_u64(&text, parser->arguments[i].size_bytes);
        text_string(&text, "\r\n");
        text_bytes(&text, parser->arguments[i].data, parser->arguments[i].size_bytes);
        text_string(&text, "\r\n");
    }
    ASSERT(!text.truncated);
    resp_parser_init(&other, RESP_BULK_BYTES_MAX);
    enum resp_outcome outcome = resp_parse(&other, bytes, text.length, &consumed);
    ASSERT(outcome == RESP_COMMAND);
    ASSERT(consumed == text.length);
    ASSERT(other.argument_count == parser->argument_count);
    for (size_t i = 0; i < parser->argument_count; i++) {
        const struct kv_argument *left = &parser->arguments[i];
        const struct kv_argument *right = &other.arguments[i];
        ASSERT(left->size_bytes == right->size_bytes);
        ASSERT(left->size_bytes == 0 || memcmp(left->data, right->data, left->size_bytes) == 0);
    }
    resp_parser_deinit(&other);
}

/* Parse once what has come, at an address of its own, as large as it is. */
static enum resp_outcome parse_once(struct resp_parser *parser, const uint8_t *data,
                                    size_t size_bytes, size_t *consumed, struct found *out)
{
    uint8_t *copy = malloc(size_bytes + (size_bytes == 0));
    ASSERT(copy != NULL);
    if (size_bytes > 0) {
        memcpy(copy, data, size_bytes);
    }
    enum resp_outcome outcome = resp_parse(parser, copy, size_bytes, consumed);
    ASSERT(*consumed <= size_bytes);
    if (outcome != RESP_MORE) {
        write_u8(&out->writer, (uint8_t)outcome);
        ASSERT(resp_parser_is_between(parser));
    }
    if (outcome == RESP_COMMAND) {
        ASSERT(*consumed > 0);
        put_command(&out->writer, parser);
        check_encoding(parser);
    }
    if (outcome == RESP_ERROR) {
        ASSERT(strncmp(parser->error, "ERR Protocol error: ", 20) == 0);
        write_string8(&out->writer, parser->error);
    }
    free(copy);
    return outcome;
}

/* Parse the stream, cut where `prng` says; NULL: not at all. */
static void parse(const uint8_t *data, size_t size_bytes, uint64_t bytes_max, struct prng *prng,
                  struct found *out)
{
    struct resp_parser parser;
    size_t start = 0;
    size_t end = prng == NULL ? size_bytes : 0;
    enum resp_outcome outcome = RESP_COMMAND;
    resp_parser_init(&parser, bytes_max);
    out->writer = writer_of(out->bytes, sizeof(out->bytes));
    while (outcome != RESP_ERROR && (outcome != RESP_MORE || end < size_bytes)) {
        size_t consumed;
        if (outcome == RESP_MORE) {
            end += prng_between(prng, 1, min_u64(size_bytes - end, 16));
        }
        outcome = parse_once(&parser, data + start, end - start, &consumed, out);
        start += consumed;
    }
    ASSERT(outcome != RESP_NO_MEMORY);
    ASSERT(!out->writer.failed);
    resp_parser_deinit(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct found whole;
    static struct found cut;
    if (size_bytes == 0) {
        return 0;
    }
    uint64_t bytes_max = (data[0] & 1) != 0 ? RESP_BULK_BYTES_MAX : data[0];
    struct prng prng = prng_of(data[0]);
    parse(data + 1, size_bytes - 1, bytes_max, NULL, &whole);
    parse(data + 1, size_bytes - 1, bytes_max, &prng, &cut);
    size_t found_bytes = writer_used(&whole.writer);
    ASSERT(found_bytes == writer_used(&cut.writer));
    ASSERT(memcmp(whole.bytes, cut.bytes, found_bytes) == 0);
    return 0;
}
