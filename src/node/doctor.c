/* doctor.c: reading the data directory of a node that does not run. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/doctor.h"

#include <string.h>

#include "base/assert.h"
#include "node/internal.h"
#include "node/recovery.h"
#include "quorate/error.h"

_Static_assert(QR_ERROR_DETAIL_BYTES >= NODE_DETAIL_BYTES, "its detail fits");
_Static_assert(QR_MEMBERS_MAX >= RAFT_MEMBERS_MAX && QR_NAME_BYTES_MAX >= RAFT_NAME_BYTES_MAX &&
                   QR_ADDRESS_BYTES_MAX >= RAFT_ADDRESS_BYTES_MAX &&
                   QR_META_BYTES_MAX >= RAFT_META_BYTES_MAX,
               "a member fits");

static int refuse(struct qr_doctor_directory *out, int status, const char *sentence)
{
    struct text text = text_of(out->detail, sizeof(out->detail));
    text_string(&text, status == QR_ERR_NO_MEMORY ? "memory ran out" : sentence);
    out->status = status;
    return status;
}

static void copy_configuration(const struct raft_configuration *from,
                               struct qr_doctor_configuration *to)
{
    to->index = from->index;
    to->count = from->count;
    for (size_t i = 0; i < from->count; i++) {
        const struct raft_member *member = &from->members[i];
        struct qr_doctor_member *out = &to->members[i];
        *out = (struct qr_doctor_member){
            .id = member->id,
            .is_voter = (member->roles & RAFT_VOTER) != 0,
            .is_outgoing = (member->roles & RAFT_VOTER_OUTGOING) != 0,
        };
        memcpy(out->name, member->name, sizeof(member->name));
        memcpy(out->address, member->address, sizeof(member->address));
        memcpy(out->meta, member->meta, sizeof(member->meta));
    }
}

static int take_configuration(struct qr_doctor_directory *out, const void *payload,
                              size_t size_bytes, raft_index index,
                              struct qr_doctor_configuration *to)
{
    struct raft_configuration configuration;
    if (raft_configuration_decode(payload, size_bytes, index, &configuration) != 0) {
        return refuse(out, QR_ERR_CORRUPT, "a configuration in it does not decode");
    }
    copy_configuration(&configuration, to);
    return 0;
}

static int take_head(void *context, const struct content_head *head)
{
    struct qr_doctor_directory *out = context;
    if (head->position.index != out->snapshot_index || head->position.term != out->snapshot_term) {
        return QR_ERR_CORRUPT;
    }
    out->last_timestamp_ns = head->timestamp_ns; /* the file of one from a leader has none */
    if (head->configuration_bytes == 0) {
        return 0;
    }
    return take_configuration(out, head->configuration, head->configuration_bytes,
                              head->configuration_index, &out->committed);
}

static int feed(void *context, const uint8_t *data, size_t size_bytes)
{
    return content_read(context, data, size_bytes);
}

/* Read the newest snapshot to its end, and what configuration it has. */
static int read_content(const struct doctor_input *input, const struct snapshot_store *store,
                        struct qr_doctor_directory *out)
{
    struct content_reader reader;
    char why[SNAPSHOT_ERROR_DETAIL_BYTES] = "the content of the newest snapshot is damaged";
    struct content_sink sink = {.context = out, .head = take_head};
    int status = content_reader_init(&reader, input->allocator, input->codec, sink);
    if (status != 0) {
        return refuse(out, status, why);
    }
    status = snapshot_store_load(store, feed, &reader, why);
    if (status == 0 && !content_is_whole(&reader)) {
        status = QR_ERR_CORRUPT;
    }
    content_reader_deinit(&reader);
    return status == 0 ? 0 : refuse(out, status, why);
}

/* No reader is opened: nothing is ever told. */
static void not_told(void *context, uint64_t token, int status, struct chunk *chunk,
                     const uint8_t *data, size_t size_bytes)
{
    (void)context;
    (void)token;
    (void)status;
    (void)chunk;
    (void)data;
    (void)size_bytes;
    ASSERT(false);
}

static int read_snapshots(const struct doctor_input *input, struct qr_doctor_directory *out)
{
    struct snapshot_options options = {
        .allocator = input->allocator,
        .disk = input->disk,
        .listener = {.read_done = not_told},
        .chunk_bytes = SNAPSHOT_CHUNK_BYTES_MAX,
    };
    struct snapshot_store *store = NULL;
    struct snapshot_found found;
    char why[SNAPSHOT_ERROR_DETAIL_BYTES] = "";
    int status = snapshot_store_open(&options, &store, &found, why);
    if (status != 0) {
        return refuse(out, status, why);
    }
    if (found.has_newest) {
        out->has_snapshot = true;
        out->snapshot_index = found.newest.position.index;
        out->snapshot_term = found.newest.position.term;
        out->snapshot_bytes = found.newest.size_bytes;
        status = read_content(input, store, out);
    } else if (found.refused_count > 0) {
        (void)refuse(out, 0, why); /* told if it turns out to be needed */
    }
    snapshot_store_free(store);
    return status;
}

static raft_term term_at(const struct wal_recovered *log, raft_index index)
{
    raft_term term = index == log->base.index ? log->base.term : 0;
    for (size_t i = 0; i < log->term_count && log->terms[i].first_index <= index; i++) {
        term = log->terms[i].term;
    }
    return term;
}

static int copy_terms(const struct doctor_input *input, const struct wal_recovered *recovered,
                      struct doctor_log *log)
{
    log->base = recovered->base;
    if (recovered->term_count == 0) {
        return 0;
    }
    log->runs = allocate(input->allocator, recovered->term_count * sizeof(*log->runs));
    if (log->runs == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    log->count = recovered->term_count;
    memcpy(log->runs, recovered->terms, log->count * sizeof(*log->runs));
    return 0;
}

/* Of the configurations, the last that is known to be committed, and the last. */
static int take_configurations(const struct wal_recovered *recovered,
                               struct qr_doctor_directory *out)
{
    out->latest = out->committed;
    for (size_t i = 0; i < recovered->configuration_count; i++) {
        const struct entry *entry = &recovered->configurations[i];
        struct entry_fields fields = entry_fields_of(entry);
        if (take_configuration(out, fields.payload, fields.payload_bytes, entry->index,
                               &out->latest) != 0) {
            return out->status;
        }
        if (entry->index <= out->commit_index) {
            out->committed = out->latest;
        }
    }
    return 0;
}

/* What the log holds, as a start would take it together with the snapshot. */
static int take_log(const struct doctor_input *input, const struct wal_recovered *recovered,
                    struct qr_doctor_directory *out, struct doctor_log *log)
{
    struct wal_base snapshot = {out->snapshot_term, out->snapshot_index};
    out->term = recovered->hard_state.term;
    out->has_voted = recovered->hard_state.has_voted;
    out->voted_for = recovered->hard_state.voted_for;
    out->first_index = recovered->first_index;
    out->is_torn = recovered->was_torn;
    if (recovered->base.index > snapshot.index) {
        return refuse(out, QR_ERR_CORRUPT,
                      "the log begins behind a snapshot that is missing or damaged");
    }
    out->commit_index = max_u64(recovered->commit_index, snapshot.index);
    out->is_beyond_log = snapshot.index > recovered->last_index ||
                         (snapshot.index > recovered->base.index &&
                          term_at(recovered, snapshot.index) != snapshot.term);
    if (out->is_beyond_log) {
        log->base = snapshot;
        out->latest = out->committed;
        out->first_index = snapshot.index + 1;
        out->last_index = snapshot.index;
        out->last_term = snapshot.term;
        out->term = max_u64(out->term, snapshot.term);
        return 0;
    }
    out->last_index = recovered->last_index;
    out->last_term = term_at(recovered, recovered->last_index);
    out->last_timestamp_ns = max_u64(out->last_timestamp_ns, recovered->last_timestamp_ns);
    if (copy_terms(input, recovered, log) != 0) {
        return refuse(out, QR_ERR_NO_MEMORY, "");
    }
    return take_configurations(recovered, out);
}

/* A recovery was begun: the next start makes of the directory what the identity announces. */
static int take_recovery(const struct node_recovery *recovery, struct qr_doctor_directory *out)
{
    out->is_recovering = true;
    out->term = recovery->term;
    out->has_voted = false;
    out->last_term = recovery->term;
    out->last_index = recovery->index;
    out->commit_index = recovery->index;
    int status = take_configuration(out, recovery->configuration, recovery->configuration_bytes,
                                    recovery->index, &out->latest);
    out->committed = out->latest;
    return status;
}

static int read_identity(const struct doctor_input *input, struct node_identity *identity,
                         struct qr_doctor_directory *out)
{
    char why[NODE_DETAIL_BYTES] = "";
    int status = node_identity_read(input->disk, identity, why);
    if (status == QR_ERR_NOT_FOUND) {
        return refuse(out, status, "no node ever used it: there is no file identity");
    }
    if (status == 0) {
        status = node_identity_check_stores(identity, 0, why);
    }
    if (status != 0) {
        return refuse(out, status, why);
    }
    out->has_identity = true;
    out->node_id = identity->id;
    out->cluster = (struct qr_id){identity->cluster.high, identity->cluster.low};
    out->former = (struct qr_id){identity->former.high, identity->former.low};
    out->is_in_cluster = identity->is_log_used;
    out->has_guarded = identity->has_guarded;
    memcpy(out->name, identity->name, sizeof(identity->name));
    return 0;
}

static int read_log(const struct doctor_input *input, const struct node_identity *identity,
                    struct qr_doctor_directory *out, struct doctor_log *log)
{
    struct wal_options options = node_offline_options(input->allocator, input->disk, identity);
    options.must_hold_batches = !identity->recovery.is_pending;
    struct wal *wal = NULL;
    struct wal_recovered recovered;
    char why[WAL_ERROR_DETAIL_BYTES] = "";
    int status = wal_open(&options, &wal, &recovered, why);
    if (status != 0) {
        return refuse(out, status, why);
    }
    status = take_log(input, &recovered, out, log);
    wal_free(wal);
    return status;
}

void doctor_read(const struct doctor_input *input, struct qr_doctor_directory *out,
                 struct doctor_log *log)
{
    const char *path = out->path;
    *out = (struct qr_doctor_directory){.path = path};
    *log = (struct doctor_log){.count = 0};
    struct node_identity identity;
    int status = read_identity(input, &identity, out);
    if (status == 0 && identity.is_log_used) {
        status = read_snapshots(input, out);
        if (status == 0) {
            status = read_log(input, &identity, out, log);
        }
    }
    if (status == 0 && identity.recovery.is_pending) {
        status = take_recovery(&identity.recovery, out);
    }
    if (status != 0) {
        doctor_log_free(input->allocator, log);
    }
}

void doctor_log_free(const struct allocator *allocator, struct doctor_log *log)
{
    release(allocator, log->runs, log->count * sizeof(*log->runs));
    *log = (struct doctor_log){.count = 0};
}
