/* exec.c: see exec.h. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/exec.h"

#include "base/assert.h"

size_t kv_exec_bytes(const struct kv_exec *exec)
{
    size_t size_bytes = 3 * 4 + exec->commands_bytes;

    for (size_t i = 0; i < exec->watch_count; i++) {
        size_bytes += 4 + exec->watches[i].key.size_bytes + 8;
    }
    return size_bytes;
}

void kv_exec_encode(const struct kv_exec *exec, uint8_t *out)
{
    ASSERT(exec->watch_count <= KV_EXEC_WATCHES_MAX);
    ASSERT(exec->command_count <= KV_EXEC_COMMANDS_MAX);
    ASSERT_IMPLIES(exec->is_single, exec->command_count == 1);

    struct writer writer = writer_of(out, kv_exec_bytes(exec));
    write_u32(&writer, exec->is_single ? 1 : 0);
    write_u32(&writer, (uint32_t)exec->watch_count);
    for (size_t i = 0; i < exec->watch_count; i++) {
        const struct kv_watch *watch = &exec->watches[i];
        write_u32(&writer, (uint32_t)watch->key.size_bytes);
        write_bytes(&writer, watch->key.data, watch->key.size_bytes);
        write_u64(&writer, watch->digest);
    }
    write_u32(&writer, (uint32_t)exec->command_count);
    write_bytes(&writer, exec->commands, exec->commands_bytes);
    ASSERT(!writer.failed);
}

static struct kv_watch read_watch(struct reader *reader)
{
    struct kv_watch watch;

    watch.key.size_bytes = read_u32(reader);
    watch.key.data = read_bytes(reader, watch.key.size_bytes);
    watch.digest = read_u64(reader);
    return watch;
}

/* Pass over a command. False: it is none. */
static bool pass_command(struct reader *reader)
{
    size_t count = read_u32(reader);
    bool is_command = count > 0 && count <= KV_ARGUMENTS_MAX;

    for (size_t i = 0; i < count && is_command && !reader->failed; i++) {
        (void)read_bytes(reader, read_u32(reader));
    }
    return is_command && !reader->failed;
}

bool kv_exec_open(struct kv_exec_reader *exec, const void *data, size_t size_bytes)
{
    struct reader reader = reader_of(data, size_bytes);
    uint32_t single = read_u32(&reader);

    *exec = (struct kv_exec_reader){.is_single = single == 1, .watch_count = read_u32(&reader)};
    exec->watches = reader;
    if (single > 1 || exec->watch_count > KV_EXEC_WATCHES_MAX) {
        return false;
    }
    for (size_t i = 0; i < exec->watch_count && !reader.failed; i++) {
        (void)read_watch(&reader);
    }
    exec->command_count = read_u32(&reader);
    exec->commands = reader;
    if (reader.failed || exec->command_count > KV_EXEC_COMMANDS_MAX ||
        (exec->is_single && exec->command_count != 1)) {
        return false;
    }
    for (size_t i = 0; i < exec->command_count; i++) {
        if (!pass_command(&reader)) {
            return false;
        }
    }
    return reader_left(&reader) == 0;
}

struct kv_watch kv_exec_next_watch(struct kv_exec_reader *exec)
{
    struct kv_watch watch = read_watch(&exec->watches);

    ASSERT(!exec->watches.failed);
    return watch;
}
