/* doctor_print.c: directories and verdict, in words and as JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/text.h"

#define LINE_BYTES (64 * 1024)

typedef unsigned long long number;

static void print_members(const char *title, const struct qr_doctor_configuration *configuration)
{
    printf("  %s, of index %llu:", title, (number)configuration->index);
    for (size_t i = 0; i < configuration->count; i++) {
        const struct qr_doctor_member *member = &configuration->members[i];
        const char *role = member->is_voter      ? ""
                           : member->is_outgoing ? " (outgoing voter)"
                                                 : " (learner)";
        printf("%s %s%s", i == 0 ? "" : ",", member->name, role);
    }
    puts("");
}

static void print_held(const struct qr_doctor_directory *directory)
{
    printf("  term %llu, ", (number)directory->term);
    if (directory->has_voted) {
        printf("voted for %016llx\n", (number)directory->voted_for);
    } else {
        puts("no vote");
    }
    printf("  entries %llu to %llu, the last of term %llu; committed at least to %llu\n",
           (number)directory->first_index, (number)directory->last_index,
           (number)directory->last_term, (number)directory->commit_index);
    if (directory->has_snapshot) {
        printf("  snapshot at %llu of term %llu, %llu bytes%s\n", (number)directory->snapshot_index,
               (number)directory->snapshot_term, (number)directory->snapshot_bytes,
               directory->is_beyond_log ? ", which takes the log's place" : "");
    }
    if (directory->is_torn) {
        puts("  the log's tail is torn: it was never acknowledged, and is cut at the next start");
    }
    print_members("members", &directory->latest);
    if (directory->latest.index != directory->committed.index) {
        print_members("before them, surely committed", &directory->committed);
    }
}

static struct qr_doctor_applying applying_of(const struct qr_doctor *doctor, size_t at)
{
    struct qr_doctor_applying applying = {.size_bytes = sizeof(applying)};
    int status = qr_doctor_applying(doctor, at, &applying);
    ASSERT(status == 0);
    return applying;
}

static void print_ends(const struct qr_doctor_applying *applying)
{
    bool is_one = applying->first_index == applying->last_index;
    printf("  its process ended %u time%s in a row while ", (unsigned)applying->ends,
           applying->ends == 1 ? "" : "s");
    if (is_one) {
        printf("entry %llu", (number)applying->first_index);
    } else {
        printf("entries %llu to %llu", (number)applying->first_index, (number)applying->last_index);
    }
    if (is_one && applying->term > 0) {
        printf(" (term %llu, command \"%s\")", (number)applying->term, applying->command);
    }
    printf(" %s applied", is_one ? "was" : "were");
}

static void print_applying(const struct qr_doctor *doctor, size_t at)
{
    const struct qr_doctor_applying applying = applying_of(doctor, at);
    const char *path = qr_doctor_directory(doctor, at)->path;
    switch (applying.note) {
    case QR_DOCTOR_NOTE_NONE:
        return;
    case QR_DOCTOR_NOTE_DAMAGED:
        printf("  %s/applying, which notes what is being applied, is damaged; the next start "
               "forgets it\n",
               path);
        return;
    case QR_DOCTOR_NOTE_ENDED:
        print_ends(&applying);
        puts(";\n  it was killed then, or an entry ended it: the next start tries them one by one");
        return;
    case QR_DOCTOR_NOTE_REFUSED:
        print_ends(&applying);
        printf(
            ":\n  its start is refused; mend the state machine, then start it with ignores_poison "
            "or remove %s/applying\n",
            path);
        return;
    }
}

static void print_directory(const struct qr_doctor *doctor, size_t at)
{
    const struct qr_doctor_directory *directory = qr_doctor_directory(doctor, at);
    printf("%s\n", directory->path);
    if (directory->has_identity) {
        printf("  node %s (%016llx), cluster %016llx%016llx\n", directory->name,
               (number)directory->node_id, (number)directory->cluster.high,
               (number)directory->cluster.low);
    }
    if (directory->former.high != 0 || directory->former.low != 0) {
        printf("  made from cluster %016llx%016llx\n", (number)directory->former.high,
               (number)directory->former.low);
    }
    if (directory->is_recovering) {
        puts("  its recovery was begun; the next start finishes it");
    }
    if (directory->status != 0) {
        printf("  cannot be used: %s\n",
               directory->detail[0] == '\0' ? qr_error_text(directory->status) : directory->detail);
    } else if (!directory->is_in_cluster) {
        puts("  in no cluster yet: it holds nothing");
    } else {
        print_held(directory);
    }
    print_applying(doctor, at);
    puts("");
}

static void print_losses(const struct qr_doctor_verdict *verdict)
{
    printf("Kept for sure: everything up to entry %llu.\n", (number)verdict->kept_through);
    if (verdict->loses_seen) {
        printf("Lost: entries %llu to %llu, which another directory here holds; ",
               (number)verdict->lost_first, (number)verdict->lost_last);
        if (verdict->lost_committed_last > 0) {
            printf("those up to %llu were surely acknowledged.\n",
                   (number)verdict->lost_committed_last);
        } else {
            puts("they may have been acknowledged.");
        }
    }
    if (verdict->void_count > 0) {
        printf("Given up: %llu entries that no majority ever had; nobody was told of them.\n",
               (number)verdict->void_count);
    }
    if (verdict->may_lose_unseen) {
        printf("Not to be known: the voters that are missing are enough to have acknowledged "
               "entries\nbehind %llu by themselves. Such entries, if there are any, are lost, and "
               "what stands here\nbehind %llu takes their place.\n",
               (number)verdict->kept_through, (number)verdict->kept_through);
    } else if (!verdict->loses_seen) {
        puts("Nothing that was acknowledged is lost: too few voters are missing for that.");
    }
}

/* Behind a verdict by which nodes are to be started. */
static void print_refused(const struct qr_doctor *doctor, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (applying_of(doctor, i).note == QR_DOCTOR_NOTE_REFUSED) {
            puts("But an entry ends the process again and again: see above what is to be done "
                 "before a start.");
            return;
        }
    }
}

static void print_recovery(const struct qr_doctor *doctor, const struct qr_doctor_verdict *verdict)
{
    const char *chosen = qr_doctor_directory(doctor, verdict->chosen)->path;
    puts(
        "The majority is not here. Look for the missing directories first: with one more voter's,\n"
        "less may be lost, or nothing.");
    if (qr_doctor_directory(doctor, verdict->chosen)->status != 0 || !verdict->can_lead) {
        printf("%s cannot be recovered from; choose another.\n", chosen);
        return;
    }
    printf("%s recovery of %s, as the only voter of a new cluster:\n",
           verdict->chosen == verdict->best ? "The safest way back is the"
                                            : "What you chose is the",
           chosen);
    print_losses(verdict);
    printf("To do that, name all directories again with: --recover %s --yes\n", chosen);
}

void doctor_print_text(const struct qr_doctor *doctor, size_t count,
                       const struct qr_doctor_verdict *verdict)
{
    for (size_t i = 0; i < count; i++) {
        print_directory(doctor, i);
    }
    if (verdict->way == QR_DOCTOR_START || verdict->way == QR_DOCTOR_RECOVER) {
        printf("%zu of %zu voters are here.\n", verdict->voters_here, verdict->voter_count);
    }
    if (verdict->outgoing_count > 0) {
        printf("A change of the voters is under way; of those before it %zu of %zu are here.\n",
               verdict->outgoing_here, verdict->outgoing_count);
    }
    switch (verdict->way) {
    case QR_DOCTOR_NOWHERE:
        puts("None of these directories is whole and in a cluster: there is nothing to go on with. "
             "Restore a backup.");
        return;
    case QR_DOCTOR_MIXED:
        puts("These directories are of several clusters, or one is named twice. Name those of one "
             "cluster alone.");
        return;
    case QR_DOCTOR_START:
        puts("A majority is here. No surgery is needed: start these nodes, and nothing is lost.");
        print_refused(doctor, count);
        return;
    case QR_DOCTOR_RECOVER:
        print_recovery(doctor, verdict);
        print_refused(doctor, count);
        return;
    }
}

static void put_u64(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    text_json_u64(text, value);
}

static void put_bool(struct text *text, const char *key, bool value)
{
    text_json_key(text, key);
    text_json_bool(text, value);
}

static void put_string(struct text *text, const char *key, const char *value)
{
    text_json_key(text, key);
    text_json_string(text, value);
}

static void put_id(struct text *text, const char *key, const struct qr_id *id)
{
    char hex[33];
    struct text digits = text_of(hex, sizeof(hex));
    text_hex(&digits, id->high, 16);
    text_hex(&digits, id->low, 16);
    put_string(text, key, hex);
}

static void put_members(struct text *text, const char *key,
                        const struct qr_doctor_configuration *configuration)
{
    text_json_key(text, key);
    text_json_object_begin(text);
    put_u64(text, "index", configuration->index);
    text_json_key(text, "members");
    text_json_array_begin(text);
    for (size_t i = 0; i < configuration->count; i++) {
        const struct qr_doctor_member *member = &configuration->members[i];
        text_json_object_begin(text);
        put_string(text, "name", member->name);
        text_json_key(text, "node_id");
        text_json_hex(text, member->id, 16);
        put_string(text, "address", member->address);
        put_bool(text, "voter", member->is_voter);
        put_bool(text, "outgoing", member->is_outgoing);
        text_json_object_end(text);
    }
    text_json_array_end(text);
    text_json_object_end(text);
}

/* "ended", "refused" or "damaged" with what is known of it; null: nothing is to be told. */
static void put_applying(struct text *text, const struct qr_doctor_applying *applying)
{
    static const char *const states[] = {
        [QR_DOCTOR_NOTE_ENDED] = "ended",
        [QR_DOCTOR_NOTE_REFUSED] = "refused",
        [QR_DOCTOR_NOTE_DAMAGED] = "damaged",
    };
    text_json_key(text, "applying");
    if (applying->note == QR_DOCTOR_NOTE_NONE) {
        text_json_null(text);
        return;
    }
    text_json_object_begin(text);
    put_string(text, "state", states[applying->note]);
    put_u64(text, "ends", applying->ends);
    put_u64(text, "first_index", applying->first_index);
    put_u64(text, "last_index", applying->last_index);
    put_u64(text, "term", applying->term);
    put_string(text, "command", applying->command);
    text_json_object_end(text);
}

static void print_directory_json(const struct qr_doctor *doctor, size_t at)
{
    const struct qr_doctor_directory *directory = qr_doctor_directory(doctor, at);
    const struct qr_doctor_applying applying = applying_of(doctor, at);
    char line[LINE_BYTES];
    struct text text = text_of(line, sizeof(line));
    text_json_object_begin(&text);
    put_string(&text, "path", directory->path);
    put_bool(&text, "ok", directory->status == 0);
    if (directory->status != 0) {
        put_string(&text, "error", qr_error_name(directory->status));
        put_string(&text, "detail", directory->detail);
    }
    put_string(&text, "name", directory->name);
    text_json_key(&text, "node_id");
    text_json_hex(&text, directory->node_id, 16);
    put_id(&text, "cluster", &directory->cluster);
    put_id(&text, "former", &directory->former);
    put_bool(&text, "in_cluster", directory->is_in_cluster);
    put_bool(&text, "recovering", directory->is_recovering);
    put_bool(&text, "torn", directory->is_torn);
    put_u64(&text, "term", directory->term);
    text_json_key(&text, "voted_for");
    if (directory->has_voted) {
        text_json_hex(&text, directory->voted_for, 16);
    } else {
        text_json_null(&text);
    }
    put_u64(&text, "first_index", directory->first_index);
    put_u64(&text, "last_index", directory->last_index);
    put_u64(&text, "last_term", directory->last_term);
    put_u64(&text, "commit_index", directory->commit_index);
    put_u64(&text, "snapshot_index", directory->snapshot_index);
    put_members(&text, "committed", &directory->committed);
    put_members(&text, "latest", &directory->latest);
    put_applying(&text, &applying);
    text_json_object_end(&text);
    printf("%s%s", at == 0 ? "" : ",", line);
}

static const char *way_name(enum qr_doctor_way way)
{
    switch (way) {
    case QR_DOCTOR_NOWHERE:
        return "nowhere";
    case QR_DOCTOR_MIXED:
        return "mixed";
    case QR_DOCTOR_START:
        return "start";
    case QR_DOCTOR_RECOVER:
        return "recover";
    }
    return "?";
}

void doctor_print_json(const struct qr_doctor *doctor, size_t count,
                       const struct qr_doctor_verdict *verdict)
{
    char line[LINE_BYTES];
    struct text text = text_of(line, sizeof(line));
    printf("{\"directories\":[");
    for (size_t i = 0; i < count; i++) {
        print_directory_json(doctor, i);
    }
    text_json_object_begin(&text);
    put_string(&text, "way", way_name(verdict->way));
    if (verdict->way == QR_DOCTOR_START || verdict->way == QR_DOCTOR_RECOVER) {
        put_string(&text, "best", qr_doctor_directory(doctor, verdict->best)->path);
        put_string(&text, "chosen", qr_doctor_directory(doctor, verdict->chosen)->path);
    }
    put_bool(&text, "can_lead", verdict->can_lead);
    put_u64(&text, "voters", verdict->voter_count);
    put_u64(&text, "voters_here", verdict->voters_here);
    put_u64(&text, "outgoing", verdict->outgoing_count);
    put_u64(&text, "outgoing_here", verdict->outgoing_here);
    put_u64(&text, "kept_through", verdict->kept_through);
    put_bool(&text, "loses_seen", verdict->loses_seen);
    put_u64(&text, "lost_first", verdict->lost_first);
    put_u64(&text, "lost_last", verdict->lost_last);
    put_u64(&text, "lost_committed_last", verdict->lost_committed_last);
    put_u64(&text, "void_count", verdict->void_count);
    put_bool(&text, "may_lose_unseen", verdict->may_lose_unseen);
    text_json_object_end(&text);
    printf("],\"verdict\":%s}\n", line);
}

void doctor_print_recovered(const char *path, const struct qr_id *cluster, bool is_json)
{
    char line[LINE_BYTES];
    struct text text = text_of(line, sizeof(line));
    if (is_json) {
        text_json_object_begin(&text);
        put_string(&text, "recovered", path);
        put_id(&text, "cluster", cluster);
        text_json_object_end(&text);
        puts(line);
        return;
    }
    printf("%s is now the only voter of the new cluster %016llx%016llx.\nStart it as before. Empty "
           "the directories of all other nodes, and let them join it.\n",
           path, (number)cluster->high, (number)cluster->low);
}
