/* test_engine_poison.c: an entry that ends the process is not tried for ever.
 *
 * Each life of the engine is a process of its own: it is opened there, ends by the entry, by a
 * kill, or well, and says by its exit code how it went.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/poison.h"
#include "quorate/doctor.h"
#include "quorate/engine.h"
#include "quorate/plain.h"
#include "support/tally.h"

#define EXIT_WELL 0
#define EXIT_REFUSED 3
#define EXIT_OTHER 4
#define EXIT_ALARM_SECONDS 60

struct bench {
    char directory[64];
    char data[96];
    char note[128];
    char said[96]; /* the file of the last refusal's detail */
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    temporary_directory(bench->directory);
    (void)snprintf(bench->data, sizeof(bench->data), "%s/data", bench->directory);
    (void)snprintf(bench->note, sizeof(bench->note), "%s/%s", bench->data, POISON_FILE);
    (void)snprintf(bench->said, sizeof(bench->said), "%s/said", bench->directory);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    temporary_directory_remove(bench->directory);
    free(bench);
    return 0;
}

/* What a life of the engine does. */
struct life {
    bool is_mended; /* "boom" is harmless */
    bool ignores_poison;
    bool is_inline;
    unsigned proposals; /* harmless ones, then: */
    bool is_last_boom;
    unsigned slow_us; /* to apply one */
    bool waits;       /* does not end by itself */
};

static const struct life *this_life;

static int apply(void *state, const struct qr_entry *entry, struct qr_plain_reply *reply)
{
    uint64_t *count = state;
    (void)reply;
    if (entry->command_bytes == 4 && memcmp(entry->command, "boom", 4) == 0 &&
        !this_life->is_mended) {
        abort();
    }
    if (this_life->slow_us > 0) {
        (void)usleep(this_life->slow_us);
    }
    (*count)++;
    return 0;
}

static atomic_uint answer_count;

static void on_answer(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    (void)argument, (void)index, (void)result;
    if (status != 0) {
        _exit(EXIT_OTHER);
    }
    atomic_fetch_add(&answer_count, 1);
}

static void propose(struct qr_engine *engine, const char *command)
{
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .command = command, .command_bytes = strlen(command)};
    while (qr_propose(engine, &proposal, on_answer, NULL) == QR_ERR_BUSY) {
        (void)usleep(1000);
    }
}

/* The whole of a process. */
static void live(const struct bench *bench, const struct life *life)
{
    static uint64_t count;
    struct qr_state_machine machine;
    struct qr_engine *engine;
    char address[32];
    char detail[QR_ERROR_DETAIL_BYTES];
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)signal(SIGABRT, SIG_DFL);
    (void)alarm(EXIT_ALARM_SECONDS);
    free_address(address);
    this_life = life;
    if (qr_plain_state(&machine, &count, sizeof(count), apply) != 0) {
        _exit(EXIT_OTHER);
    }
    struct qr_limits limits = qr_limits_default();
    limits.max_message_bytes = UINT64_C(1) << 19; /* and small segments, which are zeroed */
    limits.segment_bytes = UINT64_C(1) << 20;
    limits.election_timeout_min_ms = 10; /* nobody else is there */
    limits.election_timeout_max_ms = 20;
    limits.heartbeat_interval_ms = 2;
    struct qr_engine_options options = {
        .size_bytes = sizeof(options),
        .state_machine = &machine,
        .name = "n1",
        .data_directory = bench->data,
        .peer_address = address,
        .is_bootstrap = true,
        .is_inline = life->is_inline,
        .ignores_poison = life->ignores_poison,
        .limits = limits,
    };
    int status = qr_engine_open(&options, &engine, detail);
    if (status == QR_ERR_POISON) {
        FILE *said = fopen(bench->said, "w");
        (void)fputs(detail, said);
        (void)fclose(said);
        _exit(EXIT_REFUSED);
    }
    if (status != 0) {
        _exit(EXIT_OTHER);
    }
    /* Until it leads a proposal waits, but on a loaded machine not long enough. */
    while (life->proposals > 0 && !qr_is_leader(engine)) {
        (void)usleep(1000);
    }
    for (unsigned i = 0; i < life->proposals; i++) {
        propose(engine, "add");
    }
    if (life->is_last_boom) {
        propose(engine, "boom");
    }
    unsigned proposed = life->proposals + (life->is_last_boom ? 1 : 0);
    while (atomic_load(&answer_count) < proposed) {
        (void)usleep(1000); /* a read does not wait for what nobody was told of yet */
    }
    while (life->waits || qr_read_wait(engine, NULL, NULL) != 0) {
        (void)usleep(1000);
    }
    qr_engine_free(engine);
    qr_plain_free(&machine);
    _exit(EXIT_WELL);
}

static pid_t begin_life(const struct bench *bench, const struct life *life)
{
    (void)fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        live(bench, life);
    }
    return child;
}

/* Its exit code, or minus the signal that ended it. */
static int end_of(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int live_once(const struct bench *bench, struct life life)
{
    return end_of(begin_life(bench, &life));
}

static void read_said(const struct bench *bench, char *out)
{
    FILE *said = fopen(bench->said, "r");
    assert_non_null(said);
    size_t count = fread(out, 1, QR_ERROR_DETAIL_BYTES - 1, said);
    out[count] = '\0';
    (void)fclose(said);
}

static void refuse_after_ends(const struct bench *bench, bool is_inline)
{
    struct life life = {.proposals = 20, .is_last_boom = true, .is_inline = is_inline};
    char detail[QR_ERROR_DETAIL_BYTES];
    unsigned ends = 0;
    int end = live_once(bench, life);
    life.proposals = 0;
    life.is_last_boom = false;
    for (; end == -SIGABRT && ends < 10; ends++) {
        end = live_once(bench, life);
    }
    assert_int_equal(end, EXIT_REFUSED);
    assert_in_range(ends, POISON_ENDS_MAX, POISON_ENDS_MAX + 1);
    read_said(bench, detail);
    assert_non_null(strstr(detail, "command \"boom\""));
    assert_non_null(strstr(detail, "index "));
    assert_non_null(strstr(detail, bench->note));
    assert_int_equal(live_once(bench, life), EXIT_REFUSED); /* and stays so */
}

/* What the doctor says of the directory, which it leaves as it is. */
static struct qr_doctor_applying ask_doctor(const struct bench *bench)
{
    struct qr_doctor_applying told;
    struct qr_doctor *doctor = NULL;
    struct stat before = {.st_size = -1};
    struct stat after = {.st_size = -1};
    const char *path = bench->data;
    memset(&told, 0xff, sizeof(told));
    told.size_bytes = sizeof(told);
    (void)stat(bench->note, &before);
    assert_int_equal(qr_doctor_open(&path, 1, &doctor, NULL), 0);
    assert_int_equal(qr_doctor_applying(doctor, 0, &told), 0);
    qr_doctor_free(doctor);
    (void)stat(bench->note, &after);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    return told;
}

static void the_doctor_tells_which_entry_ended_the_process(void **state)
{
    const struct bench *bench = *state;
    struct life life = {.proposals = 20, .is_last_boom = true};
    assert_int_equal(live_once(bench, life), -SIGABRT);
    assert_int_equal(ask_doctor(bench).note, QR_DOCTOR_NOTE_NONE); /* nothing was noted yet */
    life = (struct life){.proposals = 0};
    assert_int_equal(live_once(bench, life), -SIGABRT);
    struct qr_doctor_applying told = ask_doctor(bench);
    assert_int_equal(told.note, QR_DOCTOR_NOTE_ENDED);
    assert_int_equal(told.ends, 1);
    assert_true(told.first_index > 0 && told.first_index <= told.last_index);
    for (int i = 0; i < 10 && told.note == QR_DOCTOR_NOTE_ENDED; i++) {
        assert_int_equal(live_once(bench, life), -SIGABRT);
        told = ask_doctor(bench);
    }
    assert_int_equal(told.note, QR_DOCTOR_NOTE_REFUSED);
    assert_int_equal(live_once(bench, life), EXIT_REFUSED);
    told = ask_doctor(bench);
    assert_int_equal(told.note, QR_DOCTOR_NOTE_REFUSED); /* as a start has it */
    assert_int_equal(told.ends, POISON_ENDS_MAX);
    assert_int_equal(told.first_index, told.last_index);
    assert_true(told.term > 0);
    assert_string_equal(told.command, "boom");
    const struct life mended = {.is_mended = true, .ignores_poison = true};
    assert_int_equal(live_once(bench, mended), EXIT_WELL);
    assert_int_equal(ask_doctor(bench).note, QR_DOCTOR_NOTE_NONE);
}

static void an_entry_that_ends_the_process_is_named_and_refused(void **state)
{
    const struct bench *bench = *state;
    refuse_after_ends(bench, false);

    struct life mended = {.is_mended = true};
    assert_int_equal(live_once(bench, mended), EXIT_REFUSED);
    mended.ignores_poison = true;
    assert_int_equal(live_once(bench, mended), EXIT_WELL);
    mended.ignores_poison = false;
    assert_int_equal(live_once(bench, mended), EXIT_WELL);
}

static void so_it_is_on_the_engines_own_thread(void **state)
{
    refuse_after_ends(*state, true);
    assert_int_equal(live_once(*state, (struct life){.ignores_poison = true}), -SIGABRT);
}

static void who_mends_it_in_time_is_not_refused(void **state)
{
    const struct bench *bench = *state;
    struct life life = {.proposals = 20, .is_last_boom = true};
    for (int i = 0; i < POISON_ENDS_MAX; i++) {
        assert_int_equal(live_once(bench, life), -SIGABRT);
        life.proposals = 0;
        life.is_last_boom = false;
    }
    life.is_mended = true;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(live_once(bench, life), EXIT_WELL);
    }
}

/* Killed for other reasons, while it applies what was there when it was opened. */
static void kills_at_any_time_never_lead_to_a_refusal(void **state)
{
    const struct bench *bench = *state;
    struct life life = {.proposals = 300, .slow_us = 100};
    assert_int_equal(live_once(bench, life), EXIT_WELL);
    life = (struct life){.slow_us = 100, .waits = true};
    for (unsigned round = 0; round < 14; round++) {
        life.proposals = round == 7 ? 300 : 0; /* and while it proposes */
        pid_t child = begin_life(bench, &life);
        (void)usleep(5000 + round * 7919 % 45000);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(end_of(child), -SIGKILL);
    }
    life.waits = false;
    assert_int_equal(live_once(bench, life), EXIT_WELL);
}

static void write_note(const struct bench *bench, const char *text)
{
    FILE *note = fopen(bench->note, "w");
    assert_non_null(note);
    (void)fputs(text, note);
    (void)fclose(note);
}

static void a_damaged_note_is_no_reason_to_refuse(void **state)
{
    const struct bench *bench = *state;
    const struct life life = {.proposals = 1, .is_mended = true};
    assert_int_equal(live_once(bench, life), EXIT_WELL);
    write_note(bench, "qrapple1 but nothing that follows makes any sense");
    const struct qr_doctor_applying told = ask_doctor(bench);
    assert_int_equal(told.note, QR_DOCTOR_NOTE_DAMAGED);
    assert_int_equal(told.ends + told.first_index + told.last_index + told.term, 0);
    assert_string_equal(told.command, "");
    assert_int_equal(live_once(bench, life), EXIT_WELL);
    assert_int_equal(ask_doctor(bench).note, QR_DOCTOR_NOTE_NONE);
    write_note(bench, "");
    assert_int_equal(ask_doctor(bench).note, QR_DOCTOR_NOTE_NONE);
}

static unsigned logged; /* of a damaged note */
static unsigned found;  /* that tells of an end */
static enum log_level found_level;
static char found_next[32];

static void count_log(void *context, const struct log_event *event)
{
    (void)context;
    logged += event->level == LOG_WARN && strcmp(event->name, "apply_note_damaged") == 0;
    if (strcmp(event->name, "apply_note_found") == 0) {
        found++;
        found_level = event->level;
        for (size_t i = 0; i < event->field_count; i++) {
            if (strcmp(event->fields[i].key, "next") == 0) {
                (void)snprintf(found_next, sizeof(found_next), "%s", event->fields[i].string);
            }
        }
    }
}

/* The rules one by one, without a process: each bit of a note, and which ends are counted. */
static void every_flipped_bit_of_a_note_is_noticed(void **state)
{
    const struct bench *bench = *state;
    const struct log_sink log = {.write = count_log};
    struct poison poison;
    char detail[QR_ERROR_DETAIL_BYTES];
    uint8_t bytes[256];
    assert_int_equal(mkdir(bench->data, 0700), 0);
    assert_int_equal(poison_open(&poison, bench->data, false, &log, detail), 0);
    poison_watch(&poison, 100);
    struct qr_entry entries[2] = {{.index = 7, .term = 2, .command = "x", .command_bytes = 1},
                                  {.index = 9, .term = 2}};
    poison_begin(&poison, entries, 2);
    size_t size_bytes = note_read(&poison.note, bytes, sizeof(bytes));
    poison_close(&poison);
    assert_int_equal(poison_open(&poison, bench->data, false, &log, detail), 0);
    assert_int_equal(poison_alone_until(&poison), 9);
    assert_int_equal(logged, 0);
    for (size_t bit = 0; bit < size_bytes * 8; bit++) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
        assert_true(note_write(&poison.note, bytes, size_bytes));
        note_close(&poison.note);
        logged = 0;
        assert_int_equal(poison_open(&poison, bench->data, false, &log, detail), 0);
        assert_int_equal(logged, 1);
        assert_int_equal(poison_alone_until(&poison), 0);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
    }
    poison_close(&poison);
}

/* One life, which ends while it applies these; returns what the next one is told. */
static int end_within(const struct bench *bench, uint64_t first, uint64_t last)
{
    struct poison poison;
    char detail[QR_ERROR_DETAIL_BYTES];
    struct qr_entry entries[2] = {{.index = first}, {.index = last}};
    int status = poison_open(&poison, bench->data, false, NULL, detail);
    assert_int_equal(status, 0);
    poison_watch(&poison, 100);
    poison_begin(&poison, entries, first == last ? 1 : 2);
    poison_close(&poison);
    status = poison_open(&poison, bench->data, false, NULL, detail);
    poison_close(&poison);
    return status;
}

static void only_ends_within_the_same_entry_are_counted(void **state)
{
    const struct bench *bench = *state;
    assert_int_equal(mkdir(bench->data, 0700), 0);
    for (uint64_t i = 1; i < 20; i++) {
        assert_int_equal(end_within(bench, i, i), 0);
    }
    assert_int_equal(end_within(bench, 30, 50), 0);
    assert_int_equal(end_within(bench, 30, 50), 0);
    assert_int_equal(end_within(bench, 30, 50), 0); /* no one entry yet */
    assert_int_equal(end_within(bench, 60, 60), 0);
    assert_int_equal(end_within(bench, 60, 60), 0);
    assert_int_equal(end_within(bench, 60, 60), QR_ERR_POISON);
}

static void an_entry_that_was_passed_is_forgotten(void **state)
{
    const struct bench *bench = *state;
    struct poison poison;
    char detail[QR_ERROR_DETAIL_BYTES];
    const struct qr_entry entry = {.index = 60};
    assert_int_equal(mkdir(bench->data, 0700), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(end_within(bench, 60, 60), 0);
        assert_int_equal(end_within(bench, 60, 60), 0);
        assert_int_equal(poison_open(&poison, bench->data, false, NULL, detail), 0);
        poison_watch(&poison, 100);
        poison_begin(&poison, &entry, 1);
        poison_end(&poison, 60);
        assert_int_equal(poison_alone_until(&poison), 0);
        poison_close(&poison);
    }
}

/* A start's log, in one line; `ends` of the process came before it. */
static void open_and_hear(const struct bench *bench, bool ignores, unsigned ends)
{
    const struct log_sink log = {.write = count_log};
    struct poison poison;
    char detail[QR_ERROR_DETAIL_BYTES];
    found = 0;
    assert_int_equal(poison_open(&poison, bench->data, ignores, &log, detail), 0);
    poison_close(&poison);
    assert_int_equal(found, ends > 0);
    assert_int_equal(poison_alone_until(&poison), ends > 0 && !ignores ? 60 : 0);
    if (ends > 0) {
        assert_int_equal(found_level, ends == 1 ? LOG_INFO : LOG_WARN);
        assert_string_equal(found_next, ignores ? "ignored" : "one by one");
    }
}

static void a_start_logs_the_note_it_finds(void **state)
{
    const struct bench *bench = *state;
    assert_int_equal(mkdir(bench->data, 0700), 0);
    open_and_hear(bench, false, 0);
    assert_int_equal(end_within(bench, 60, 60), 0);
    open_and_hear(bench, false, 1);
    assert_int_equal(end_within(bench, 60, 60), 0);
    open_and_hear(bench, false, 2);
    assert_int_equal(end_within(bench, 60, 60), QR_ERR_POISON);
    open_and_hear(bench, true, 3);
    open_and_hear(bench, true, 0);
    open_and_hear(bench, false, 0);
}

static void the_doctor_tells_of_batches_and_of_what_was_begun_behind_the_end(void **state)
{
    const struct bench *bench = *state;
    struct poison poison;
    char detail[QR_ERROR_DETAIL_BYTES];
    const struct qr_entry entry = {.index = 40, .term = 3, .command = "x\n", .command_bytes = 2};
    assert_int_equal(mkdir(bench->data, 0700), 0);
    for (unsigned i = 1; i <= POISON_ENDS_MAX; i++) {
        assert_int_equal(end_within(bench, 30, 50), 0);
        const struct qr_doctor_applying told = ask_doctor(bench);
        assert_int_equal(told.note, QR_DOCTOR_NOTE_ENDED);
        assert_int_equal(told.ends, i);
        assert_int_equal(told.first_index, 30);
        assert_int_equal(told.last_index, 50);
    }
    /* One of them alone has been passed when the process ends. */
    assert_int_equal(poison_open(&poison, bench->data, false, NULL, detail), 0);
    poison_watch(&poison, 100);
    poison_begin(&poison, &entry, 1);
    poison_end(&poison, 40);
    poison_close(&poison);
    struct qr_doctor_applying told = ask_doctor(bench);
    assert_int_equal(told.note, QR_DOCTOR_NOTE_ENDED);
    assert_int_equal(told.first_index, 30);
    assert_int_equal(told.term, 0);
    assert_string_equal(told.command, "");
    /* And one that ends it has a command that people can read. */
    assert_int_equal(poison_open(&poison, bench->data, false, NULL, detail), 0);
    poison_watch(&poison, 100);
    poison_begin(&poison, &entry, 1);
    poison_close(&poison);
    told = ask_doctor(bench);
    assert_int_equal(told.note, QR_DOCTOR_NOTE_REFUSED);
    assert_int_equal(told.first_index, 40);
    assert_int_equal(told.term, 3);
    assert_string_equal(told.command, "x?");
}

static void the_doctor_is_asked_for_what_is_there_alone(void **state)
{
    const struct bench *bench = *state;
    struct qr_doctor *doctor = NULL;
    struct qr_doctor_applying told = {.size_bytes = sizeof(told)};
    const char *path = bench->data;
    assert_int_equal(mkdir(bench->data, 0700), 0);
    assert_int_equal(qr_doctor_open(&path, 1, &doctor, NULL), 0);
    assert_int_equal(qr_doctor_applying(NULL, 0, &told), QR_ERR_INVALID);
    assert_int_equal(qr_doctor_applying(doctor, 1, &told), QR_ERR_INVALID);
    assert_int_equal(qr_doctor_applying(doctor, SIZE_MAX, &told), QR_ERR_INVALID);
    assert_int_equal(qr_doctor_applying(doctor, 0, NULL), QR_ERR_INVALID);
    const size_t sizes[] = {0, sizeof(size_t), SIZE_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        told.size_bytes = sizes[i];
        assert_int_equal(qr_doctor_applying(doctor, 0, &told), QR_ERR_INVALID);
    }
    qr_doctor_free(doctor);
}

int main(void)
{
#define POISON_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        POISON_TEST(an_entry_that_ends_the_process_is_named_and_refused),
        POISON_TEST(so_it_is_on_the_engines_own_thread),
        POISON_TEST(who_mends_it_in_time_is_not_refused),
        POISON_TEST(kills_at_any_time_never_lead_to_a_refusal),
        POISON_TEST(a_damaged_note_is_no_reason_to_refuse),
        POISON_TEST(every_flipped_bit_of_a_note_is_noticed),
        POISON_TEST(only_ends_within_the_same_entry_are_counted),
        POISON_TEST(an_entry_that_was_passed_is_forgotten),
        POISON_TEST(a_start_logs_the_note_it_finds),
        POISON_TEST(the_doctor_tells_which_entry_ended_the_process),
        POISON_TEST(the_doctor_tells_of_batches_and_of_what_was_begun_behind_the_end),
        POISON_TEST(the_doctor_is_asked_for_what_is_there_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
