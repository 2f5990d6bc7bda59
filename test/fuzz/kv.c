/* kv.c: fuzzes the key-value state machine: what was committed must apply, whatever it is.
 *
 * Input    lines. A line is a command, its words separated by blanks; or `!` and the bytes of a
 *          payload; `*` and those of a transaction; `@` and by how many seconds log time moves
 *          on; `%` and another command than "kv"; `#` ends a batch.
 * Asserts  that entries applied in batches and one by one give the same digest and the same
 *          results; that a result can be read; that what kv_check() refuses changes nothing and
 *          is answered with an error; that a read gives what the applied read gave; and the
 *          store's invariants.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/kv.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "kv/result.h"
#include "quorate/error.h"

#define BATCH_MAX 16
#define WORDS_MAX 32
#define LINE_BYTES_MAX 1024
#define OFFSET_DIGITS_MAX 5 /* of SETRANGE: values of 32 MiB are slow */
#define TIME_BEGIN (UINT64_C(1700000000) * NS_PER_S)

struct line {
    struct kv_argument words[WORDS_MAX];
    size_t count;
};

struct world {
    struct heap heap;
    struct kv *batched;
    struct kv *single;
    uint64_t index;
    uint64_t time_ns;
    struct qr_entry batch[BATCH_MAX];
    uint8_t *payloads[BATCH_MAX];
    size_t batch_count;
};

static struct line split(const uint8_t *data, size_t size_bytes)
{
    struct line line = {.count = 0};
    size_t at = 0;
    while (at < size_bytes && line.count < WORDS_MAX) {
        const uint8_t *blank = memchr(data + at, ' ', size_bytes - at);
        size_t length = blank == NULL ? size_bytes - at : (size_t)(blank - (data + at));
        line.words[line.count++] = (struct kv_argument){data + at, length};
        at += length + 1;
    }
    return line;
}

static bool is_named(const struct kv_command *command, const char *name)
{
    return command != NULL && strcmp(command->name, name) == 0;
}

static const struct kv_command *command_of(const struct line *line)
{
    return line->count == 0 ? NULL
                            : kv_command_find(line->words[0].data, line->words[0].size_bytes);
}

static uint64_t digest_of(struct kv *kv)
{
    const struct qr_state_machine *machine = kv_state_machine(kv);
    return machine->digest(machine->context);
}

/* Read a result, and record it anew: the same bytes, when it is no refusal. */
static void check_result(struct world *world, const struct qr_result *result)
{
    struct kv_results results;
    size_t size_bytes;
    ASSERT(result->size_bytes > 0);
    kv_results_init(&results, &world->heap.allocator);
    kv_results_begin(&results);
    struct kv_reply_sink sink = kv_results_sink(&results);
    kv_result_replay(result->data, result->size_bytes, &sink);
    ASSERT(kv_results_end(&results, &size_bytes) == 0);
    ASSERT(size_bytes == result->size_bytes);
    ASSERT(memcmp(results.data, result->data, size_bytes) == 0);
    kv_results_deinit(&results);
}

/* What the batch gave is what one entry after another gives. */
static void end_batch(struct world *world)
{
    const struct qr_state_machine *batched = kv_state_machine(world->batched);
    const struct qr_state_machine *single = kv_state_machine(world->single);
    struct qr_result results[BATCH_MAX] = {{.data = NULL}};
    int status = batched->apply(batched->context, world->batch, world->batch_count, results);
    ASSERT(status == 0);
    for (size_t i = 0; i < world->batch_count; i++) {
        struct qr_result result = {.data = NULL};
        struct qr_entry entry = world->batch[i];
        entry.wants_result = entry.index % 3 != 0;
        status = single->apply(single->context, &entry, 1, &result);
        ASSERT(status == 0);
        check_result(world, &results[i]);
        if (entry.wants_result) {
            ASSERT(result.size_bytes == results[i].size_bytes);
            ASSERT(memcmp(result.data, results[i].data, result.size_bytes) == 0);
        }
        free(world->payloads[i]);
    }
    world->batch_count = 0;
    ASSERT(digest_of(world->batched) == digest_of(world->single));
    ASSERT(batched->wake_at(batched->context) == single->wake_at(single->context));
}

/* Take the payload, given, as an entry. */
static void add_entry(struct world *world, const char *command, uint8_t *payload, size_t size_bytes)
{
    world->payloads[world->batch_count] = payload;
    world->batch[world->batch_count++] = (struct qr_entry){
        .index = ++world->index,
        .term = 1,
        .timestamp_ns = world->time_ns,
        .command = command,
        .command_bytes = strlen(command),
        .payload = payload,
        .payload_bytes = size_bytes,
        .wants_result = true,
    };
    if (world->batch_count == BATCH_MAX) {
        end_batch(world);
    }
}

static void add_bytes(struct world *world, const char *command, const uint8_t *data,
                      size_t size_bytes)
{
    uint8_t *payload = malloc(size_bytes + (size_bytes == 0));
    ASSERT(payload != NULL);
    if (size_bytes > 0) {
        memcpy(payload, data, size_bytes);
    }
    add_entry(world, command, payload, size_bytes);
}

/* A command that is not taken before it is proposed is none when it is applied all the same. */
static void apply_refused(struct world *world, uint8_t *payload, size_t size_bytes)
{
    end_batch(world);
    const struct qr_state_machine *machine = kv_state_machine(world->batched);
    struct qr_result result = {.data = NULL};
    /* Log time first: it may make keys expire. */
    struct qr_entry tick = {.index = ++world->index, .term = 1, .timestamp_ns = world->time_ns};
    ASSERT(machine->apply(machine->context, &tick, 1, &result) == 0);
    ASSERT(kv_state_machine(world->single)->apply(world->single, &tick, 1, &result) == 0);
    uint64_t before = digest_of(world->batched);
    add_entry(world, KV_COMMAND, payload, size_bytes);
    struct qr_result refusal = {.data = NULL};
    struct qr_entry entry = world->batch[0];
    ASSERT(machine->apply(machine->context, &entry, 1, &refusal) == 0);
    ASSERT(refusal.size_bytes > 5);
    ASSERT(*(const uint8_t *)refusal.data == 2); /* an error, see kv/result.h */
    ASSERT(digest_of(world->batched) == before);
    end_batch(world);
    ASSERT(digest_of(world->batched) == before);
}

/* Reading now gives what the same command gives when it is applied now. */
static void check_read(struct world *world, const struct line *line)
{
    struct kv_results results;
    struct qr_result applied = {.data = NULL};
    size_t size_bytes;
    const struct qr_state_machine *machine = kv_state_machine(world->single);
    end_batch(world);
    struct qr_entry tick = {.index = ++world->index, .term = 1, .timestamp_ns = world->time_ns};
    ASSERT(machine->apply(machine->context, &tick, 1, &applied) == 0);
    ASSERT(kv_state_machine(world->batched)->apply(world->batched, &tick, 1, &applied) == 0);

    kv_results_init(&results, &world->heap.allocator);
    kv_results_begin(&results);
    struct kv_reply_sink sink = kv_results_sink(&results);
    kv_read(world->single, line->words, line->count, world->time_ns, 7, &sink);
    ASSERT(kv_results_end(&results, &size_bytes) == 0);

    size_t payload_bytes = kv_payload_bytes(line->words, line->count);
    uint8_t *payload = malloc(payload_bytes);
    ASSERT(payload != NULL);
    kv_payload_encode(line->words, line->count, payload);
    struct qr_entry entry = tick;
    entry.index = ++world->index;
    entry.command = KV_COMMAND;
    entry.command_bytes = sizeof(KV_COMMAND) - 1;
    entry.payload = payload;
    entry.payload_bytes = payload_bytes;
    entry.wants_result = true;
    ASSERT(machine->apply(machine->context, &entry, 1, &applied) == 0);
    ASSERT(applied.size_bytes == size_bytes);
    ASSERT(memcmp(applied.data, results.data, size_bytes) == 0);
    free(payload);
    kv_results_deinit(&results);
}

static void take_command(struct world *world, const struct line *line)
{
    const struct kv_command *command = command_of(line);
    const char *error = NULL;
    bool is_taken = kv_check(line->words, line->count, &error);
    if (is_named(command, "SETRANGE") && line->count > 2 &&
        line->words[2].size_bytes > OFFSET_DIGITS_MAX) {
        return;
    }
    if (is_taken && (command->flags & KV_READ) != 0 && !is_named(command, "RANDOMKEY")) {
        check_read(world, line);
    }
    size_t size_bytes = kv_payload_bytes(line->words, line->count);
    uint8_t *payload = malloc(size_bytes);
    ASSERT(payload != NULL);
    kv_payload_encode(line->words, line->count, payload);
    if (is_taken) {
        add_entry(world, KV_COMMAND, payload, size_bytes);
    } else {
        ASSERT(error != NULL);
        apply_refused(world, payload, size_bytes);
    }
}

static void move_time(struct world *world, const uint8_t *digits, size_t count)
{
    uint64_t seconds = 0;
    for (size_t i = 0; i < count && i < 9 && digits[i] >= '0' && digits[i] <= '9'; i++) {
        seconds = seconds * 10 + (digits[i] - '0');
    }
    world->time_ns += seconds * NS_PER_S;
}

static void take_line(struct world *world, const uint8_t *line, size_t size_bytes)
{
    if (size_bytes == 0) {
        return;
    }
    switch (line[0]) {
    case '!':
        add_bytes(world, KV_COMMAND, line + 1, size_bytes - 1);
        break;
    case '*':
        add_bytes(world, KV_EXEC_COMMAND, line + 1, size_bytes - 1);
        break;
    case '%':
        add_bytes(world, "other", line + 1, size_bytes - 1);
        break;
    case '@':
        move_time(world, line + 1, size_bytes - 1);
        break;
    case '#':
        end_batch(world);
        break;
    default: {
        struct line words = split(line, size_bytes);
        take_command(world, &words);
        break;
    }
    }
}

static void read_lines(struct world *world, const uint8_t *data, size_t size_bytes)
{
    size_t at = 0;
    while (at < size_bytes) {
        const uint8_t *newline = memchr(data + at, '\n', size_bytes - at);
        size_t length = newline == NULL ? size_bytes - at : (size_t)(newline - (data + at));
        take_line(world, data + at, min_u64(length, LINE_BYTES_MAX));
        at += length + 1;
    }
    end_batch(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct world world;
    world = (struct world){.time_ns = TIME_BEGIN};
    heap_init(&world.heap);
    world.batched = kv_new(&world.heap.allocator);
    world.single = kv_new(&world.heap.allocator);
    ASSERT(world.batched != NULL);
    ASSERT(world.single != NULL);
    read_lines(&world, data, size_bytes);
    kv_invariants(world.batched);
    kv_invariants(world.single);
    kv_free(world.batched);
    kv_free(world.single);
    heap_deinit(&world.heap);
    return 0;
}
