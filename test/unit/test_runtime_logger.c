/* test_runtime_logger.c: lines come out whole and in order; a reader that stalls stops nobody. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/logger.h"

#define OUTPUT_BYTES (4 << 20)

/* All that comes until the other end closes, and a NUL. */
static char *read_all(int descriptor)
{
    char *out = calloc(1, OUTPUT_BYTES);
    size_t length = 0;
    ssize_t got = read(descriptor, out, OUTPUT_BYTES - 1);
    while (got > 0) {
        length += (size_t)got;
        got = read(descriptor, out + length, OUTPUT_BYTES - 1 - length);
    }
    return out;
}

static void a_text_line_is_time_level_event_and_fields(void **state)
{
    (void)state;
    struct log_event event = {
        .level = LOG_INFO,
        .name = "became_leader",
        .field_count = 2,
        .fields = {log_u64("term", 7), log_string("name", "n1")},
    };
    char line[LOGGER_LINE_BYTES_MAX];
    /* 2026-11-23T12:00:00.123456Z */
    time_ns wall_ns = UINT64_C(1795435200) * NS_PER_S + 123456789;
    size_t length = logger_line(QR_LOG_TEXT, wall_ns, &event, line);
    line[length] = '\0';
    assert_string_equal(line, "2026-11-23T12:00:00.123456Z info became_leader term=7 name=n1\n");
    length = logger_line(QR_LOG_JSON, wall_ns, &event, line);
    line[length] = '\0';
    assert_string_equal(line, "{\"time\":\"2026-11-23T12:00:00.123456Z\",\"level\":\"info\","
                              "\"event\":\"became_leader\",\"term\":7,\"name\":\"n1\"}\n");
}

static void a_json_line_that_is_too_long_stays_json(void **state)
{
    (void)state;
    char blob[LOG_STRING_BYTES_MAX + 1];
    memset(blob, 1, sizeof(blob));
    blob[LOG_STRING_BYTES_MAX] = '\0';
    struct log_event event = {.level = LOG_WARN, .name = "much", .field_count = LOG_FIELDS_MAX};
    for (size_t i = 0; i < LOG_FIELDS_MAX; i++) {
        event.fields[i] = log_string("blob", blob);
    }
    char line[LOGGER_LINE_BYTES_MAX];
    size_t length = logger_line(QR_LOG_JSON, 0, &event, line);
    line[length - 1] = '\0';
    assert_string_equal(line, "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"warn\","
                              "\"event\":\"much\"}");
}

static void lines_come_out_in_order_and_none_below_the_level(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct qr_logger *logger = qr_logger_new(ends[1], QR_LOG_TEXT, QR_LOG_INFO);
    assert_non_null(logger);
    qr_log(logger, QR_LOG_INFO, "first", "key", "a b", NULL);
    qr_log(logger, QR_LOG_DEBUG, "never", NULL);
    struct log_sink sink = logger_sink(logger);
    LOG(&sink, LOG_ERROR, "second", log_id("node", 10));
    qr_logger_free(logger);
    close(ends[1]);
    char *out = read_all(ends[0]);
    close(ends[0]);
    const char *first = strstr(out, " info first key=\"a b\"\n");
    assert_non_null(first);
    assert_non_null(strstr(first, " error second node=000000000000000a\n"));
    assert_null(strstr(out, "never"));
    free(out);
}

/* Losses may be told in several lines, where there was room in between. */
static uint64_t told_losses(const char *out)
{
    static const char name[] = "warn log_dropped count=";
    uint64_t sum = 0;
    const char *at = strstr(out, name);
    while (at != NULL) {
        at += sizeof(name) - 1;
        bool is_whole = strchr(at, '\n') != NULL;
        sum += is_whole ? strtoull(at, NULL, 10) : 0;
        at = strstr(at, name);
    }
    return sum;
}

static void a_stalled_reader_is_never_waited_for_and_losses_are_counted(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct qr_logger *logger = qr_logger_new(ends[1], QR_LOG_TEXT, QR_LOG_INFO);
    char blob[500];
    memset(blob, 'x', sizeof(blob));
    blob[sizeof(blob) - 1] = '\0';
    for (int i = 0; i < 4000; i++) { /* 2 MB: twice what ring and pipe hold */
        qr_log(logger, QR_LOG_INFO, "line", "blob", blob, NULL);
    }
    uint64_t dropped = qr_logger_dropped_count(logger);
    assert_true(dropped > 1000 && dropped < 4000);

    /* The reader comes back: the ring drains, the loss is said, and new lines go through. */
    char *out = calloc(1, OUTPUT_BYTES);
    size_t length = 0;
    while (told_losses(out) < dropped && length < OUTPUT_BYTES - 1) {
        ssize_t got = read(ends[0], out + length, OUTPUT_BYTES - 1 - length);
        assert_true(got > 0);
        length += (size_t)got;
    }
    qr_log(logger, QR_LOG_INFO, "after", NULL);
    qr_logger_free(logger);
    close(ends[1]);
    char *rest = read_all(ends[0]);
    assert_int_equal(told_losses(out), dropped);
    assert_non_null(strstr(rest, " info after\n"));
    close(ends[0]);
    free(out);
    free(rest);
}

static void freeing_waits_about_a_second_for_a_stalled_reader(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct qr_logger *logger = qr_logger_new(ends[1], QR_LOG_TEXT, QR_LOG_INFO);
    char blob[500];
    memset(blob, 'x', sizeof(blob));
    blob[sizeof(blob) - 1] = '\0';
    for (int i = 0; i < 1000; i++) {
        qr_log(logger, QR_LOG_INFO, "line", "blob", blob, NULL);
    }
    time_ns begin_ns = runtime_now_ns();
    qr_logger_free(logger);
    time_ns spent_ns = runtime_now_ns() - begin_ns;
    assert_true(spent_ns > NS_PER_S / 2 && spent_ns < 5 * NS_PER_S);
    close(ends[0]);
    close(ends[1]);
}

static void *log_many(void *argument)
{
    struct qr_logger *logger = argument;
    for (int i = 0; i < 200; i++) {
        qr_log(logger, QR_LOG_INFO, "shared", "value", "x", NULL);
    }
    return NULL;
}

static void lines_of_many_threads_stay_whole(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    struct qr_logger *logger = qr_logger_new(fileno(file), QR_LOG_TEXT, QR_LOG_INFO);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, logger), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(qr_logger_dropped_count(logger), 0);
    qr_logger_free(logger);
    rewind(file);
    char line[256];
    int count = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        assert_string_equal(line + strlen("2026-11-23T12:00:00.123456Z"), " info shared value=x\n");
        count++;
    }
    assert_int_equal(count, 800);
    (void)fclose(file);
}

static void no_logger_takes_everything_silently(void **state)
{
    (void)state;
    qr_log(NULL, QR_LOG_ERROR, "nobody", "key", "value", NULL);
    struct log_sink sink = logger_sink(NULL);
    LOG(&sink, LOG_ERROR, "nobody", log_u64("a", 1));
    assert_int_equal(qr_logger_dropped_count(NULL), 0);
    qr_logger_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_line_is_time_level_event_and_fields),
        cmocka_unit_test(a_json_line_that_is_too_long_stays_json),
        cmocka_unit_test(lines_come_out_in_order_and_none_below_the_level),
        cmocka_unit_test(a_stalled_reader_is_never_waited_for_and_losses_are_counted),
        cmocka_unit_test(freeing_waits_about_a_second_for_a_stalled_reader),
        cmocka_unit_test(lines_of_many_threads_stay_whole),
        cmocka_unit_test(no_logger_takes_everything_silently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
