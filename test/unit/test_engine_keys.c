/* test_engine_keys.c: keys of a running node: listed, added, used, removed; and who needs one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "quorate/keys.h"
#include "support/lone_engine.h"

#define FIRST "the first key of ours"
#define SECOND "the second key of ours"
#define FIRST_ID "0458765f"
#define SECOND_ID "01354520"

struct bench {
    struct lone_engine lone;
    char keys_directory[64]; /* locked while keys are written: of this test alone */
    char secret[96];
    char log[96];
    struct qr_logger *logger;
    int answer_count;
    int status;
    char reason[QR_ERROR_DETAIL_BYTES];
    struct qr_keys keys;
};

static struct qr_engine_options options_of(struct bench *bench)
{
    struct qr_engine_options options = lone_engine_options(&bench->lone);
    options.secret_file = bench->secret;
    options.logger = bench->logger;
    return options;
}

static void secret_put(struct bench *bench, const char *text, mode_t mode)
{
    FILE *file = fopen(bench->secret, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(bench->secret, mode), 0);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    lone_engine_init(&bench->lone, true);
    temporary_directory(bench->keys_directory);
    (void)snprintf(bench->secret, sizeof(bench->secret), "%s/secret", bench->keys_directory);
    (void)snprintf(bench->log, sizeof(bench->log), "%s.log", bench->lone.directory);
    int log = open(bench->log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(log >= 0);
    bench->logger = qr_logger_new(log, QR_LOG_TEXT, QR_LOG_DEBUG);
    assert_non_null(bench->logger);
    secret_put(bench, FIRST "\n", 0600);
    *state = bench;
    return 0;
}

static void open_engine(struct bench *bench)
{
    struct qr_engine_options options = options_of(bench);
    lone_engine_open_with(&bench->lone, &options);
}

/* Whatever was done, no key stands in the log. */
static void check_log(struct bench *bench)
{
    static char text[1 << 20];
    FILE *file = fopen(bench->log, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    text[length] = '\0';
    assert_int_equal(fclose(file), 0);
    assert_null(strstr(text, "key of ours"));
    assert_true(length > 0);
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    lone_engine_deinit(&bench->lone);
    qr_logger_free(bench->logger);
    check_log(bench);
    temporary_directory_remove(bench->keys_directory);
    (void)unlink(bench->log);
    free(bench);
    return 0;
}

static void on_answer(void *argument, int status, const char *reason, const struct qr_keys *keys)
{
    struct bench *bench = argument;
    bench->answer_count++;
    bench->status = status;
    bench->keys = *keys;
    (void)snprintf(bench->reason, sizeof(bench->reason), "%s", reason);
    assert_null(strstr(reason, "key of ours"));
}

static int ask(struct bench *bench, enum qr_keys_action action, const char *key)
{
    int count = bench->answer_count;
    int status =
        qr_keys(bench->lone.engine, action, key, key == NULL ? 0 : strlen(key), on_answer, bench);
    if (status != 0) {
        return status;
    }
    assert_int_equal(bench->answer_count, count);
    while (bench->answer_count == count) {
        lone_engine_run(&bench->lone);
    }
    return bench->status;
}

static void check_keys(const struct bench *bench, const char *first, const char *second)
{
    assert_int_equal(bench->keys.count, second == NULL ? 1 : 2);
    assert_string_equal(bench->keys.ids[0], first);
    if (second != NULL) {
        assert_string_equal(bench->keys.ids[1], second);
    }
}

static void a_key_is_added_used_and_the_old_one_removed(void **state)
{
    struct bench *bench = *state;
    open_engine(bench);
    assert_int_equal(ask(bench, QR_KEYS_LIST, NULL), 0);
    check_keys(bench, FIRST_ID, NULL);
    assert_int_equal(ask(bench, QR_KEYS_ADD, SECOND), 0);
    check_keys(bench, FIRST_ID, SECOND_ID);
    assert_int_equal(ask(bench, QR_KEYS_USE, SECOND), 0);
    check_keys(bench, SECOND_ID, FIRST_ID);
    assert_int_equal(ask(bench, QR_KEYS_REMOVE, FIRST), 0);
    check_keys(bench, SECOND_ID, NULL);
    lone_engine_close(&bench->lone);
    open_engine(bench); /* and the file says the same */
    assert_int_equal(ask(bench, QR_KEYS_LIST, NULL), 0);
    check_keys(bench, SECOND_ID, NULL);
}

static void each_step_may_be_repeated(void **state)
{
    struct bench *bench = *state;
    open_engine(bench);
    assert_int_equal(ask(bench, QR_KEYS_ADD, FIRST), 0);
    assert_string_equal(bench->reason, "it was there already");
    check_keys(bench, FIRST_ID, NULL);
    assert_int_equal(ask(bench, QR_KEYS_USE, FIRST), 0);
    assert_string_equal(bench->reason, "it was used already");
    assert_int_equal(ask(bench, QR_KEYS_REMOVE, SECOND), 0);
    assert_string_equal(bench->reason, "it was not there");
    check_keys(bench, FIRST_ID, NULL);
}

static void a_name_will_do_for_a_key_that_is_there(void **state)
{
    struct bench *bench = *state;
    open_engine(bench);
    assert_int_equal(ask(bench, QR_KEYS_ADD, SECOND), 0);
    assert_int_equal(ask(bench, QR_KEYS_USE, SECOND_ID), 0);
    check_keys(bench, SECOND_ID, FIRST_ID);
    assert_int_equal(ask(bench, QR_KEYS_ADD, FIRST_ID), 0); /* it is there */
    assert_int_equal(ask(bench, QR_KEYS_REMOVE, FIRST_ID), 0);
    check_keys(bench, SECOND_ID, NULL);
    assert_int_equal(ask(bench, QR_KEYS_ADD, FIRST_ID), QR_ERR_INVALID);
}

static void what_makes_no_sense_changes_nothing(void **state)
{
    struct bench *bench = *state;
    char key[32];
    static const char longest[QR_KEY_BYTES_MAX + 2] = {0};
    open_engine(bench);
    assert_int_equal(ask(bench, QR_KEYS_ADD, "short"), QR_ERR_INVALID);
    assert_int_equal(ask(bench, QR_KEYS_USE, SECOND), QR_ERR_NOT_FOUND);
    assert_int_equal(ask(bench, QR_KEYS_REMOVE, FIRST), QR_ERR_INVALID);
    assert_non_null(strstr(bench->reason, "use another first"));
    check_keys(bench, FIRST_ID, NULL);
    for (int i = 1; i < QR_KEYS_MAX; i++) {
        (void)snprintf(key, sizeof(key), "another key of ours %d", i);
        assert_int_equal(ask(bench, QR_KEYS_ADD, key), 0);
    }
    assert_int_equal(ask(bench, QR_KEYS_ADD, SECOND), QR_ERR_TOO_LARGE);
    assert_int_equal(bench->keys.count, QR_KEYS_MAX);
    assert_int_equal(
        qr_keys(bench->lone.engine, QR_KEYS_ADD, longest, QR_KEY_BYTES_MAX + 1, on_answer, bench),
        QR_ERR_TOO_LARGE);
}

static void a_file_that_was_changed_by_hand_is_not_written_over(void **state)
{
    struct bench *bench = *state;
    open_engine(bench);
    secret_put(bench, FIRST "\nsome other key of ours\n", 0600);
    assert_int_equal(ask(bench, QR_KEYS_ADD, SECOND), QR_ERR_MISMATCH);
    assert_non_null(strstr(bench->reason, "changed by hand"));
    check_keys(bench, FIRST_ID, NULL);
    assert_int_equal(chmod(bench->secret, 0644), 0);
    assert_int_equal(ask(bench, QR_KEYS_ADD, SECOND), QR_ERR_INVALID);
    assert_int_equal(unlink(bench->secret), 0);
    assert_int_equal(ask(bench, QR_KEYS_ADD, SECOND), QR_ERR_IO);
    check_keys(bench, FIRST_ID, NULL);
    /* What it would become it may be already: by hand, or by a node with the same file. */
    secret_put(bench, FIRST "\n" SECOND "\n", 0600);
    assert_int_equal(ask(bench, QR_KEYS_ADD, SECOND), 0);
    check_keys(bench, FIRST_ID, SECOND_ID);
}

static void one_change_at_a_time(void **state)
{
    struct bench *bench = *state;
    open_engine(bench);
    assert_int_equal(
        qr_keys(bench->lone.engine, QR_KEYS_ADD, SECOND, strlen(SECOND), on_answer, bench), 0);
    assert_int_equal(
        qr_keys(bench->lone.engine, QR_KEYS_ADD, FIRST "!", strlen(FIRST "!"), on_answer, bench),
        0);
    while (bench->answer_count == 0) {
        lone_engine_run(&bench->lone);
    }
    assert_int_equal(bench->status, QR_ERR_BUSY); /* the second, while the first is written */
    while (bench->answer_count == 1) {
        lone_engine_run(&bench->lone);
    }
    assert_int_equal(bench->status, 0);
    check_keys(bench, FIRST_ID, SECOND_ID);
}

static void who_waits_is_answered_when_the_node_stops(void **state)
{
    struct bench *bench = *state;
    open_engine(bench);
    assert_int_equal(
        qr_keys(bench->lone.engine, QR_KEYS_ADD, SECOND, strlen(SECOND), on_answer, bench), 0);
    uv_run(&bench->lone.loop, UV_RUN_NOWAIT); /* it is being written, or was */
    qr_engine_stop(bench->lone.engine);
    while (bench->lone.stopped_count == 0) {
        lone_engine_run(&bench->lone);
    }
    assert_int_equal(bench->answer_count, 1);
    assert_int_equal(bench->status, 0);
    assert_int_equal(ask(bench, QR_KEYS_LIST, NULL), QR_ERR_STOPPED);
    qr_engine_free(bench->lone.engine);
    bench->lone.engine = NULL;
    open_engine(bench);
    assert_int_equal(ask(bench, QR_KEYS_LIST, NULL), 0);
    check_keys(bench, FIRST_ID, SECOND_ID);
}

static void without_a_secret_there_are_no_keys(void **state)
{
    struct bench *bench = *state;
    struct qr_engine_options options = options_of(bench);
    options.secret_file = NULL;
    lone_engine_open_with(&bench->lone, &options);
    assert_int_equal(ask(bench, QR_KEYS_LIST, NULL), QR_ERR_NOT_FOUND);
    assert_int_equal(ask(bench, QR_KEYS_ADD, FIRST), QR_ERR_NOT_FOUND);
    assert_int_equal(bench->keys.count, 0);
}

static void a_secret_that_cannot_be_used_is_refused_at_once(void **state)
{
    struct bench *bench = *state;
    struct qr_engine_options options = options_of(bench);
    secret_put(bench, FIRST "\n", 0644);
    assert_int_equal(lone_engine_try_open(&bench->lone, &options), QR_ERR_INVALID);
    assert_non_null(strstr(bench->lone.detail, "others may read"));
    assert_int_equal(unlink(bench->secret), 0);
    secret_put(bench, "short\n", 0600);
    assert_int_equal(lone_engine_try_open(&bench->lone, &options), QR_ERR_INVALID);
    assert_non_null(strstr(bench->lone.detail, "line 1 is no key"));
    assert_null(strstr(bench->lone.detail, "short\n"));
    assert_int_equal(unlink(bench->secret), 0);
    assert_int_equal(lone_engine_try_open(&bench->lone, &options), QR_ERR_IO);
    assert_null(bench->lone.engine);
    (void)qr_log(bench->logger, QR_LOG_INFO, "done", NULL);
}

static const struct {
    const char *address;
    bool has_secret;
    bool is_insecure;
    bool is_refused;
} reaches[] = {
    {"127.0.0.1:0", false, false, false},    {"127.9.9.9:0", false, false, false},
    {"localhost:0", false, false, false},    {"[::ffff:127.0.0.1]:0", false, false, false},
    {"[::1]:0", false, false, false},        {"0.0.0.0:0", false, false, true},
    {"[::]:0", false, false, true},          {"192.0.2.1:0", false, false, true},
    {"[2001:db8::1]:0", false, false, true}, {"[::ffff:192.0.2.1]:0", false, false, true},
    {"128.0.0.1:0", false, false, true},     {"192.0.2.1:0", true, false, false},
    {"192.0.2.1:0", false, true, false},
};

/* They may fail to listen, which no machine must be able to do; but for another reason. */
static void without_a_secret_only_loopback_is_listened_on(void **state)
{
    struct bench *bench = *state;
    for (size_t row = 0; row < COUNT_OF(reaches); row++) {
        struct qr_engine_options options = options_of(bench);
        options.peer_address = reaches[row].address;
        options.advertise_address = "192.0.2.1:7700";
        options.secret_file = reaches[row].has_secret ? bench->secret : NULL;
        options.is_insecure = reaches[row].is_insecure;
        int status = lone_engine_try_open(&bench->lone, &options);
        bool is_refused = status == QR_ERR_ADDRESS &&
                          strstr(bench->lone.detail, "is not loopback") != NULL &&
                          strstr(bench->lone.detail, "--insecure") != NULL;
        if (is_refused != reaches[row].is_refused) {
            fail_msg("%s: %s", reaches[row].address, bench->lone.detail);
        }
        lone_engine_close(&bench->lone);
    }
    (void)qr_log(bench->logger, QR_LOG_INFO, "done", NULL);
}

#define KEYS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEYS_TEST(a_key_is_added_used_and_the_old_one_removed),
        KEYS_TEST(each_step_may_be_repeated),
        KEYS_TEST(a_name_will_do_for_a_key_that_is_there),
        KEYS_TEST(what_makes_no_sense_changes_nothing),
        KEYS_TEST(a_file_that_was_changed_by_hand_is_not_written_over),
        KEYS_TEST(one_change_at_a_time),
        KEYS_TEST(who_waits_is_answered_when_the_node_stops),
        KEYS_TEST(without_a_secret_there_are_no_keys),
        KEYS_TEST(a_secret_that_cannot_be_used_is_refused_at_once),
        KEYS_TEST(without_a_secret_only_loopback_is_listened_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
