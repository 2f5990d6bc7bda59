/* backup_reader.c: a backup that is checked, with a codec and the program's state machine. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/state_machine.h"
#include "engine/internal.h"
#include "runtime/memory.h"

struct qr_backup_reader {
    struct engine_codec codec;
    struct qr_state_machine machine;
    bool has_machine;
    struct backup_reader reader;
    char detail[QR_ERROR_DETAIL_BYTES];
    int status;
};

_Static_assert(QR_ERROR_DETAIL_BYTES >= BACKUP_DETAIL_BYTES, "its detail fits");

static int fail(struct qr_backup_reader *self, int status, const char *sentence)
{
    (void)snprintf(self->detail, sizeof(self->detail), "%s", sentence);
    self->status = status;
    return status;
}

static int take_machine(void *context, const uint8_t *data, size_t size_bytes)
{
    struct qr_backup_reader *self = context;
    int status = self->machine.restore_write(self->machine.context, data, size_bytes);
    return status == 0 ? 0
                       : fail(self, status, "the state machine does not take over what is in it");
}

static int begin(struct qr_backup_reader *self)
{
    struct backup_sink sink = {.context = self, .machine = self->has_machine ? take_machine : NULL};
    int status = backup_reader_init(&self->reader, &runtime_allocator,
                                    engine_codec_init(&self->codec), sink, self->has_machine);
    if (status != 0 || !self->has_machine) {
        return status;
    }
    return self->machine.restore_begin == NULL ? QR_ERR_INVALID
                                               : self->machine.restore_begin(self->machine.context);
}

int qr_backup_reader_new(const struct qr_state_machine *machine, struct qr_backup_reader **out)
{
    if (out == NULL) {
        return QR_ERR_INVALID;
    }
    struct qr_backup_reader *self = allocate_zeroed(&runtime_allocator, sizeof(*self));
    if (self == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    self->has_machine = machine != NULL;
    int status = 0;
    if (machine != NULL && state_machine_read(machine, &self->machine) != NULL) {
        status = QR_ERR_INVALID;
    }
    if (status == 0) {
        status = begin(self);
    }
    if (status != 0) {
        qr_backup_reader_free(self);
        return status;
    }
    *out = self;
    return 0;
}

void qr_backup_reader_free(struct qr_backup_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    backup_reader_deinit(&reader->reader);
    engine_codec_deinit(&reader->codec);
    release(&runtime_allocator, reader, sizeof(*reader));
}

/* What the file is refused for, or what the machine said. */
static int settle(struct qr_backup_reader *reader, int status)
{
    if (status == 0 || reader->status != 0) {
        return status;
    }
    return fail(reader, status,
                status == QR_ERR_NO_MEMORY ? "memory ran out" : reader->reader.detail);
}

int qr_backup_reader_feed(struct qr_backup_reader *reader, const void *data, size_t size_bytes)
{
    if (reader == NULL || (data == NULL && size_bytes > 0)) {
        return QR_ERR_INVALID;
    }
    return reader->status != 0 ? reader->status
                               : settle(reader, backup_read(&reader->reader, data, size_bytes));
}

int qr_backup_reader_end(struct qr_backup_reader *reader)
{
    if (reader == NULL) {
        return QR_ERR_INVALID;
    }
    if (reader->status != 0) {
        return reader->status;
    }
    int status = settle(reader, backup_read_end(&reader->reader));
    if (status == 0 && reader->has_machine) {
        status = reader->machine.restore_end(reader->machine.context);
        if (status != 0) {
            (void)fail(reader, status, "the state machine does not take over what is in it");
        }
    }
    return status;
}

const char *qr_backup_reader_detail(const struct qr_backup_reader *reader)
{
    return reader == NULL ? "" : reader->detail;
}

bool qr_backup_reader_facts(const struct qr_backup_reader *reader, struct qr_backup_facts *out)
{
    if (reader == NULL || out == NULL || !reader->reader.has_head) {
        return false;
    }
    const struct backup_reader *from = &reader->reader;
    const struct backup_head *head = &from->head;
    *out = (struct qr_backup_facts){
        .cluster = {head->cluster.high, head->cluster.low},
        .node_id = head->node,
        .made_ns = head->made_ns,
        .index = head->position.index,
        .term = head->position.term,
        .timestamp_ns = from->timestamp_ns,
        .size_bytes = BACKUP_HEAD_BYTES + head->content_bytes,
        .state_bytes = from->content.seen.machine_bytes,
        .session_bytes = from->content.seen.sessions_bytes,
        .member_count = from->configuration.count,
    };
    (void)snprintf(out->node_name, sizeof(out->node_name), "%s", head->name);
    for (size_t i = 0; i < from->configuration.count; i++) {
        const struct raft_member *member = &from->configuration.members[i];
        struct qr_backup_member *to = &out->members[i];
        to->id = member->id;
        to->is_voter = raft_configuration_is_voter(&from->configuration, member->id);
        (void)snprintf(to->name, sizeof(to->name), "%s", member->name);
        (void)snprintf(to->address, sizeof(to->address), "%s", member->address);
    }
    return true;
}
