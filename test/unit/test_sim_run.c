/* test_sim_run.c: a run of the simulator: decided by its seed, and honest about its subject. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "quorate/sim.h"
#include "support/sweep.h"
#include "support/unit.h"

#define SHORT_PLAN "safety_ms=8000 commits=200 operations=300"

/* A state machine of one number, and how it is made wrong. */
struct tally {
    struct qr_state_machine machine;
    struct tally_subject *owner;
    uint64_t number; /* of the replica, in the order of opening */
    uint64_t sum;
    uint64_t count;
    uint8_t result[8];
    uint8_t restored[16];
    size_t restored_bytes;
};

/* What a subject may not do. */
enum misdeed {
    MISDEED_NONE,
    MISDEED_NO_REPLICA,
    MISDEED_NO_APPLY,
    MISDEED_OLD_MACHINE,
    MISDEED_LONG_PAYLOAD,
    MISDEED_LONG_COMMAND,
    MISDEED_OTHER_NUMBER,
    MISDEED_NOTHING_ASKED,
    MISDEED_NO_READ,
    MISDEED_LONG_READ,
};

struct tally_subject {
    struct qr_sim_subject subject;
    enum misdeed misdeed;
    uint64_t begun;
    uint64_t opened;
    uint64_t closed;
    uint64_t ended;
    uint64_t checks;
    uint64_t snapshots;
    uint64_t restores;
    uint64_t drift_at;  /* every second replica adds one more at this entry */
    uint64_t broken_at; /* the invariant does not hold from so many entries on */
    uint64_t failed_at; /* a replica cannot apply this entry */
    uint64_t rejects;   /* every so many'th entry is rejected; 0: none */
    bool is_fickle;     /* only every second replica rejects */
    uint64_t rejected;  /* operations that were told so */
    bool is_end_bad;
};

static int apply(void *context, const struct qr_entry *entries, size_t count,
                 struct qr_result *results)
{
    struct tally *self = context;
    for (size_t i = 0; i < count; i++) {
        self->count++;
        if (self->count == self->owner->failed_at) {
            return QR_ERR_CORRUPT;
        }
        bool is_rejected = self->owner->rejects != 0 && self->count % self->owner->rejects == 0 &&
                           (!self->owner->is_fickle || self->number % 2 == 0);
        results[i].status = is_rejected ? QR_ERR_REJECTED : 0;
        if (entries[i].payload_bytes == 8 && !is_rejected) {
            self->sum += load_u64(entries[i].payload);
        }
        self->sum += self->number % 2 == 0 && self->count == self->owner->drift_at;
        if (entries[i].wants_result) {
            store_u64(self->result, entries[i].index);
            results[i].data = self->result;
        }
    }
    return 0;
}

static uint64_t digest(void *context)
{
    const struct tally *self = context;
    return self->sum * 31 + self->count;
}

/* Two numbers, given one after the other. */
struct saved {
    uint8_t bytes[16];
    size_t given_bytes;
};

static int snapshot_open(void *context, void **snapshot)
{
    const struct tally *self = context;
    struct saved *saved = calloc(1, sizeof(*saved));
    assert_non_null(saved);
    store_u64(saved->bytes, self->sum);
    store_u64(saved->bytes + 8, self->count);
    self->owner->snapshots++;
    *snapshot = saved;
    return 0;
}

static int snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes)
{
    struct saved *saved = snapshot;
    (void)context;
    assert_true(size_bytes >= QR_SNAPSHOT_SLICE_BYTES_MIN);
    *read_bytes = saved->given_bytes < sizeof(saved->bytes) ? 8 : 0;
    memcpy(buffer, saved->bytes + saved->given_bytes, *read_bytes);
    saved->given_bytes += *read_bytes;
    return 0;
}

static void snapshot_close(void *context, void *snapshot)
{
    (void)context;
    free(snapshot);
}

static int restore_begin(void *context)
{
    struct tally *self = context;
    self->restored_bytes = 0;
    return 0;
}

static int restore_write(void *context, const void *data, size_t size_bytes)
{
    struct tally *self = context;
    assert_true(size_bytes <= sizeof(self->restored) - self->restored_bytes);
    memcpy(self->restored + self->restored_bytes, data, size_bytes);
    self->restored_bytes += size_bytes;
    return 0;
}

static int restore_end(void *context)
{
    struct tally *self = context;
    assert_int_equal(self->restored_bytes, sizeof(self->restored));
    self->sum = load_u64(self->restored);
    self->count = load_u64(self->restored + 8);
    self->owner->restores++;
    return 0;
}

static void begin(void *context)
{
    struct tally_subject *subject = context;
    assert_int_equal(subject->opened, 0);
    subject->begun++;
}

static const struct qr_state_machine *open_replica(void *context)
{
    struct tally_subject *subject = context;
    if (subject->misdeed == MISDEED_NO_REPLICA && subject->opened == 1) {
        return NULL;
    }
    struct tally *self = calloc(1, sizeof(*self));
    assert_non_null(self);
    self->number = ++subject->opened;
    self->owner = subject;
    self->machine = (struct qr_state_machine){
        .size_bytes = sizeof(self->machine) - (subject->misdeed == MISDEED_OLD_MACHINE),
        .context = self,
        .apply = subject->misdeed == MISDEED_NO_APPLY ? NULL : apply,
        .digest = digest,
        .snapshot_open = snapshot_open,
        .snapshot_read = snapshot_read,
        .snapshot_close = snapshot_close,
        .restore_begin = restore_begin,
        .restore_write = restore_write,
        .restore_end = restore_end};
    return &self->machine;
}

static void close_replica(void *context, const struct qr_state_machine *machine)
{
    struct tally_subject *subject = context;
    subject->closed++;
    free(machine->context);
}

static void operation(void *context, struct qr_sim_random *random, struct qr_sim_operation *out)
{
    const struct tally_subject *subject = context;
    enum misdeed misdeed = out->number < 20 ? MISDEED_NONE : subject->misdeed;
    out->is_read = qr_sim_draw(random, 0, 3) == 0;
    store_u64(out->payload, qr_sim_draw(random, 1, 1000));
    out->payload_bytes = misdeed == MISDEED_LONG_PAYLOAD    ? QR_SIM_PAYLOAD_BYTES_MAX + 1
                         : misdeed == MISDEED_NOTHING_ASKED ? 0
                                                            : 8;
    out->command_bytes = misdeed == MISDEED_LONG_COMMAND ? QR_COMMAND_BYTES_MAX + 1 : 0;
    out->number += misdeed == MISDEED_OTHER_NUMBER;
}

static size_t read_replica(void *context, const struct qr_state_machine *machine,
                           const struct qr_sim_operation *asked, void *out, size_t out_bytes)
{
    const struct tally *self = machine->context;
    const struct tally_subject *subject = context;
    assert_true(asked->is_read);
    assert_true(out_bytes >= 8);
    store_u64(out, self->sum);
    return subject->misdeed == MISDEED_LONG_READ ? out_bytes + 1 : 8;
}

static void ended(void *context, const struct qr_sim_operation *asked,
                  const struct qr_sim_outcome *outcome)
{
    struct tally_subject *subject = context;
    subject->ended++;
    assert_true(outcome->ended_ns >= outcome->began_ns);
    subject->rejected += outcome->status == QR_ERR_REJECTED;
    assert_true(!asked->is_read || outcome->status != QR_ERR_REJECTED);
    assert_true((outcome->status != 0 && outcome->status != QR_ERR_REJECTED) || outcome->index > 0);
    assert_true(outcome->status != 0 || !asked->is_read || outcome->result_bytes == 8);
}

static const char *check(void *context, const struct qr_state_machine *machine)
{
    struct tally_subject *subject = context;
    const struct tally *self = machine->context;
    subject->checks++;
    bool is_broken = subject->broken_at != 0 && self->count >= subject->broken_at;
    return is_broken ? "the tally is too high" : NULL;
}

static const char *finish(void *context)
{
    const struct tally_subject *subject = context;
    return subject->is_end_bad ? "it ended badly" : NULL;
}

static struct tally_subject subject_of(void)
{
    return (struct tally_subject){.subject = {.size_bytes = sizeof(struct qr_sim_subject),
                                              .begin = begin,
                                              .open = open_replica,
                                              .close = close_replica,
                                              .operation = operation,
                                              .read = read_replica,
                                              .ended = ended,
                                              .check = check,
                                              .finish = finish}};
}

static int run(struct tally_subject *subject, uint64_t seed, const char *plan,
               struct qr_sim_report *report)
{
    struct qr_sim_options options = {
        .size_bytes = sizeof(options), .seed = seed, .subject = &subject->subject, .plan = plan};
    subject->subject.context = subject;
    int status = qr_sim_run(&options, report);
    assert_int_equal(subject->opened, subject->closed);
    assert_true(subject->begun == 1 || subject->opened == 0);
    return status;
}

static void a_seed_decides_everything(void **state)
{
    (void)state;
    struct qr_sim_report first;
    struct qr_sim_report again;
    struct qr_sim_report other;
    for (uint64_t seed = 1; seed <= sweep_sample_of(5); seed++) {
        struct tally_subject a = subject_of();
        struct tally_subject b = subject_of();
        struct tally_subject c = subject_of();
        assert_int_equal(run(&a, seed, SHORT_PLAN, &first), 0);
        assert_int_equal(run(&b, seed, SHORT_PLAN, &again), 0);
        assert_int_equal(run(&c, seed + 1000, SHORT_PLAN, &other), 0);
        assert_string_equal(first.failure, "");
        assert_true(first.has_passed && again.has_passed);
        assert_memory_equal(&first, &again, sizeof(first));
        assert_true(first.trace_hash != other.trace_hash);
        assert_true(first.commits >= 200);
        assert_true(first.acknowledged > 0 && a.ended == first.operations && a.checks > 0);
    }
}

/* Without snapshots: one that is restored from another is wrong as that one is. */
static void a_replica_that_differs_is_noticed_and_named(void **state)
{
    (void)state;
    struct tally_subject subject = subject_of();
    struct qr_sim_report report;
    subject.drift_at = 40;
    /* Without snapshots, so that replicas of both kinds apply that entry themselves. */
    assert_int_equal(run(&subject, 3, SHORT_PLAN " nodes=3 log_entries=0", &report), 0);
    assert_false(report.has_passed);
    assert_string_equal(report.checker, "equal_digests");
    assert_non_null(strstr(report.failure, "not deterministic"));
    assert_non_null(strstr(report.failure, "digest"));
}

static void what_every_replica_rejects_is_sound(void **state)
{
    (void)state;
    struct tally_subject subject = subject_of();
    struct qr_sim_report report;
    subject.rejects = 5;
    assert_int_equal(run(&subject, 3, SHORT_PLAN " once_percent=60 past_percent=0", &report), 0);
    assert_string_equal(report.failure, "");
    assert_true(report.has_passed);
    assert_true(subject.rejected > 10);
}

static void rejected_here_and_accepted_there_is_noticed(void **state)
{
    (void)state;
    struct tally_subject subject = subject_of();
    struct qr_sim_report report;
    subject.rejects = 1;
    subject.is_fickle = true;
    assert_int_equal(run(&subject, 3, SHORT_PLAN " nodes=3 log_entries=0", &report), 0);
    assert_false(report.has_passed);
    assert_non_null(strstr(report.failure, "not deterministic"));
}

static void a_broken_invariant_ends_the_run(void **state)
{
    (void)state;
    struct tally_subject subject = subject_of();
    struct qr_sim_report report;
    subject.broken_at = 50;
    assert_int_equal(run(&subject, 3, SHORT_PLAN, &report), 0);
    assert_false(report.has_passed);
    assert_string_equal(report.checker, "subject");
    assert_non_null(strstr(report.failure, "the tally is too high"));
    assert_true(report.failed_ns > 0 && report.failed_ns <= report.virtual_ns);
}

/* As one that takes for damage what is none. */
static void a_node_that_fails_without_a_fault_is_noticed(void **state)
{
    (void)state;
    struct qr_sim_report report;
    struct tally_subject subject = subject_of();
    subject.failed_at = 20;
    assert_int_equal(run(&subject, 3, SHORT_PLAN " bit_flip=0 zeroed=0 misdirect=0", &report), 0);
    assert_false(report.has_passed);
    assert_string_equal(report.checker, "undamaged_goes_on");
    assert_non_null(strstr(report.failure, "QR_ERR_CORRUPT"));
}

static void the_subject_judges_the_end(void **state)
{
    (void)state;
    struct tally_subject subject = subject_of();
    struct qr_sim_report report;
    subject.is_end_bad = true;
    assert_int_equal(run(&subject, 3, SHORT_PLAN, &report), 0);
    assert_false(report.has_passed);
    assert_string_equal(report.failure, "it ended badly");
}

static void what_is_out_of_bounds_is_refused_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *plan;
        const char *words;
    } rows[] = {
        {"nodes=0", "nodes: 0 is out of bounds, 1..7"},
        {"nodes=8", "nodes: 8 is out of bounds, 1..7"},
        {"nodes=x", "nodes: x is no number, 1..7"},
        {"nodes=", "nodes:  is no number, 1..7"},
        {"nodes", "nodes:  is no number, 1..7"},
        {"nodes=99999999999999999999", "is no number"},
        {"loss=300001", "loss: 300001 is out of bounds, 0..300000"},
        {"knots=3", "there is no setting 'knots'"},
        {"crash=1 knots=3", "there is no setting 'knots'"},
        {"heartbeat_ms=200 election_min_ms=200 election_max_ms=300",
         "heartbeat_ms is not below election_min_ms"},
        {"heartbeat_ms=1 election_min_ms=400 election_max_ms=300",
         "election_min_ms is greater than election_max_ms"},
        {"delay_us_min=9 delay_us_max=8", "delay_us_min is greater than delay_us_max"},
        {"disk_us_min=9 disk_us_max=8", "disk_us_min is greater than disk_us_max"},
        {"message_bytes=4186113", "message_bytes: 4186113 is out of bounds, 8192..4186112"},
        {"segment_bytes=65537", "segment_bytes is no multiple of 4096"},
        {"segment_bytes=65536 message_bytes=65536", "does not hold a message"},
        {"past_percent=1 durable_percent=100", "durable_percent and past_percent exclude"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tally_subject subject = subject_of();
        struct qr_sim_report report;
        assert_int_equal(run(&subject, 1, rows[i].plan, &report), QR_ERR_INVALID);
        if (strstr(report.failure, rows[i].words) == NULL) {
            fail_msg("%s: %s", rows[i].plan, report.failure);
        }
    }
}

struct mix {
    uint64_t past;
    uint64_t durable;
    uint64_t upgrades;
};

static void take_mixed(void *argument, const char *name, uint64_t value, uint64_t least,
                       uint64_t most, const char *meaning)
{
    struct mix *mix = argument;
    (void)least, (void)most, (void)meaning;
    mix->past = strcmp(name, "past_percent") == 0 ? value : mix->past;
    mix->durable = strcmp(name, "durable_percent") == 0 ? value : mix->durable;
    mix->upgrades = strcmp(name, "upgrade") == 0 ? value : mix->upgrades;
}

static struct mix mix_of(uint64_t seed, const char *plan)
{
    struct tally_subject subject = subject_of();
    struct qr_sim_options options = {
        .size_bytes = sizeof(options), .subject = &subject.subject, .seed = seed, .plan = plan};
    char detail[QR_SIM_TEXT_BYTES_MAX];
    struct mix mix = {0};
    assert_int_equal(qr_sim_plan_describe(&options, take_mixed, &mix, detail), 0);
    return mix;
}

/* A past release takes over no log behind a snapshot: what was only drawn gives way. */
static void durable_replicas_and_past_releases_are_not_mixed(void **state)
{
    (void)state;
    unsigned past_count = 0;
    unsigned durable_count = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct mix drawn = mix_of(seed, "");
        assert_true(drawn.past == 0 || drawn.durable == 0);
        past_count += drawn.past > 0;
        durable_count += drawn.durable > 0;
        struct mix durable = mix_of(seed, "durable_percent=100");
        assert_int_equal(durable.durable, 100);
        assert_int_equal(durable.past + durable.upgrades, 0);
        struct mix past = mix_of(seed, "past_percent=40");
        assert_int_equal(past.past, 40);
        assert_int_equal(past.durable, 0);
        assert_int_equal(mix_of(seed, "durable_percent=0 past_percent=40").past, 40);
    }
    assert_true(past_count > 0 && durable_count > 0);
}

static void options_of_another_version_or_without_a_subject_are_refused(void **state)
{
    (void)state;
    struct tally_subject subject = subject_of();
    struct qr_sim_report report;
    struct qr_sim_options options = {.size_bytes = 1, .subject = &subject.subject};
    assert_int_equal(qr_sim_run(&options, &report), QR_ERR_INVALID);
    assert_non_null(strstr(report.failure, "size_bytes"));
    options.size_bytes = sizeof(options);
    options.skipped_fault_count = 1;
    assert_int_equal(qr_sim_run(&options, &report), QR_ERR_INVALID);
    assert_non_null(strstr(report.failure, "skipped_faults"));
    options.skipped_fault_count = 0;
    subject.subject.open = NULL;
    assert_int_equal(qr_sim_run(&options, &report), QR_ERR_INVALID);
    options.subject = NULL;
    assert_int_equal(qr_sim_run(&options, &report), QR_ERR_INVALID);
    assert_non_null(strstr(report.failure, "subject"));
}

static void is_never_told(void *argument, const char *name, uint64_t value, uint64_t least,
                          uint64_t most, const char *meaning)
{
    (void)argument;
    (void)name;
    (void)value;
    (void)least;
    (void)most;
    (void)meaning;
    fail();
}

static void without_options_or_room_there_is_no_run(void **state)
{
    (void)state;
    struct tally_subject subject = subject_of();
    struct qr_sim_report report;
    struct qr_sim_shrunk shrunk;
    struct qr_sim_options options = {.size_bytes = sizeof(options), .subject = &subject.subject};
    assert_int_equal(qr_sim_run(NULL, &report), QR_ERR_INVALID);
    assert_non_null(strstr(report.failure, "missing"));
    assert_int_equal(qr_sim_run(&options, NULL), QR_ERR_INVALID);
    assert_int_equal(qr_sim_plan_describe(NULL, is_never_told, NULL, NULL), QR_ERR_INVALID);
    assert_int_equal(qr_sim_plan_describe(&options, NULL, NULL, NULL), QR_ERR_INVALID);
    options.plan = "nothing=1";
    assert_int_equal(qr_sim_plan_describe(&options, is_never_told, NULL, NULL), QR_ERR_INVALID);
    assert_int_equal(qr_sim_shrink(NULL, 1, NULL, NULL, &shrunk), QR_ERR_INVALID);
    assert_int_equal(qr_sim_shrink(&options, 1, NULL, NULL, NULL), QR_ERR_INVALID);
    assert_int_equal(qr_sim_draw(NULL, 3, 5), 3);
    qr_sim_shrunk_deinit(NULL);
}

/* None of these is anything that a node did: there is no verdict. */
static void a_subject_that_does_what_it_may_not_is_refused_in_words(void **state)
{
    (void)state;
    static const struct {
        enum misdeed misdeed;
        int status;
        const char *words;
    } rows[] = {
        {MISDEED_NO_REPLICA, QR_ERR_NO_MEMORY, "made no replica"},
        {MISDEED_NO_APPLY, QR_ERR_INVALID, "without apply"},
        {MISDEED_OLD_MACHINE, QR_ERR_INVALID, "size_bytes"},
        {MISDEED_LONG_PAYLOAD, QR_ERR_INVALID, "its command or payload is too long"},
        {MISDEED_LONG_COMMAND, QR_ERR_INVALID, "its command or payload is too long"},
        {MISDEED_OTHER_NUMBER, QR_ERR_INVALID, "its number or client was changed"},
        {MISDEED_NOTHING_ASKED, QR_ERR_INVALID, "operation "},
        {MISDEED_NO_READ, QR_ERR_INVALID, "it reads, and the subject has no read()"},
        {MISDEED_LONG_READ, QR_ERR_INVALID, "and there is room for"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tally_subject subject = subject_of();
        struct qr_sim_report report;
        subject.misdeed = rows[i].misdeed;
        if (rows[i].misdeed == MISDEED_NO_READ) {
            subject.subject.read = NULL;
        }
        int status = run(&subject, 3, SHORT_PLAN " nodes=3 log_entries=0", &report);
        if (status != rows[i].status || strstr(report.failure, rows[i].words) == NULL) {
            fail_msg("row %zu: %d %s", i, status, report.failure);
        }
        assert_false(report.has_passed);
        assert_string_equal(report.checker, "");
    }
}

struct lines {
    uint64_t count;
    uint64_t faults;
    uint64_t violations;
    bool are_json;
};

static void take_line(void *argument, const char *line)
{
    struct lines *lines = argument;
    lines->count++;
    lines->faults += strstr(line, lines->are_json ? "\"event\":\"fault\"" : " fault ") != NULL;
    lines->violations += strstr(line, "violation") != NULL;
    assert_int_equal(line[0] == '{', lines->are_json);
}

static void listening_changes_nothing(void **state)
{
    (void)state;
    struct qr_sim_report silent;
    struct qr_sim_report heard;
    struct tally_subject subject = subject_of();
    assert_int_equal(run(&subject, 9, SHORT_PLAN, &silent), 0);
    for (int is_json = 0; is_json < 2; is_json++) {
        struct lines lines = {.are_json = is_json};
        struct tally_subject again = subject_of();
        struct qr_sim_options options = {.size_bytes = sizeof(options),
                                         .seed = 9,
                                         .subject = &again.subject,
                                         .plan = SHORT_PLAN,
                                         .trace = take_line,
                                         .trace_argument = &lines,
                                         .is_trace_json = is_json};
        again.subject.context = &again;
        assert_int_equal(qr_sim_run(&options, &heard), 0);
        assert_memory_equal(&silent, &heard, sizeof(heard));
        assert_true(lines.count > 1000);
        assert_int_equal(lines.faults, heard.faults);
        assert_int_equal(lines.violations, 0);
    }
}

static void count_line(void *argument, const char *line)
{
    struct lines *lines = argument;
    (void)line;
    lines->count++;
}

/* A trace shows frames that no checker looks at where no leader holds a lease, and where a voter
 * may forget, when it starts again, that it has heard one.
 */
static void listening_judges_nothing_else(void **state)
{
    (void)state;
    const char *plan = SHORT_PLAN " lease_percent=0 past_percent=0 crash=2000 blackout=500";
    for (uint64_t seed = 1; seed <= sweep_sample_of(10); seed++) {
        struct qr_sim_report silent;
        struct qr_sim_report heard;
        struct tally_subject subject = subject_of();
        struct tally_subject again = subject_of();
        struct lines lines = {0};
        struct qr_sim_options options = {.size_bytes = sizeof(options),
                                         .seed = seed,
                                         .subject = &again.subject,
                                         .plan = plan,
                                         .trace = count_line,
                                         .trace_argument = &lines};
        again.subject.context = &again;
        assert_int_equal(run(&subject, seed, plan, &silent), 0);
        assert_int_equal(qr_sim_run(&options, &heard), 0);
        assert_string_equal(heard.checker, silent.checker);
        assert_memory_equal(&silent, &heard, sizeof(heard));
        assert_true(silent.has_passed && lines.count > 0);
    }
}

/* Leaving one fault out leaves the others as they were, up to the moment when it would come. */
static void a_fault_that_is_skipped_does_not_happen(void **state)
{
    (void)state;
    const char *plan = SHORT_PLAN " nodes=3 crash=1000 power_loss=1000";
    struct qr_sim_report all;
    struct qr_sim_report none;
    struct tally_subject subject = subject_of();
    uint32_t numbers[4096];
    for (uint32_t i = 0; i < 4096; i++) {
        numbers[i] = i + 1;
    }
    assert_int_equal(run(&subject, 5, plan, &all), 0);
    assert_true(all.has_passed && all.faults > 3 && all.crashes > 0);
    struct tally_subject again = subject_of();
    struct qr_sim_options options = {.size_bytes = sizeof(options),
                                     .seed = 5,
                                     .subject = &again.subject,
                                     .plan = plan,
                                     .skipped_faults = numbers,
                                     .skipped_fault_count = 4096};
    again.subject.context = &again;
    assert_int_equal(qr_sim_run(&options, &none), 0);
    assert_true(none.has_passed);
    assert_int_equal(none.faults, 0);
    assert_int_equal(none.crashes, 0);
}

struct settings {
    unsigned count;
    uint64_t nodes;
};

static void take_setting(void *argument, const char *name, uint64_t value, uint64_t least,
                         uint64_t most, const char *meaning)
{
    struct settings *settings = argument;
    settings->count++;
    assert_true(least <= value && value <= most);
    assert_true(name[0] != '\0' && meaning[0] != '\0');
    if (strcmp(name, "nodes") == 0) {
        settings->nodes = value;
    }
}

static void every_seed_draws_settings_within_their_bounds(void **state)
{
    (void)state;
    char detail[QR_SIM_TEXT_BYTES_MAX];
    uint64_t seen = 0;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct settings settings = {0};
        struct qr_sim_options options = {.size_bytes = sizeof(options), .seed = seed};
        assert_int_equal(qr_sim_plan_describe(&options, take_setting, &settings, detail), 0);
        assert_true(settings.count > 40);
        seen |= UINT64_C(1) << settings.nodes;
    }
    assert_int_equal(seen, 0xfe); /* clusters of one node to seven */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_decides_everything),
        cmocka_unit_test(a_replica_that_differs_is_noticed_and_named),
        cmocka_unit_test(what_every_replica_rejects_is_sound),
        cmocka_unit_test(rejected_here_and_accepted_there_is_noticed),
        cmocka_unit_test(a_broken_invariant_ends_the_run),
        cmocka_unit_test(a_node_that_fails_without_a_fault_is_noticed),
        cmocka_unit_test(the_subject_judges_the_end),
        cmocka_unit_test(what_is_out_of_bounds_is_refused_in_words),
        cmocka_unit_test(durable_replicas_and_past_releases_are_not_mixed),
        cmocka_unit_test(options_of_another_version_or_without_a_subject_are_refused),
        cmocka_unit_test(without_options_or_room_there_is_no_run),
        cmocka_unit_test(a_subject_that_does_what_it_may_not_is_refused_in_words),
        cmocka_unit_test(listening_changes_nothing),
        cmocka_unit_test(listening_judges_nothing_else),
        cmocka_unit_test(a_fault_that_is_skipped_does_not_happen),
        cmocka_unit_test(every_seed_draws_settings_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
