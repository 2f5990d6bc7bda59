/* text.c: fuzzes the writer of JSON.
 *
 * Input    the size of the buffer, then a program: what to write, one operation after another.
 * Asserts  that what was written is the JSON value that jansson makes of the same program; that
 *          a text never leaves its buffer, and says so when it was cut.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"

#define DEPTH_MAX 16
#define TEXT_BYTES_MAX (256 * 1024)
#define STRING_BYTES_MAX 512

enum operation {
    OPERATION_OBJECT,
    OPERATION_ARRAY,
    OPERATION_CLOSE,
    OPERATION_STRING,
    OPERATION_BYTES,
    OPERATION_U64,
    OPERATION_I64,
    OPERATION_BOOL,
    OPERATION_NULL,
    OPERATION_HEX,
    OPERATIONS,
};

struct program {
    struct reader reader;
    struct text *text;
    json_t *open[DEPTH_MAX]; /* borrowed from the root */
    size_t depth;
};

/* How many bytes stand at `at` that jansson takes for a character, or 0. */
static size_t character_bytes(const char *at, size_t left)
{
    for (size_t length = 1; length <= 4 && length <= left; length++) {
        json_t *string = json_stringn(at, length);
        if (string != NULL) {
            json_decref(string);
            return length;
        }
    }
    return 0;
}

/* What a text makes of bytes that are not all UTF-8: those that are none become U+0080..U+00FF.
 * Returns the length of what was put to `out`.
 */
static size_t characters_of(const char *at, size_t size_bytes, char *out)
{
    size_t length = 0;
    while (size_bytes > 0) {
        size_t count = character_bytes(at, size_bytes);
        if (count > 0) {
            memcpy(out + length, at, count);
            length += count;
        } else {
            count = 1;
            out[length++] = (char)(0xc0 | ((uint8_t)*at >> 6));
            out[length++] = (char)(0x80 | ((uint8_t)*at & 0x3f));
        }
        at += count;
        size_bytes -= count;
    }
    return length;
}

/* The next string of the program, in a place of just its size. */
static size_t read_text(struct program *program, char *out)
{
    size_t length = read_u8(&program->reader);
    length = min_u64(length, reader_left(&program->reader));
    const uint8_t *bytes = read_bytes(&program->reader, length);
    if (length > 0) {
        memcpy(out, bytes, length);
    }
    out[length] = '\0';
    return length;
}

static json_t *put_string(struct program *program, bool is_bytes)
{
    char bytes[STRING_BYTES_MAX];
    char characters[2 * STRING_BYTES_MAX];
    size_t length = read_text(program, bytes);
    if (is_bytes) {
        text_json_bytes(program->text, bytes, length);
    } else {
        text_json_string(program->text, bytes);
        length = strlen(bytes);
    }
    return json_stringn(characters, characters_of(bytes, length, characters));
}

static json_t *put_hex(struct program *program)
{
    char digits[32];
    unsigned count = 1 + read_u8(&program->reader) % 16U;
    uint64_t value = read_u64(&program->reader);
    uint64_t mask = count == 16 ? UINT64_MAX : (UINT64_C(1) << 4 * count) - 1;
    text_json_hex(program->text, value, count);
    (void)snprintf(digits, sizeof(digits), "%0*llx", (int)count,
                   (unsigned long long)(value & mask));
    return json_string(digits);
}

/* Numbers above 2^63 are none to jansson. */
static json_t *put_u64(struct program *program)
{
    uint64_t value = read_u64(&program->reader) & INT64_MAX;
    text_json_u64(program->text, value);
    return json_integer((json_int_t)value);
}

static json_t *put_i64(struct program *program)
{
    int64_t value = (int64_t)read_u64(&program->reader);
    text_json_i64(program->text, value);
    return json_integer(value);
}

static json_t *put_bool(struct program *program)
{
    bool value = read_u8(&program->reader) % 2 == 1;
    text_json_bool(program->text, value);
    return json_boolean(value);
}

/* Write one value; NULL for one that cannot stand here. */
static json_t *put_value(struct program *program, enum operation operation)
{
    switch (operation) {
    case OPERATION_OBJECT:
        text_json_object_begin(program->text);
        return json_object();
    case OPERATION_ARRAY:
        text_json_array_begin(program->text);
        return json_array();
    case OPERATION_U64:
        return put_u64(program);
    case OPERATION_I64:
        return put_i64(program);
    case OPERATION_BOOL:
        return put_bool(program);
    case OPERATION_NULL:
        text_json_null(program->text);
        return json_null();
    case OPERATION_HEX:
        return put_hex(program);
    default:
        return put_string(program, operation == OPERATION_BYTES);
    }
}

static void close_innermost(struct program *program)
{
    const json_t *innermost = program->open[--program->depth];
    if (json_is_object(innermost)) {
        text_json_object_end(program->text);
    } else {
        text_json_array_end(program->text);
    }
}

/* One operation within the innermost object or array. */
static void step(struct program *program)
{
    json_t *into = program->open[program->depth - 1];
    enum operation operation = read_u8(&program->reader) % OPERATIONS;
    if (operation == OPERATION_CLOSE) {
        close_innermost(program);
        return;
    }
    bool is_opening = operation == OPERATION_OBJECT || operation == OPERATION_ARRAY;
    if (is_opening && program->depth == DEPTH_MAX) {
        return;
    }
    char key[STRING_BYTES_MAX];
    char characters[2 * STRING_BYTES_MAX] = "";
    if (json_is_object(into)) {
        (void)read_text(program, key);
        characters[characters_of(key, strlen(key), characters)] = '\0';
        text_json_key(program->text, key);
    }
    json_t *value = put_value(program, operation);
    ASSERT(value != NULL);
    int failed = json_is_object(into) ? json_object_set_new(into, characters, value)
                                      : json_array_append_new(into, value);
    ASSERT(failed == 0);
    if (is_opening) {
        program->open[program->depth++] = value;
    }
}

/* Write the program's JSON. Returns what it must be. */
static json_t *run(const uint8_t *data, size_t size_bytes, struct text *text)
{
    struct program program = {.reader = reader_of(data, size_bytes), .text = text};
    json_t *root = read_u8(&program.reader) % 2 == 0 ? json_object() : json_array();
    ASSERT(root != NULL);
    if (json_is_object(root)) {
        text_json_object_begin(text);
    } else {
        text_json_array_begin(text);
    }
    program.open[program.depth++] = root;
    while (program.depth > 0 && !program.reader.failed) {
        step(&program);
    }
    while (program.depth > 0) {
        close_innermost(&program);
    }
    return root;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static char whole_bytes[TEXT_BYTES_MAX];
    if (size_bytes < 2) {
        return 0;
    }
    struct text whole = text_of(whole_bytes, sizeof(whole_bytes));
    json_t *expected = run(data + 2, size_bytes - 2, &whole);
    fuzz_check_text(&whole);
    if (!whole.truncated) {
        json_error_t error;
        json_t *parsed = json_loadb(whole.data, whole.length, JSON_ALLOW_NUL, &error);
        ASSERT(parsed != NULL);
        ASSERT(json_equal(parsed, expected));
        json_decref(parsed);
    }
    json_decref(expected);

    /* The same into a smaller buffer is the beginning of it. */
    struct heap heap;
    heap_init(&heap);
    size_t room_bytes = 1 + (size_t)load_u16(data);
    char *room = allocate(&heap.allocator, room_bytes);
    ASSERT(room != NULL);
    struct text cut = text_of(room, room_bytes);
    json_decref(run(data + 2, size_bytes - 2, &cut));
    fuzz_check_text(&cut);
    ASSERT_IMPLIES(!whole.truncated, cut.truncated == (whole.length >= room_bytes));
    ASSERT_IMPLIES(!cut.truncated, cut.length == whole.length);
    release(&heap.allocator, room, room_bytes);
    heap_deinit(&heap);
    return 0;
}
