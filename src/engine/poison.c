/* poison.c: see poison.h. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/poison.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "quorate/engine.h"

#define MARK UINT64_C(0x31656c7070617271) /* "qrapple1" */
#define MARK_BYTES (8 + 2 * 4 + 5 * 8 + 4 + QR_COMMAND_BYTES_MAX + 4)

static void encode(const struct poison_mark *mark, uint8_t *out)
{
    struct writer writer = writer_of(out, MARK_BYTES);
    write_u64(&writer, MARK);
    write_u32(&writer, mark->is_applying ? 1 : 0);
    write_u32(&writer, mark->ends);
    write_u64(&writer, mark->first);
    write_u64(&writer, mark->last);
    write_u64(&writer, mark->term);
    write_u64(&writer, mark->ended_first);
    write_u64(&writer, mark->ended_last);
    write_u32(&writer, mark->command_bytes);
    write_bytes(&writer, mark->command, sizeof(mark->command));
    write_u32(&writer, crc32c(0, out, MARK_BYTES - 4));
    ASSERT(!writer.failed && writer.at == writer.end);
}

/* False: the bytes are damaged. */
static bool decode(const uint8_t *bytes, size_t size_bytes, struct poison_mark *out)
{
    struct reader reader = reader_of(bytes, size_bytes);
    struct poison_mark mark = {0};
    bool is_ours = read_u64(&reader) == MARK;
    uint32_t is_applying = read_u32(&reader);
    mark.is_applying = is_applying == 1;
    mark.ends = read_u32(&reader);
    mark.first = read_u64(&reader);
    mark.last = read_u64(&reader);
    mark.term = read_u64(&reader);
    mark.ended_first = read_u64(&reader);
    mark.ended_last = read_u64(&reader);
    mark.command_bytes = read_u32(&reader);
    const uint8_t *command = read_bytes(&reader, sizeof(mark.command));
    uint32_t checksum = read_u32(&reader);
    if (reader.failed || reader_left(&reader) != 0 || !is_ours || is_applying > 1 ||
        checksum != crc32c(0, bytes, MARK_BYTES - 4) || mark.first > mark.last ||
        mark.ended_first > mark.ended_last || mark.ends > POISON_ENDS_MAX ||
        mark.command_bytes > sizeof(mark.command)) {
        return false;
    }
    memcpy(mark.command, command, sizeof(mark.command));
    *out = mark;
    return true;
}

/* What the file says counts as one more end, if the process ended while it applied. */
static void count_end(struct poison_mark *mark)
{
    if (!mark->is_applying) {
        return;
    }
    bool is_within = mark->ended_first != 0 && mark->first >= mark->ended_first &&
                     mark->last <= mark->ended_last;
    uint32_t before = is_within ? mark->ends : 0;
    mark->ends = before < POISON_ENDS_MAX ? before + 1 : POISON_ENDS_MAX;
    mark->ended_first = mark->first;
    mark->ended_last = mark->last;
    mark->is_applying = false;
}

static enum poison_found look(const struct note *note, struct poison_mark *mark)
{
    uint8_t bytes[MARK_BYTES + 1];
    size_t size_bytes = note_read(note, bytes, sizeof(bytes));
    if (size_bytes == 0) {
        return POISON_NOTHING;
    }
    if (!decode(bytes, size_bytes, mark)) {
        return POISON_DAMAGED;
    }
    count_end(mark);
    if (mark->ends == 0) {
        return POISON_NOTHING;
    }
    bool is_one = mark->ended_first == mark->ended_last;
    return mark->ends == POISON_ENDS_MAX && is_one ? POISON_REFUSED : POISON_ENDED;
}

enum poison_found poison_look(const char *directory, struct poison_mark *mark)
{
    struct note note;
    return note_init(&note, directory, POISON_FILE) ? look(&note, mark) : POISON_NOTHING;
}

void poison_command(const struct poison_mark *mark, char out[QR_COMMAND_BYTES_MAX + 1])
{
    ASSERT(mark->command_bytes <= QR_COMMAND_BYTES_MAX);
    for (size_t i = 0; i < mark->command_bytes; i++) {
        char c = mark->command[i];
        out[i] = c;
        if (c < ' ' || c > '~') {
            out[i] = '?';
        }
    }
    out[mark->command_bytes] = '\0';
}

static int refuse(const struct poison *poison, char *detail)
{
    const struct poison_mark *mark = &poison->mark;
    char command[QR_COMMAND_BYTES_MAX + 1];
    poison_command(mark, command);
    (void)snprintf(detail, QR_ERROR_DETAIL_BYTES,
                   "the entry at index %" PRIu64 " (term %" PRIu64 ", command \"%s\") has ended "
                   "the process %d times while it was applied; mend what applies it, then set "
                   "ignores_poison or remove %.200s",
                   mark->first, mark->term, command, POISON_ENDS_MAX, poison->note.path);
    return QR_ERR_POISON;
}

/* Once may be anything that ends a process; twice at one place hardly is. */
static void log_found(const struct log_sink *log, const struct poison *poison, const char *next)
{
    const struct poison_mark *mark = &poison->mark;
    LOG(log, mark->ends == 1 ? LOG_INFO : LOG_WARN, "apply_note_found", log_u64("ends", mark->ends),
        log_u64("first", mark->ended_first), log_u64("last", mark->ended_last),
        log_string("next", next), log_string("file", poison->note.path));
}

int poison_open(struct poison *poison, const char *directory, bool ignores,
                const struct log_sink *log, char *detail)
{
    *poison = (struct poison){.watched_until = 0};
    if (!note_init(&poison->note, directory, POISON_FILE)) {
        return 0;
    }
    enum poison_found found = look(&poison->note, &poison->mark);
    if (found == POISON_REFUSED && !ignores) {
        return refuse(poison, detail);
    }
    if (found == POISON_DAMAGED) {
        LOG(log, LOG_WARN, "apply_note_damaged", log_string("file", poison->note.path));
    } else if (found != POISON_NOTHING) {
        log_found(log, poison, ignores ? "ignored" : "one by one");
    }
    if (ignores || found == POISON_DAMAGED) {
        note_remove(&poison->note);
        poison->mark = (struct poison_mark){.ends = 0};
    }
    return 0;
}

raft_index poison_alone_until(const struct poison *poison)
{
    return poison->mark.ended_last;
}

/* A hint that cannot be written is not. */
static void write_mark(struct poison *poison)
{
    uint8_t bytes[MARK_BYTES];
    encode(&poison->mark, bytes);
    if (!note_write(&poison->note, bytes, sizeof(bytes))) {
        poison->watched_until = 0;
        note_remove(&poison->note);
    }
}

static void finish(struct poison *poison)
{
    poison->watched_until = 0;
    poison->mark = (struct poison_mark){.ends = 0};
    note_remove(&poison->note);
}

void poison_watch(struct poison *poison, raft_index last_index)
{
    poison->watched_until = last_index;
    if (poison->mark.ended_first > last_index) {
        finish(poison);
        poison->watched_until = last_index;
    }
}

void poison_begin(struct poison *poison, const struct qr_entry *entries, size_t count)
{
    if (poison->watched_until == 0 || count == 0) {
        return;
    }
    if (entries[0].index > poison->watched_until) {
        finish(poison);
        return;
    }
    struct poison_mark *mark = &poison->mark;
    mark->is_applying = true;
    mark->first = entries[0].index;
    mark->last = entries[count - 1].index;
    mark->term = entries[0].term;
    mark->command_bytes = (uint32_t)entries[0].command_bytes;
    memset(mark->command, 0, sizeof(mark->command));
    if (entries[0].command_bytes > 0) {
        memcpy(mark->command, entries[0].command, entries[0].command_bytes);
    }
    write_mark(poison);
}

void poison_end(struct poison *poison, raft_index last)
{
    struct poison_mark *mark = &poison->mark;
    if (poison->watched_until == 0) {
        return;
    }
    if (last >= poison->watched_until) {
        finish(poison);
        return;
    }
    mark->is_applying = false;
    if (last >= mark->ended_last) {
        mark->ends = 0;
        mark->ended_first = 0;
        mark->ended_last = 0;
    }
    write_mark(poison);
}

void poison_close(struct poison *poison)
{
    note_close(&poison->note); /* the directory may be another process' by now: it stays */
}
