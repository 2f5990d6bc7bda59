/* doctor.c: the directories of a cluster that does not run, locked, read, and one recovered. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "engine/internal.h"
#include "node/doctor.h"
#include "node/recovery.h"
#include "runtime/memory.h"
#include "runtime/random.h"

struct qr_doctor {
    struct engine_codec codec;
    size_t count;
    struct disk_posix *disks[QR_DOCTOR_DIRECTORIES_MAX]; /* NULL: could not be opened */
    struct doctor_log logs[QR_DOCTOR_DIRECTORIES_MAX];
    struct qr_doctor_applying applying[QR_DOCTOR_DIRECTORIES_MAX];
    struct qr_doctor_directory directories[];
};

__attribute__((format(printf, 3, 4))) static int refuse(int status, char *detail,
                                                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(detail, QR_ERROR_DETAIL_BYTES, format, arguments);
    va_end(arguments);
    return status;
}

static size_t doctor_bytes(size_t count)
{
    return sizeof(struct qr_doctor) + count * sizeof(struct qr_doctor_directory);
}

static int open_disk(const char *path, bool is_read_only, struct disk_posix **out, char *detail)
{
    struct disk_posix_options options = {
        .allocator = &runtime_allocator,
        .directory = path,
        .is_read_only = is_read_only,
    };
    return disk_posix_open(&options, out, detail);
}

static void read_note(struct qr_doctor *doctor, size_t at)
{
    static const enum qr_doctor_note notes[] = {
        [POISON_NOTHING] = QR_DOCTOR_NOTE_NONE,
        [POISON_DAMAGED] = QR_DOCTOR_NOTE_DAMAGED,
        [POISON_ENDED] = QR_DOCTOR_NOTE_ENDED,
        [POISON_REFUSED] = QR_DOCTOR_NOTE_REFUSED,
    };
    struct qr_doctor_applying *applying = &doctor->applying[at];
    struct poison_mark mark;
    enum poison_found found = poison_look(doctor->directories[at].path, &mark);
    *applying = (struct qr_doctor_applying){.note = notes[found]};
    if (found != POISON_ENDED && found != POISON_REFUSED) {
        return;
    }
    applying->ends = mark.ends;
    applying->first_index = mark.ended_first;
    applying->last_index = mark.ended_last;
    if (mark.first == mark.ended_first) { /* else one behind it was begun since */
        applying->term = mark.term;
        poison_command(&mark, applying->command);
    }
}

static void read_directory(struct qr_doctor *doctor, size_t at)
{
    struct doctor_input input = {
        .allocator = &runtime_allocator,
        .disk = disk_posix_disk(doctor->disks[at]),
        .codec = &doctor->codec.codec,
    };
    doctor_log_free(&runtime_allocator, &doctor->logs[at]); /* of the reading before */
    doctor_read(&input, &doctor->directories[at], &doctor->logs[at]);
    read_note(doctor, at);
}

/* Returns 0 also when it cannot be read: that is told with it. */
static int open_directory(struct qr_doctor *doctor, size_t at, char *detail)
{
    struct qr_doctor_directory *directory = &doctor->directories[at];
    int status = open_disk(directory->path, true, &doctor->disks[at], detail);
    if (status == 0) {
        read_directory(doctor, at);
        return directory->status == QR_ERR_NO_MEMORY
                   ? refuse(QR_ERR_NO_MEMORY, detail, "memory ran out")
                   : 0;
    }
    if (status == QR_ERR_LOCKED || status == QR_ERR_NO_MEMORY) {
        return status;
    }
    directory->status = status;
    (void)snprintf(directory->detail, sizeof(directory->detail), "%s", detail);
    return 0;
}

int qr_doctor_open(const char *const *paths, size_t count, struct qr_doctor **out, char *detail)
{
    char unwanted[QR_ERROR_DETAIL_BYTES];
    detail = detail == NULL ? unwanted : detail;
    if (paths == NULL || out == NULL || count == 0 || count > QR_DOCTOR_DIRECTORIES_MAX) {
        return refuse(QR_ERR_INVALID, detail, "name 1..%d data directories",
                      QR_DOCTOR_DIRECTORIES_MAX);
    }
    struct qr_doctor *doctor = allocate_zeroed(&runtime_allocator, doctor_bytes(count));
    if (doctor == NULL) {
        return refuse(QR_ERR_NO_MEMORY, detail, "memory ran out");
    }
    (void)engine_codec_init(&doctor->codec);
    doctor->count = count;
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        doctor->directories[i].path = paths[i];
        status = paths[i] == NULL ? refuse(QR_ERR_INVALID, detail, "a directory without a name")
                                  : open_directory(doctor, i, detail);
    }
    if (status != 0) {
        qr_doctor_free(doctor);
        return status;
    }
    detail[0] = '\0';
    *out = doctor;
    return 0;
}

void qr_doctor_free(struct qr_doctor *doctor)
{
    if (doctor == NULL) {
        return;
    }
    for (size_t i = 0; i < doctor->count; i++) {
        doctor_log_free(&runtime_allocator, &doctor->logs[i]);
        disk_posix_free(doctor->disks[i]);
    }
    engine_codec_deinit(&doctor->codec);
    release(&runtime_allocator, doctor, doctor_bytes(doctor->count));
}

const struct qr_doctor_directory *qr_doctor_directory(const struct qr_doctor *doctor, size_t at)
{
    return doctor == NULL || at >= doctor->count ? NULL : &doctor->directories[at];
}

int qr_doctor_applying(const struct qr_doctor *doctor, size_t at, struct qr_doctor_applying *out)
{
    const struct sized known = {sizeof(*out), offsetof(struct qr_doctor_applying, command) +
                                                  QR_COMMAND_BYTES_MAX + 1};
    if (doctor == NULL || at >= doctor->count || sized_check(known, out) != 0) {
        return QR_ERR_INVALID;
    }
    sized_write(known, &doctor->applying[at], out);
    return 0;
}

void qr_doctor_judge(const struct qr_doctor *doctor, size_t chosen, struct qr_doctor_verdict *out)
{
    if (out == NULL) {
        return;
    }
    if (doctor == NULL || (chosen >= doctor->count && chosen != QR_DOCTOR_BEST)) {
        *out = (struct qr_doctor_verdict){.way = QR_DOCTOR_NOWHERE};
        return;
    }
    doctor_judge(doctor->directories, doctor->logs, doctor->count, chosen, out);
}

static int check(const struct qr_doctor *doctor, size_t chosen, char *detail)
{
    struct qr_doctor_verdict verdict;
    doctor_judge(doctor->directories, doctor->logs, doctor->count, chosen, &verdict);
    const struct qr_doctor_directory *directory = &doctor->directories[chosen];
    switch (verdict.way) {
    case QR_DOCTOR_MIXED:
        return refuse(QR_ERR_INVALID, detail,
                      "the directories are of several clusters, or one is named twice");
    case QR_DOCTOR_START:
        return refuse(QR_ERR_INVALID, detail,
                      "a majority of the voters is here: start the nodes, nothing is to be "
                      "recovered");
    case QR_DOCTOR_NOWHERE:
    case QR_DOCTOR_RECOVER:
        break;
    }
    if (directory->status != 0) {
        return refuse(QR_ERR_INVALID, detail, "%.100s is damaged: %.380s", directory->path,
                      directory->detail);
    }
    if (!directory->is_in_cluster || !verdict.can_lead) {
        return refuse(QR_ERR_INVALID, detail,
                      "%.200s holds no cluster that its node is a member of", directory->path);
    }
    return 0;
}

static bool is_same(const struct qr_doctor_directory *a, const struct qr_doctor_directory *b)
{
    return b->status == 0 && a->node_id == b->node_id && a->cluster.high == b->cluster.high &&
           a->cluster.low == b->cluster.low && a->term == b->term &&
           a->last_index == b->last_index && a->last_term == b->last_term;
}

/* Take the lock of one who writes; in between somebody may have started the node. */
static int reopen(struct qr_doctor *doctor, size_t chosen, char *detail)
{
    struct qr_doctor_directory *directory = &doctor->directories[chosen];
    struct qr_doctor_directory *before = allocate(&runtime_allocator, sizeof(*before));
    if (before == NULL) {
        return refuse(QR_ERR_NO_MEMORY, detail, "memory ran out");
    }
    *before = *directory;
    disk_posix_free(doctor->disks[chosen]);
    doctor->disks[chosen] = NULL;
    int status = open_disk(directory->path, false, &doctor->disks[chosen], detail);
    if (status == 0) {
        read_directory(doctor, chosen);
        if (!is_same(before, directory)) {
            status = refuse(QR_ERR_BUSY, detail, "%.200s changed since it was read; look again",
                            directory->path);
        }
    }
    release(&runtime_allocator, before, sizeof(*before));
    return status;
}

static struct node_recover_plan make_plan(const struct qr_doctor *doctor, size_t chosen)
{
    const struct qr_doctor_directory *directory = &doctor->directories[chosen];
    struct node_recover_plan plan = {
        .cluster = {runtime_random(), runtime_random()},
        .former = {directory->cluster.high, directory->cluster.low},
        .position = {directory->last_term, directory->last_index},
        .is_reset = directory->is_beyond_log,
        .has_guarded = directory->has_guarded,
        .timestamp_ns = directory->last_timestamp_ns,
    };
    for (size_t i = 0; i < doctor->count; i++) {
        plan.term = max_u64(plan.term, doctor->directories[i].term);
    }
    plan.term++;
    int at = doctor_member_find(&directory->latest, directory->node_id);
    ASSERT(at >= 0);
    const struct qr_doctor_member *member = &directory->latest.members[at];
    plan.member.id = member->id;
    struct text name = text_of(plan.member.name, sizeof(plan.member.name));
    text_string(&name, member->name);
    struct text address = text_of(plan.member.address, sizeof(plan.member.address));
    text_string(&address, member->address);
    struct text meta = text_of(plan.member.meta, sizeof(plan.member.meta));
    text_string(&meta, member->meta);
    return plan;
}

int qr_doctor_recover(struct qr_doctor *doctor, size_t chosen, struct qr_id *cluster, char *detail)
{
    char unwanted[QR_ERROR_DETAIL_BYTES];
    detail = detail == NULL ? unwanted : detail;
    if (doctor == NULL || chosen >= doctor->count || cluster == NULL) {
        return refuse(QR_ERR_INVALID, detail, "name one of the directories, and room for an id");
    }
    int status = check(doctor, chosen, detail);
    if (status == 0) {
        status = reopen(doctor, chosen, detail);
    }
    if (status != 0) {
        return status;
    }
    struct node_recover_plan plan = make_plan(doctor, chosen);
    char why[NODE_DETAIL_BYTES] = "";
    bool is_made = false; /* either way the next start goes on from there */
    status = node_recover(&runtime_allocator, disk_posix_disk(doctor->disks[chosen]), &plan,
                          &is_made, why);
    if (status != 0) {
        return refuse(status, detail, "%.200s: %.300s", doctor->directories[chosen].path, why);
    }
    *cluster = (struct qr_id){plan.cluster.high, plan.cluster.low};
    read_directory(doctor, chosen);
    return 0;
}
